"""How right a clustering is: precision, recall and F1 over the pairs of records that it puts together."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Quality:
    """Of the pairs in one cluster the share that is one person; of one person's pairs the share in one cluster; their
    harmonic mean."""

    precision: float
    recall: float

    @property
    def f1(self) -> float:
        """0 when nothing is right."""
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0


def quality_of(links: Iterable[tuple[str, str]], person_of: Mapping[str, str]) -> Quality:
    """Quality of the clusters that the links make: connected components, all pairs within them counted."""
    cluster_of = _components(links, person_of)
    together = _pairs(Counter(cluster_of.values()))
    same = _pairs(Counter(person_of.values()))
    right = _pairs(Counter((cluster_of[record], person) for record, person in person_of.items()))
    return Quality(precision=right / together if together else 1.0, recall=right / same if same else 1.0)


def _pairs(sizes: Counter[str] | Counter[tuple[str, str]]) -> int:
    return sum(size * (size - 1) // 2 for size in sizes.values())


def _components(links: Iterable[tuple[str, str]], records: Iterable[str]) -> dict[str, str]:
    parent = {record: record for record in records}

    def root(record: str) -> str:
        while parent[record] != record:
            parent[record] = record = parent[parent[record]]
        return record

    for one, other in links:
        parent[root(one)] = root(other)
    return {record: root(record) for record in parent}
