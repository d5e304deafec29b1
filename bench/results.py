"""What a run found, and the figures that follow from it."""

from dataclasses import dataclass, field
from statistics import median
from typing import Any

from cases import Case
from contenders import LIMIT_SIZE, Contender

OK = "ok"


@dataclass
class Result:
    """One contender in one case; `rounds` are the median seconds of each round."""

    contender: Contender
    status: str = OK
    rounds: list[float] = field(default_factory=list)
    flops: int = 0
    path: str = ""
    error: float = 0.0
    peak_bytes: int = 0
    idle_cpu: float = 0.0

    @property
    def ok(self) -> bool:
        return self.status == OK

    @property
    def failed(self) -> bool:
        return self.status.startswith("failed")

    @property
    def seconds(self) -> float:
        return median(self.rounds)


@dataclass(frozen=True)
class Ratio:
    """A contender's time over the baseline's: of the medians, and the extremes of the rounds."""

    median: float
    low: float
    high: float


@dataclass
class CaseResult:
    """One case; `foreign_load` is what others took of the machine while it was measured, 0 to 1."""

    case: Case
    baseline: str
    results: list[Result]
    limits: list[Result]
    foreign_load: float = 0.0

    @property
    def limit(self) -> Result | None:
        """The faster large product, None if none could be measured."""
        return min((r for r in self.limits if r.ok), key=lambda r: r.seconds, default=None)

    @property
    def fastest_peer(self) -> Result | None:
        peers = (r for r in self.results if r.ok and not r.contender.ours)
        return min(peers, key=lambda r: r.seconds, default=None)

    def find(self, name: str) -> Result | None:
        """The contender of that name, None if it was not measured."""
        return next((r for r in self.results if r.ok and r.contender.name == name), None)

    def ratio(self, result: Result, to: str | None = None) -> Ratio | None:
        """The time of `result` over that of `to` (None: the baseline), by rounds."""
        base = self.find(to or self.baseline)
        if base is None or not result.ok:
            return None
        paired = [a / b for a, b in zip(result.rounds, base.rounds, strict=True)]
        return Ratio(result.seconds / base.seconds, min(paired), max(paired))

    def share_of_limit(self, result: Result) -> float | None:
        """The contender's own operations a second over the limit's, 1 is all."""
        if self.limit is None or not result.ok:
            return None
        return result.flops / result.seconds / flops_per_second(self.limit)

    def to_json(self) -> dict[str, Any]:
        peer = self.fastest_peer
        return {
            "case": self.case.name,
            "title": self.case.title,
            "foreign_load": self.foreign_load,
            "limits_gflops": {
                r.contender.name: flops_per_second(r) / 1e9 for r in self.limits if r.ok
            },
            "fastest_peer": peer.contender.name if peer else None,
            "contenders": [self._row_to_json(result) for result in self.results],
        }

    def _row_to_json(self, result: Result) -> dict[str, Any]:
        row = {"name": result.contender.name, "family": result.contender.family}
        row["status"] = result.status
        if not result.ok:
            return row
        ratio = self.ratio(result)
        return row | {
            "milliseconds": result.seconds * 1e3,
            "rounds_milliseconds": [seconds * 1e3 for seconds in result.rounds],
            "ratio": vars(ratio) if ratio else None,
            "flops": result.flops,
            "path": result.path,
            "share_of_limit": self.share_of_limit(result),
            "error": result.error,
            "peak_bytes": result.peak_bytes,
            "idle_cpu": result.idle_cpu,
        }


def flops_per_second(limit: Result) -> float:
    """Of a large product."""
    return 2 * LIMIT_SIZE**3 / limit.seconds
