"""How right linking was, held against who really is who: only a generated world knows."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import comb
from typing import NamedTuple


class Record(NamedTuple):
    """What one list or the shop calls a person, and whom the platform takes it for."""

    person: str
    customer_id: str
    anchor_id: str


@dataclass(frozen=True, slots=True)
class Truth:
    """Pairs of records. `joined`: of one customer; `same`: of one person; `right`: both."""

    joined: int
    same: int
    right: int

    @property
    def precision(self) -> float | None:
        """Of the joined pairs, the share that is right; None when nothing was joined."""
        return round(self.right / self.joined, 4) if self.joined else None

    @property
    def recall(self) -> float | None:
        """Of the pairs that are one person, the share that was joined; None when there are none."""
        return round(self.right / self.same, 4) if self.same else None


def compare_with_truth(records: Iterable[Record]) -> Truth:
    """Count pairs over all records."""
    records = list(records)
    return Truth(
        joined=_pairs(Counter(record.customer_id for record in records)),
        same=_pairs(Counter(record.person for record in records)),
        right=_pairs(Counter((record.customer_id, record.person) for record in records)),
    )


def people_by_customer(records: Iterable[Record]) -> Mapping[str, set[str]]:
    """customer_id -> the people whose records it holds; more than one: a mistake."""
    people: dict[str, set[str]] = defaultdict(set)
    for record in records:
        people[record.customer_id].add(record.person)
    return people


def _pairs(counts: Counter[str] | Counter[tuple[str, str]]) -> int:
    return sum(comb(count, 2) for count in counts.values())
