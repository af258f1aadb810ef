"""From scored pairs to clusters that do not contradict themselves.

Connected components let one weak record chain two persons together: twins through a record that lacks the given name.
Here the best pair joins first, and two clusters join only when no record of one contradicts a record of the other.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

MOST_CROSS_CHECKS = 400
"""Two clusters with more pairs of records than this between them are for a person to judge."""


@dataclass(frozen=True)
class Edge:
    """Two records and the probability that they are one person."""

    record: int
    other: int
    score: float


@dataclass
class Clusters:
    """Records in clusters; those of one customer are together from the start."""

    contradicts: Callable[[int, int], str | None]
    """Why two records cannot be one person."""
    cluster_of: list[int] = field(default_factory=list)
    members: dict[int, list[int]] = field(default_factory=dict)

    @classmethod
    def of_customers(cls, customer_ids: Sequence[str], contradicts: Callable[[int, int], str | None]) -> "Clusters":
        clusters = cls(contradicts)
        first_of: dict[str, int] = {}
        for record, customer_id in enumerate(customer_ids):
            cluster = first_of.setdefault(customer_id, record)
            clusters.cluster_of.append(cluster)
            clusters.members.setdefault(cluster, []).append(record)
        return clusters

    def join(self, record: int, other: int) -> str | None:
        """Join the clusters of two records, or say why they stay apart."""
        one, two = self.cluster_of[record], self.cluster_of[other]
        if one == two:
            return None
        if why := self._why_apart(one, two):
            return why
        larger, smaller = (one, two) if len(self.members[one]) >= len(self.members[two]) else (two, one)
        for member in self.members[smaller]:
            self.cluster_of[member] = larger
        self.members[larger] += self.members.pop(smaller)
        return None

    def _why_apart(self, one: int, two: int) -> str | None:
        if len(self.members[one]) * len(self.members[two]) > MOST_CROSS_CHECKS:
            return "too many records to join without a look"
        return next(
            (why for a in self.members[one] for b in self.members[two] if (why := self.contradicts(a, b))),
            None,
        )


def strongest_first(edges: Iterable[Edge]) -> list[Edge]:
    """In the order of joining; equal scores by record, so that a run repeats itself."""
    return sorted(edges, key=lambda edge: (-edge.score, edge.record, edge.other))
