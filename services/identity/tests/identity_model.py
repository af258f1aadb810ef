"""What identity must do, in the simplest words: a partition of anchors, and what persons said about it.

Everything is a set that is gone through whole; nothing here is quick. Ids are the service's own: the model is told
which id a new anchor or customer got, and predicts everything else.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

Name = tuple[str, str]

PRIORITIES = {"user_id": 1, "email": 2, "anonymous_id": 4}
LIMITS = {"user_id": 1, "email": 2, "anonymous_id": 5}
SHARED = frozenset({"anonymous_id"})


@dataclass
class Decision:
    """Something was decided: (anchor, from whom, to whom) of what it moved, and whether customers were joined by it."""

    moves: list[tuple[UUID, UUID, UUID]]
    joined: bool
    undone: bool = False


@dataclass
class Separation:
    """A person keeps two sides apart, as long as it is not lifted."""

    decision_id: UUID
    sides: tuple[frozenset[UUID], frozenset[UUID]]
    is_active: bool = True


@dataclass
class IdentityModel:
    """Who holds what, what was decided, and what each event and decision makes of it."""

    holders: dict[UUID, UUID] = field(default_factory=dict)
    """Anchor -> customer."""
    names: dict[UUID, Name] = field(default_factory=dict)
    current: dict[Name, UUID] = field(default_factory=dict)
    """Identifier -> the anchor its later events hang on."""
    former: dict[UUID, UUID] = field(default_factory=dict)
    """Former customer -> its oldest anchor."""
    erased: set[UUID] = field(default_factory=set)
    buried: dict[Name, datetime] = field(default_factory=dict)
    separations: list[Separation] = field(default_factory=list)
    decisions: dict[UUID, Decision] = field(default_factory=dict)

    def customers(self) -> list[UUID]:
        return sorted(set(self.holders.values()))

    def anchors_of(self, customer_id: UUID) -> set[UUID]:
        return {anchor for anchor, holder in self.holders.items() if holder == customer_id}

    def resolve(self, customer_id: UUID) -> UUID | None:
        if customer_id in self.holders.values():
            return customer_id
        return self.holders.get(self.former[customer_id]) if customer_id in self.former else None

    # what rules do

    def observe(self, names: Sequence[Name], at: datetime) -> "Observed":
        """Place one event; return what is to be learnt of the service: the new anchors, and who got what."""
        if any(name in self.buried and at < self.buried[name] for name in names):
            return Observed()
        kept = sorted(dict.fromkeys(names), key=lambda name: PRIORITIES[name[0]])
        dropped: list[Name] = []
        while len(kept) > 1 and self._conflict(kept):
            dropped.append(kept.pop(self._gives_way(kept)))
        matched = self._matched(kept)
        observed = Observed(customer_id=matched[0] if matched else None)
        for other in matched[1:]:
            observed.merges.append((other, self._move_all(other, matched[0])))
        observed.new = [name for name in kept if name not in self.current]
        if any(name[0] not in SHARED for name in kept):
            observed.dropped = [name for name in dropped if name[0] in SHARED and name in self.current]
        return observed

    def learn(self, name: Name, anchor: UUID, customer_id: UUID) -> None:
        """An identifier got this anchor, which is current from now on."""
        self.holders[anchor], self.names[anchor], self.current[name] = customer_id, name, anchor

    def is_handed_over(self, name: Name, customer_id: UUID) -> bool:
        """Whether a shared identifier goes from its holder to somebody it could not be joined with."""
        holder = self.holders[self.current[name]]
        if holder == customer_id:
            return False
        one, other = self._counts([holder]), self._counts([customer_id])
        over = {kind for kind in one if kind in other and one[kind] + other[kind] > LIMITS[kind]}
        return bool(over - {name[0]}) or self._separated([holder, customer_id])

    def former_anchors(self, name: Name, customer_id: UUID) -> set[UUID]:
        return {anchor for anchor in self.anchors_of(customer_id) if self.names[anchor] == name}

    def _matched(self, names: Iterable[Name]) -> list[UUID]:
        return sorted({self.holders[self.current[name]] for name in names if name in self.current})

    def _counts(self, customers: Iterable[UUID]) -> Counter[str]:
        mine = set(customers)
        return Counter(name[0] for name, anchor in self.current.items() if self.holders[anchor] in mine)

    def _conflict(self, names: Sequence[Name]) -> bool:
        matched = self._matched(names)
        new = Counter(name[0] for name in names if name not in self.current)
        if not new and len(matched) < 2:
            return False
        if self._separated(matched):
            return True
        after, before = self._counts(matched) + new, [self._counts([one]) for one in matched]
        return any(count > LIMITS[kind] and all(count > one[kind] for one in before) for kind, count in after.items())

    def _gives_way(self, kept: Sequence[Name]) -> int:
        own = set(self._matched(name for name in kept if name[0] not in SHARED))
        for position in reversed(range(len(kept))):
            name = kept[position]
            if own and name[0] in SHARED and name in self.current and self.holders[self.current[name]] not in own:
                return position
        return len(kept) - 1

    def _separated(self, customers: Sequence[UUID]) -> bool:
        held = [self.anchors_of(one) for one in customers]
        return any(
            bool(one & separation.sides[0]) and bool(other & separation.sides[1])
            for separation in self.separations
            if separation.is_active
            for one in held
            for other in held
            if one is not other
        )

    # what persons do

    def merge(self, stays: UUID, others: Sequence[UUID], decision_id: UUID) -> None:
        moves = [move for other in sorted(others) for move in self._move_all(other, stays)]
        self.decisions[decision_id] = Decision(moves, joined=True)
        self._lift(self.anchors_of(stays))

    def split(self, customer_id: UUID, going: set[UUID], new: UUID, decision_id: UUID) -> None:
        stayed = self.anchors_of(customer_id) - going
        self.decisions[decision_id] = Decision(self._move(dict.fromkeys(going, new)), joined=False)
        self.separations.append(Separation(decision_id, (frozenset(stayed), frozenset(going))))

    def ways_back(self, decision_id: UUID) -> dict[UUID, UUID]:
        """Anchor -> where it goes when this decision is undone; empty: it cannot be."""
        decision = self.decisions[decision_id]
        back: dict[UUID, UUID] = {}
        for anchor, left, went in decision.moves:
            put_to = self.resolve(went) if decision.joined else went
            goes_to = left if decision.joined else self.resolve(left)
            if self.holders.get(anchor) == put_to is not None and goes_to not in {None, put_to}:
                assert goes_to is not None
                back[anchor] = goes_to
        return back

    def undo(self, decision_id: UUID, undo_id: UUID, now: dict[UUID, UUID]) -> None:
        """`now` says who holds an anchor that would go back to an erased id: a new customer."""
        decision, back = self.decisions[decision_id], self.ways_back(decision_id)
        back = {anchor: now[anchor] if goes_to in self.erased else goes_to for anchor, goes_to in back.items()}
        sources, goals = {self.holders[anchor] for anchor in back}, set(back.values())
        there = {anchor for goal in goals for anchor in self.anchors_of(goal)}
        decision.undone = True
        self.decisions[undo_id] = Decision(self._move(back), joined=not decision.joined)
        if decision.joined:
            stayed = {anchor for source in sources - goals for anchor in self.anchors_of(source)}
            if stayed:
                self.separations.append(Separation(undo_id, (frozenset(stayed), frozenset(there | set(back)))))
        else:
            self._lift({anchor for goal in goals for anchor in self.anchors_of(goal)})
            for separation in self.separations:
                separation.is_active &= separation.decision_id != decision_id

    def erase(self, customer_id: UUID, at: datetime) -> None:
        former = [one for one in self.former if self.resolve(one) == customer_id]
        self.erased |= {customer_id, *former}
        for one in former:
            del self.former[one]
        gone = self.anchors_of(customer_id)
        for anchor in gone:
            name = self.names.pop(anchor)
            del self.holders[anchor]
            if self.current.get(name) == anchor:
                del self.current[name]
                self.buried[name] = at
        for decision_id, decision in list(self.decisions.items()):
            decision.moves = [move for move in decision.moves if move[0] not in gone]
            if not decision.moves:
                del self.decisions[decision_id]

    def _lift(self, anchors: set[UUID]) -> None:
        for separation in self.separations:
            if separation.sides[0] & anchors and separation.sides[1] & anchors:
                separation.is_active = False

    def _move_all(self, former: UUID, into: UUID) -> list[tuple[UUID, UUID, UUID]]:
        return self._move(dict.fromkeys(self.anchors_of(former), into))

    def _move(self, destinations: dict[UUID, UUID]) -> list[tuple[UUID, UUID, UUID]]:
        moves = [(anchor, self.holders[anchor], goes_to) for anchor, goes_to in sorted(destinations.items())]
        self.holders |= destinations
        for _, left, went in moves:
            self.former.pop(went, None)
            if not self.anchors_of(left):
                self.former.setdefault(left, min(anchor for anchor, one, _ in moves if one == left))
        return moves


@dataclass
class Observed:
    """What an event does by the model, as far as ids of new things are not needed."""

    customer_id: UUID | None = None
    """None: a new customer, or nobody because the event is dropped."""
    merges: list[tuple[UUID, list[tuple[UUID, UUID, UUID]]]] = field(default_factory=list)
    """(former customer, what moved)."""
    new: list[Name] = field(default_factory=list)
    dropped: list[Name] = field(default_factory=list)
    """Shared identifiers that may be handed over."""
