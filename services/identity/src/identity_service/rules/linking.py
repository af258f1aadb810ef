"""What probability may join: records of which legal entities are compared, and which pairs no machine links.

The model (`identity_service.linking`) says how likely two customers are one person. Here is what holds whatever it
says.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Literal, NamedTuple
from uuid import UUID

from identity_service.rules.agreements import Permit

Verdict = Literal["link", "review", "leave"]

NO_COMMON_PURPOSE = "what the two were collected for has nothing in common"


class RecordSource(NamedTuple):
    """The source of a compared record."""

    source_id: str
    legal_entity: str
    purposes: Sequence[str]


class LinkUse(NamedTuple):
    """Who may use a link, and for what (no purposes: for all); a row of `links`."""

    source_id: str
    legal_entity: str
    purposes: list[str]


def compartments(
    entities: Collection[str], agreements: Iterable[Permit], *, across_entities: bool
) -> list[frozenset[str]]:
    """Return the largest groups of legal entities whose records may all be compared with each other.

    Two entities may be compared when an agreement binds them, in either direction. An agreement of A with B and one of
    B with C do not let A's records meet C's: the groups are the maximal cliques (Bron and Kerbosch 1973).
    """
    if across_entities:
        return [frozenset(entities)] if entities else []
    neighbours: dict[str, set[str]] = {entity: set() for entity in entities}
    for agreement in agreements:
        one, other = agreement.from_entity, agreement.to_entity
        if one in neighbours and other in neighbours and one != other:
            neighbours[one].add(other)
            neighbours[other].add(one)
    cliques: list[frozenset[str]] = []
    _extend(frozenset(), set(neighbours), set(), neighbours, cliques)
    return sorted(cliques, key=sorted)


def _extend(
    clique: frozenset[str],
    candidates: set[str],
    excluded: set[str],
    neighbours: Mapping[str, set[str]],
    cliques: list[frozenset[str]],
) -> None:
    if not candidates:
        if not excluded and clique:
            cliques.append(clique)
        return
    pivot = max(candidates | excluded, key=lambda entity: len(neighbours[entity] & candidates))
    for entity in sorted(candidates - neighbours[pivot]):
        _extend(clique | {entity}, candidates & neighbours[entity], excluded & neighbours[entity], neighbours, cliques)
        candidates = candidates - {entity}
        excluded = excluded | {entity}


def uses_of_link(
    source: RecordSource, other: RecordSource, agreements: Sequence[Permit], *, across_entities: bool
) -> list[LinkUse]:
    """Return who may use a link between records of these two sources: nobody, one side or both.

    Each side uses it for what its own record and the other side's (or the agreement about it) were given for.
    """
    sides = [(source, other)] if source.source_id == other.source_id else [(source, other), (other, source)]
    uses = []
    for mine, theirs in sides:
        for purposes in _given_for(mine, theirs, agreements, across_entities=across_entities):
            common = _in_common(mine.purposes, purposes)
            if common is not None:
                uses.append(LinkUse(mine.source_id, mine.legal_entity, common))
                break
    return uses


def _given_for(
    mine: RecordSource, theirs: RecordSource, agreements: Sequence[Permit], *, across_entities: bool
) -> list[Sequence[str]]:
    """For what the other side's record may be used on this side; several when several grounds allow it."""
    if mine.legal_entity == theirs.legal_entity:
        return [theirs.purposes]
    bound = [one for one in agreements if (one.from_entity, one.to_entity) == (theirs.legal_entity, mine.legal_entity)]
    if any(not one.purposes for one in bound):
        return [()]
    agreed = sorted({purpose for one in bound for purpose in one.purposes})
    return ([agreed] if agreed else []) + ([theirs.purposes] if across_entities else [])


def _in_common(purposes: Sequence[str], others: Sequence[str]) -> list[str] | None:
    """Purposes that both allow, where none named means all; None when there is none."""
    if not purposes or not others:
        return sorted({*purposes, *others})
    return sorted(set(purposes) & set(others)) or None


class Holding(NamedTuple):
    """What is counted together: the values of a namespace; of a unique one, those that one source brought."""

    namespace: str
    source_id: str | None = None


Held = Mapping[Holding, set[str]]


class NamespaceLimits:
    """How many values of a namespace one customer may hold. Devices that several people use do not count.

    A system that gives unique ids and gave two of them says that they are two customers: no machine overrules it. Ids
    that different systems gave say nothing about each other, even when they are written in one namespace.
    """

    def __init__(
        self,
        limits: Mapping[str, int],
        *,
        default: int,
        unique: Collection[str] = (),
        shared: Collection[str] = (),
    ) -> None:
        self._limits = limits
        self._default = default
        self._unique = frozenset(unique)
        self._shared = frozenset(shared)

    def holdings(self, namespace: str, sources: Iterable[str]) -> list[Holding]:
        """Return where a value counts that these sources brought."""
        if namespace in self._shared:
            return []
        return [Holding(namespace, source) for source in sources] if namespace in self._unique else [Holding(namespace)]

    def exceeded_by(self, one: Held, other: Held) -> str | None:
        """Return, in words, what forbids that two customers become one: the first limit that only both exceed."""
        for holding in sorted(one.keys() & other.keys()):
            both = one[holding] | other[holding]
            if len(both) == max(len(one[holding]), len(other[holding])):
                continue
            if holding.source_id is not None:
                return f"one source gave them different values of {holding.namespace}, which is unique"
            most = self._limits.get(holding.namespace, self._default)
            if len(both) > most:
                return f"they would hold {len(both)} values of {holding.namespace}, and {most} are allowed"
        return None


class Standing:
    """How some customers stand to each other while pairs of them are joined, one after the other.

    `apart`: pairs that no machine links (separated by a person, rejected, undone). `held`: identifiers by customer, as
    limits count them.
    """

    def __init__(
        self,
        *,
        apart: Iterable[tuple[UUID, UUID]],
        held: Mapping[UUID, Held],
        limits: NamespaceLimits,
    ) -> None:
        self._became: dict[UUID, UUID] = {}
        self._apart: defaultdict[UUID, set[UUID]] = defaultdict(set)
        for one, other in apart:
            self._apart[one].add(other)
            self._apart[other].add(one)
        self._held = dict(held)
        self._limits = limits

    def now(self, customer_id: UUID) -> UUID:
        """Return the customer that this one has become."""
        while customer_id in self._became:
            customer_id = self._became[customer_id]
        return customer_id

    def verdict(self, one: UUID, other: UUID) -> tuple[Verdict, str | None]:
        """Say what may become of a pair that the model would link; and why not more, in words."""
        one, other = self.now(one), self.now(other)
        if one == other or other in self._apart[one]:
            return "leave", None
        problem = self._limits.exceeded_by(self._held.get(one, {}), self._held.get(other, {}))
        return ("link", None) if problem is None else ("review", problem)

    def join(self, into: UUID, *others: UUID) -> None:
        """Take note that these customers are one now."""
        for other in others:
            if other == into:
                continue
            self._held[into] = self._held_by_both(into, other)
            for third in self._apart.pop(other, set()):
                self._apart[third].discard(other)
                self._apart[third].add(into)
                self._apart[into].add(third)
            self._became[other] = into

    def _held_by_both(self, one: UUID, other: UUID) -> Held:
        first, second = self._held.get(one, {}), self._held.get(other, {})
        return {name: first.get(name, set()) | second.get(name, set()) for name in first.keys() | second.keys()}
