"""Pairs of measurements and what they say."""

import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Ratio:
    """Ours against a limit, in interleaved pairs; both in the same unit (per second, or seconds)."""

    id: str
    what: str
    against: str
    target: float | None
    unit: str
    at_most: bool = False
    """The less the better: the target is a limit."""
    ours: list[float] = field(default_factory=list)
    limit: list[float] = field(default_factory=list)

    def measure(self, ours: Callable[[], float], limit: Callable[[], float], *, pairs: int = 5) -> "Ratio":
        """Take the pairs one after the other, changing who goes first."""
        for number in range(pairs):
            if number % 2:
                self.limit.append(limit())
                self.ours.append(ours())
            else:
                self.ours.append(ours())
                self.limit.append(limit())
            progress(f"{self.id}: pair {number + 1} of {pairs}")
        return self

    @property
    def ratios(self) -> list[float]:
        """Ours divided by the limit, pair by pair."""
        return [mine / theirs for mine, theirs in zip(self.ours, self.limit, strict=True)]

    def line(self) -> str:
        """One line: median ratio, its spread, both sides, the target."""
        ratios = self.ratios
        verdict = ""
        if self.target is not None:
            median = statistics.median(ratios)
            is_met = median <= self.target if self.at_most else median >= self.target
            verdict = f"  target {'<= ' if self.at_most else ''}{self.target:g}: {'met' if is_met else 'NOT met'}"
        median_ours, median_limit = statistics.median(self.ours), statistics.median(self.limit)
        return (
            f"{self.id:4} {statistics.median(ratios):6.2f}  ({min(ratios):.2f} - {max(ratios):.2f})  {self.what}: "
            f"{median_ours:,.0f} {self.unit}; {self.against}: {median_limit:,.0f} {self.unit}{verdict}"
        )


def progress(text: str) -> None:
    """Show that something goes on, without disturbing the report."""
    sys.stderr.write(f"  ... {text}\n")
    sys.stderr.flush()
