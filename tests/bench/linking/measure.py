"""P8: ours against Splink used straight on the same normalised fields; quality of the clusters and time, in turns.

Ours links at 0.5, where a link is likelier right than wrong, on every set alike. The baseline gets the threshold that
is best for it, found by the truth. The Japanese model was made looking at seed 11 alone; what is reported are other
seeds.
"""

import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass

from identity_service.linking.engine import link
from identity_service.linking.results import LinkingSettings
from tests.bench.linking.baseline import Pair, link_with_splink
from tests.bench.linking.datasets import LabelledRecords, febrl
from tests.bench.linking.japanese import japanese
from tests.bench.linking.quality import Quality, quality_of
from tests.bench.report import Ratio, progress

TIME_TARGET = 1.2
JAPANESE_ADVANTAGE = 0.05
JAPANESE_AIM = 0.93
JAPANESE_SEEDS = (101, 102, 103)
JAPANESE_PERSONS = 2500
LINK_FROM = 0.5
THRESHOLDS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 0.9999, 0.99999, 0.999999)


@dataclass(frozen=True)
class Comparison:
    """Both on one set."""

    name: str
    ours: Quality
    baseline: Quality
    times: Ratio | None
    advantage: float = 0.0
    """By how much F1 must be above the baseline's."""
    aim: float = 0.0

    def line(self) -> str:
        """One line of the report."""
        met = self.ours.f1 >= max(self.baseline.f1 + self.advantage, self.aim)
        targets = f"F1 >= baseline + {self.advantage:g}" if self.advantage else "F1 >= baseline"
        targets += f" and >= {self.aim:g}" if self.aim else ""
        text = f"P8   F1 {_numbers(self.ours)}; Splink straight: {_numbers(self.baseline)}  {self.name}"
        if self.times is not None:
            ratio, ratios = statistics.median(self.times.ratios), self.times.ratios
            met = met and ratio <= TIME_TARGET
            targets += f", time <= {TIME_TARGET:g}x"
            text += (
                f"; {statistics.median(self.times.ours):.1f} s against {statistics.median(self.times.limit):.1f} s:"
                f" {ratio:.2f}x ({min(ratios):.2f} - {max(ratios):.2f})"
            )
        return f"{text}  target {targets}: {'met' if met else 'NOT met'}"


def _numbers(quality: Quality) -> str:
    return f"{quality.f1:.4f} (precision {quality.precision:.4f}, recall {quality.recall:.4f})"


def measure(*, pairs: int = 5) -> Iterator[Comparison]:
    """FEBRL 3 and 4 with and without the social security number, then the Japanese seeds; the first of them with its
    time."""
    for number in (3, 4):
        for with_social_security in (False, True):
            yield _compare(febrl(number, with_social_security=with_social_security), pairs=pairs)
    for seed in JAPANESE_SEEDS:
        labelled = japanese(seed, persons=JAPANESE_PERSONS)
        is_timed = seed == JAPANESE_SEEDS[0]
        yield _compare(labelled, pairs=pairs if is_timed else 0, advantage=JAPANESE_ADVANTAGE, aim=JAPANESE_AIM)


def _compare(labelled: LabelledRecords, *, pairs: int, advantage: float = 0.0, aim: float = 0.0) -> Comparison:
    progress(f"P8: {labelled.name}, {len(labelled.person_of):,} records")
    ours, baseline = quality_of(_links(labelled), labelled.person_of), _best(link_with_splink(labelled), labelled)
    times = None
    if pairs:
        times = Ratio("P8", labelled.name, "Splink straight", None, "s")
        times.measure(lambda: _seconds_of_ours(labelled), lambda: _seconds_of_baseline(labelled), pairs=pairs)
    return Comparison(labelled.name, ours, baseline, times, advantage, aim)


def _links(labelled: LabelledRecords) -> list[tuple[str, str]]:
    settings = LinkingSettings(upper=LINK_FROM, lower=LINK_FROM, number_fields=labelled.number_fields)
    found = link(labelled.records, settings=settings)
    return [(pair.customer_id, pair.other_customer_id) for pair in found.pairs if pair.outcome == "link"]


def _best(pairs: list[Pair], labelled: LabelledRecords) -> Quality:
    """What the baseline reaches at the threshold that suits it best."""
    qualities = (_at(threshold, pairs, labelled) for threshold in THRESHOLDS)
    return max(qualities, key=lambda quality: quality.f1)


def _at(threshold: float, pairs: list[Pair], labelled: LabelledRecords) -> Quality:
    return quality_of(((one, other) for one, other, score in pairs if score >= threshold), labelled.person_of)


def _seconds_of_ours(labelled: LabelledRecords) -> float:
    started = time.perf_counter()
    _links(labelled)
    return time.perf_counter() - started


def _seconds_of_baseline(labelled: LabelledRecords) -> float:
    """Its scoring and one clustering."""
    started = time.perf_counter()
    _at(THRESHOLDS[0], link_with_splink(labelled), labelled)
    return time.perf_counter() - started
