"""What a measurement came to: its figures by name, and how quiet the machine was meanwhile."""

from dataclasses import asdict, dataclass, field


@dataclass(frozen=True)
class Sample:
    scenario: str
    peer: str
    round: int
    figures: dict[str, float]
    errors: int = 0
    others_on_proxy_core: float = 0.0  # share of the wall clock of what is no part of the measurement: noise
    others_on_load_core: float = 0.0
    detail: dict = field(default_factory=dict)  # what no table shows

    def raw(self) -> dict:
        return asdict(self)
