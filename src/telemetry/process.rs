//! What the operating system says of this process, read from `/proc` when it is asked for.
//!
//! Where there is no `/proc` the families are missing, which is what Prometheus' own clients do.

use std::fs;

use prometheus::proto::{Metric, MetricFamily};

use super::families::{self, Family, Source};

// Linux counts processes' time in USER_HZ, which is 100 on every architecture that Rust runs on there.
const TICKS_PER_SECOND: f64 = 100.0;

/// Reads the process' own figures.
#[derive(Debug, Default)]
pub(super) struct ProcessSource;

impl Source for ProcessSource {
    fn families() -> &'static [&'static Family] {
        static FAMILIES: [&Family; 7] = [
            &families::PROCESS_CPU,
            &families::PROCESS_RESIDENT,
            &families::PROCESS_VIRTUAL,
            &families::PROCESS_OPEN_FDS,
            &families::PROCESS_MAX_FDS,
            &families::PROCESS_START,
            &families::PROCESS_THREADS,
        ];
        &FAMILIES
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
        let system = fs::read_to_string("/proc/stat").unwrap_or_default();
        let open_fds = fs::read_dir("/proc/self/fd").ok().map(|fds| fds.count() as f64);
        let started = boot_time(&system).zip(stat_field(&stat, 22));
        let values = [
            (&families::PROCESS_CPU, cpu_seconds(&stat)),
            (&families::PROCESS_RESIDENT, status_bytes(&status, "VmRSS:")),
            (&families::PROCESS_VIRTUAL, status_bytes(&status, "VmSize:")),
            (&families::PROCESS_OPEN_FDS, open_fds),
            (&families::PROCESS_MAX_FDS, fds_max(&limits)),
            (&families::PROCESS_START, started.map(|(boot, ticks)| boot + ticks / TICKS_PER_SECOND)),
            (&families::PROCESS_THREADS, stat_field(&stat, 20)),
        ];
        let one = |(family, value): (&Family, Option<f64>)| {
            let metrics: Vec<Metric> = value.map(|value| family.value(&[], value)).into_iter().collect();
            family.of(metrics)
        };
        values.into_iter().map(one).collect()
    }
}

fn cpu_seconds(stat: &str) -> Option<f64> {
    Some((stat_field(stat, 14)? + stat_field(stat, 15)?) / TICKS_PER_SECOND)
}

/// Field `number` of `/proc/self/stat`, counted from 1 as proc(5) does; from 3 on.
fn stat_field(stat: &str, number: usize) -> Option<f64> {
    // The second field is the command in parentheses, and may hold blanks and parentheses itself.
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_ascii_whitespace().nth(number.checked_sub(3)?)?.parse().ok()
}

fn status_bytes(status: &str, key: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    let kib: f64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1024.0)
}

fn fds_max(limits: &str) -> Option<f64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

fn boot_time(system: &str) -> Option<f64> {
    system.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_of_proc_are_found() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4 5 0 0 0 150 50 0 0 20 0 3 0 1234 9 8";
        assert_eq!(cpu_seconds(stat), Some(2.0));
        assert_eq!(stat_field(stat, 20), Some(3.0));
        assert_eq!(stat_field(stat, 22), Some(1234.0));
        assert_eq!(status_bytes("VmSize:\t  8 kB\nVmRSS:\t    2 kB\n", "VmRSS:"), Some(2048.0));
        assert_eq!(
            fds_max("Limit\nMax open files            1024                 4096     files\n"),
            Some(1024.0)
        );
        assert_eq!(boot_time("cpu 1\nbtime 1700000000\n"), Some(1_700_000_000.0));
    }

    #[test]
    fn what_is_not_there_is_left_out() {
        assert_eq!(cpu_seconds(""), None);
        assert_eq!(status_bytes("", "VmRSS:"), None);
        assert_eq!(fds_max("Max open files unlimited unlimited files"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn linux_has_them_all() {
        for family in ProcessSource.collect() {
            assert_eq!(family.get_metric().len(), 1, "{}", family.name());
        }
    }
}
