"""What the tables show, by kind of scenario."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    title: str
    figure: str
    digits: int = 1
    best: object = None  # min or max, of the baselines: then a ratio follows
    percent: bool = False


_CORE = Column("proxy core used", "proxy_core_used", 0, percent=True)

COLUMNS = {
    "requests": (
        Column("CPU µs / request", "cpu_us", 1, min),
        Column("of it user", "cpu_user_us", 1, min),
        Column("requests/s", "requests_per_s", 0, max),
        Column("p50 ms", "p50_ms", 2),
        Column("p99 ms", "p99_ms", 2, min),
        _CORE,
    ),
    "transfers": (
        Column("CPU ms / GiB", "cpu_ms", 0, min),
        Column("of it user", "cpu_user_ms", 0),
        Column("GiB/s", "gib_per_s", 2, max),
        Column("memory grew by at most, MiB", "grown_mib", 1),
        _CORE,
    ),
    "idle": (
        Column("fresh, MiB", "fresh_mib", 1, min),
        Column("with all connections, MiB", "full_mib", 1),
        Column("KiB a pair", "kib_per_pair", 1, min),
    ),
    "tail": (
        Column("requests/s", "rate_per_s", 0),
        Column("p50 ms", "p50_ms", 2),
        Column("p99 ms", "p99_ms", 2, min),
        Column("p99.9 ms", "p999_ms", 2, min),
        Column("largest ms", "max_ms", 2),
        _CORE,
    ),
    "disturbed": (
        Column("requests/s", "rate_per_s", 0),
        Column("p50 ms", "p50_ms", 2),
        Column("reload ms", "reload_ms", 1),
        Column("scrape ms", "scrape_ms", 1),
        Column("log rotation ms", "rotation_ms", 1),
        Column("tenant churn ms", "churn_ms", 1),
        Column("nothing ms, at worst", "quiet_ms", 1),
        Column("as a rule", "quiet_median_ms", 1),
    ),
}
