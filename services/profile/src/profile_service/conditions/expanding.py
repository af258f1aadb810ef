"""From a tree that may refer to other definitions to one that asks for facts only.

Every reference is replaced by the tree of what is published under its key, so the compiler knows one level, one
statement answers for a batch, and `valid_until` stays exact. A refusal names the path in the tree that was handed in.
"""

from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import get_args

from contracts import conditions as c
from contracts.profile import SignStrength
from profile_service.conditions import nodes as n
from profile_service.conditions import translating as t
from profile_service.conditions.leaves import event_value, leaf
from profile_service.conditions.library import LIFECYCLE, CutPoints, Library, RankTable, Reference, cuts_key
from servicekit.errors import Invalid

MAX_EXPANDED = 2000
"""Nodes of a tree with everything it refers to."""
_FLIPPED = {"eq": "eq", "ne": "ne", "lt": "gt", "le": "ge", "gt": "lt", "ge": "le"}
_STRENGTHS = get_args(SignStrength)
"""The weakest first."""


def expand(
    condition: c.Condition, library: Library, *, field: str = "condition", own: Reference | None = None
) -> n.Predicate:
    """A condition in leaves. `own` is what it is going to be published as: to refer to itself is refused.

    Raises:
        Invalid: an unknown key, a circle, kinds that do not compare, too big; with the path in the tree.
    """
    found = _Expander(library, own).condition(condition, field)
    check_size(found, field=field)
    return found


def expand_value(
    value: c.Value, library: Library, *, field: str = "value", own: Reference | None = None
) -> n.Expression:
    """A Value in leaves; raises as `expand`."""
    found = _Expander(library, own).value(value, field)
    check_size(found, field=field)
    return found


def check_leaves(condition: c.Condition, *, field: str) -> None:
    """Refuse what is wrong whatever is published; raises as `expand`."""
    _Expander(None, None).condition(condition, field)


def check_value_leaves(value: c.Value, *, field: str) -> None:
    """The same for a Value."""
    _Expander(None, None).value(value, field)


def check_size(found: n.Predicate | n.Expression, *, field: str) -> None:
    """Refuse what is too big with everything it refers to."""
    if sum(1 for _ in zip(n.walk_all(found), range(MAX_EXPANDED + 1), strict=False)) > MAX_EXPANDED:
        raise Invalid(f"With all it refers to it has more than {MAX_EXPANDED} nodes.", field=field)


class Circle(Invalid):
    """A definition refers to itself through others, which are named: for whoever may see those."""


class _Expander:
    """Walks one tree, remembering what references came to. Without a library they stay unresolved."""

    def __init__(self, library: Library | None, own: Reference | None) -> None:
        self._library = library
        self._path: list[Reference] = [own] if own else []

    # References

    @contextmanager
    def _following(self, reference: Reference, field: str) -> Iterator[None]:
        """While a definition is expanded in the place of its reference: what is wrong there is wrong here."""
        if reference in self._path:
            circle = " -> ".join(" ".join(each).strip() for each in [*self._path, reference])
            raise Circle(f"A definition may not refer to itself: {circle}.", field=field)
        self._path.append(reference)
        try:
            yield
        except Invalid as error:
            raise type(error)(error.errors[0][1], field=field) from None
        self._path.pop()

    def _segment(self, library: Library, key: str, field: str) -> n.Predicate:
        if key not in library.segments:
            raise Invalid(f"There is no published segment {key}.", field=field)
        with self._following(("segment", key), field):
            found = self.condition(library.segments[key], field)
            check_size(found, field=field)
        return found

    def _sign(self, library: Library, node: c.SignCondition, field: str) -> n.Predicate:
        """Whether a sign is shown: said with its condition and with when that was last found to become true.

        The first is read from the facts, the second from what is kept, and whatever this evaluation is going to keep is
        said by the first. So it is right whether the sign is concluded about before, after, or at the same time.
        """
        if node.sign not in library.signs:
            raise Invalid(f"There is no published sign {node.sign}.", field=f"{field}.sign")
        sign = library.signs[node.sign]
        if node.min_strength is not None and _STRENGTHS.index(sign.strength) < _STRENGTHS.index(node.min_strength):
            return n.Always(False)
        with self._following(("sign", node.sign), f"{field}.sign"):
            seen = self.condition(sign.condition, f"{field}.sign")
        lasts, within = n.SignLasts(sign.sign_id, sign.lifetime_days * 24), t.recent_hours(node.detected)
        return n.Or((seen, lasts)) if within is None else n.SignDetected(seen, lasts, within)

    def _computed(self, library: Library, key: str, field: str) -> n.Expression:
        if key not in library.computed:
            raise Invalid(f"There is no published computed value {key}.", field=field)
        with self._following(("computed", key), field):
            found = self.value(library.computed[key], field)
            check_size(found, field=field)
        return found

    def _ranks(self, library: Library, table: str, field: str) -> RankTable:
        if table not in library.ranks:
            raise Invalid(f"There is no table of ranks {table}.", field=field)
        return library.ranks[table]

    def _fulfilled(self, table: RankTable, name: str, field: str) -> list[n.Predicate]:
        """For each rank, lowest first, whether the customer fulfils it."""
        found: list[n.Predicate] = []
        with self._following(("ranks", name), field):
            measure = None if table.measure is None else self.value(table.measure, field)
            for rank in table.ranks:
                if rank.threshold is not None and measure is not None:
                    found.append(n.Compare(measure, "ge", (n.Constant(rank.threshold, "number"),)))
                elif rank.condition is not None:
                    found.append(self.condition(rank.condition, field))
                else:
                    found.append(n.Always(False))
        return found

    def _rank(self, library: Library, node: c.RankCondition, field: str) -> n.Predicate:
        table = self._ranks(library, node.table, f"{field}.table")
        keys = [rank.key for rank in table.ranks]
        if node.rank is not None and node.rank not in keys:
            raise Invalid(f"There is no rank {node.rank}.", field=f"{field}.rank")
        fulfilled = self._fulfilled(table, node.table, f"{field}.rank")
        place = -1 if node.rank is None else keys.index(node.rank)
        above = n.Negation(n.Or(tuple(fulfilled[place + 1 :]))) if fulfilled[place + 1 :] else n.Always(True)
        if node.position == "at_most" or (place < 0 and node.position == "is"):
            return above
        if node.position == "at_least":
            return n.Always(True) if place < 0 else n.Or(tuple(fulfilled[place:]))
        return n.And((fulfilled[place], above))

    def _measure(self, table: RankTable, name: str, field: str) -> tuple[n.Expression, list[Decimal]]:
        """A table's measure and thresholds, lowest first."""
        if table.measure is None:
            raise Invalid(f"The table of ranks {name} has no measure.", field=field)
        with self._following(("ranks", name), field):
            measure = self.value(table.measure, field)
        return measure, [rank.threshold for rank in table.ranks if rank.threshold is not None]

    def _distance(self, table: RankTable, name: str, field: str) -> n.Expression:
        """To the next threshold above the rank that is held: by its threshold or, where there are such, a condition."""
        measure, thresholds = self._measure(table, name, field)
        if not thresholds:
            return n.Choice(((n.Always(False), measure),), None, "number")
        if len(thresholds) == len(table.ranks):
            return self._distance_by_measure(measure, thresholds)
        fulfilled = self._fulfilled(table, name, field)
        places = [place for place, rank in enumerate(table.ranks) if rank.threshold is not None]
        lacking = [n.Arithmetic("subtract", (n.Constant(each, "number"), measure), "number") for each in thresholds]
        held = range(places[-1] - 1, -1, -1)  # the highest first; above the last threshold nothing lacks
        cases = tuple((fulfilled[place], lacking[bisect_right(places, place)]) for place in held)
        below = n.Choice(cases, lacking[0], "number") if cases else lacking[0]
        return n.Choice(((n.Negation(n.Or(tuple(fulfilled[places[-1] :]))), below),), None, "number")

    def _distance_by_measure(self, measure: n.Expression, thresholds: list[Decimal]) -> n.Expression:
        cases = []
        for threshold in thresholds:
            limit = n.Constant(threshold, "number")
            cases.append((n.Compare(measure, "lt", (limit,)), n.Arithmetic("subtract", (limit, measure), "number")))
        return n.Choice(tuple(cases), None, "number")

    def _compared_distance(
        self, measure: n.Expression, thresholds: list[Decimal], comparison: str, limit: Decimal
    ) -> n.Predicate:
        """The distance to the next rank compares so: said with comparisons of the measure, so that their times hold."""
        found = []
        for position, threshold in enumerate(thresholds):
            lower = [n.Compare(measure, "ge", (n.Constant(thresholds[position - 1], "number"),))] if position else []
            upper = n.Compare(measure, "lt", (n.Constant(threshold, "number"),))
            distance = n.Compare(measure, _FLIPPED[comparison], (n.Constant(threshold - limit, "number"),))
            found.append(n.And((*lower, upper, distance)))
        return n.Or(tuple(found)) if found else n.Always(False)

    def _lifecycle(self, library: Library, node: c.LifecycleCondition, field: str) -> n.Predicate:
        names = [state for state, _ in library.lifecycle]
        for position, state in enumerate(node.states):
            if state not in names:
                raise Invalid(f"There is no lifecycle state {state}.", field=f"{field}.states.{position}")
        with self._following(LIFECYCLE, f"{field}.states"):
            holding = [self.condition(condition, field) for _, condition in library.lifecycle]
        found = []
        for position, state in enumerate(names):
            if state in node.states:
                earlier = n.Negation(n.Or(tuple(holding[:position]))) if position else n.Always(True)
                found.append(n.And((holding[position], earlier)))
        return n.Or(tuple(found))

    def _percentile(self, library: Library, node: c.PercentileCondition, field: str) -> n.Predicate:
        if isinstance(node.of, c.ComputedValue) and node.of.key not in library.computed:
            raise Invalid(f"There is no published computed value {node.of.key}.", field=f"{field}.of.key")
        cuts: CutPoints | None = library.cuts.get(cuts_key(node))
        if cuts is None:
            return n.Always(False)
        lowest = cuts.at if cuts.at_most is None else cuts.at_most
        cut = cuts.at.get(100 - node.percent) if node.position == "top" else lowest.get(node.percent)
        if cut is None:
            return n.Bounded(n.Always(False), cuts.until)
        with self._following(("cuts", cuts_key(node)), f"{field}.of"):
            measure = self.value(cuts.value, field)
        limit = n.Constant(cut, "number" if isinstance(cut, Decimal) else "moment")
        return n.Bounded(n.Compare(measure, "ge" if node.position == "top" else "le", (limit,)), cuts.until)

    # Conditions

    def condition(self, node: c.Condition, field: str) -> n.Predicate:
        """A condition and all below it."""
        match node:
            case c.AllOf() | c.AnyOf():
                children = tuple(
                    self.condition(child, f"{field}.conditions.{position}")
                    for position, child in enumerate(node.conditions)
                )
                return n.And(children) if isinstance(node, c.AllOf) else n.Or(children)
            case c.Not():
                return n.Negation(self.condition(node.condition, f"{field}.condition"))
            case c.ValueCondition():
                return self._value_condition(node, field)
        return self._referring(node, field) or leaf(node, field)

    def _referring(self, node: c.Condition, field: str) -> n.Predicate | None:
        """A condition that refers to other definitions; None: this one does not."""
        library = self._library
        match node:
            case c.SegmentCondition():
                return n.Always(False) if library is None else self._segment(library, node.segment, f"{field}.segment")
            case c.SignCondition():
                return n.Always(False) if library is None else self._sign(library, node, field)
            case c.RankCondition():
                return n.Always(False) if library is None else self._rank(library, node, field)
            case c.LifecycleCondition():
                return n.Always(False) if library is None else self._lifecycle(library, node, field)
            case c.PercentileCondition():
                return n.Always(False) if library is None else self._percentile(library, node, field)
        return None

    def _value_condition(self, node: c.ValueCondition, field: str) -> n.Predicate:
        if node.than is not None:
            if node.value is not None:
                raise Invalid("A Value compares with `value` or with `than`, not with both.", field=f"{field}.than")
            if node.comparison in {"exists", "in"}:
                raise Invalid("This comparison does not take another Value.", field=f"{field}.than")
            left, right = self.value(node.of, f"{field}.of"), self.value(node.than, f"{field}.than")
            _check_kind(right, left.kind, field=f"{field}.than")
            return n.Compare(left, node.comparison, (right,))
        t.check_comparison(node.comparison, node.value, field=field)
        left = self.value(node.of, f"{field}.of")
        values = node.value if isinstance(node.value, list) else [] if node.value is None else [node.value]
        constants = tuple(t.constant(value, left.kind, field=f"{field}.value") for value in values)
        if isinstance(left, n.TimeSince):
            for each in constants:
                if abs(each.value) > t.MAX_SPAN:  # type: ignore[arg-type]  # a number: its kind was checked
                    raise Invalid(f"At most {t.MAX_SPAN} days or hours.", field=f"{field}.value")
        if isinstance(node.of, c.DistanceValue) and self._library is not None and node.comparison in _FLIPPED:
            table = self._library.ranks[node.of.table]
            measure, thresholds = self._measure(table, node.of.table, f"{field}.of.table")
            if len(thresholds) == len(table.ranks):
                return self._compared_distance(measure, thresholds, node.comparison, Decimal(str(constants[0].value)))
        return n.Compare(left, node.comparison, constants)

    # Values

    def value(self, node: c.Value, field: str) -> n.Expression:  # one line for each kind of Value
        """A Value and all below it."""
        match node:
            case c.ConstantValue():
                return t.constant(node.value, None, field=f"{field}.value")
            case c.MomentValue():
                return n.Constant(t.moment(node.moment), "moment")
            case c.TraitValue():
                return n.Trait(node.trait, node.read_as)
            case c.EventValue():
                return event_value(node, field)
            case c.ComputedValue() | c.PointsValue() | c.DistanceValue():
                return self._referred_value(node, field)
            case c.Calculation():
                return self._calculation(node, field)
            case c.RoundedDown():
                return n.RoundDown(self._of_kind(node.of, "number", f"{field}.of"))
            case c.TimeSince():
                return n.TimeSince(self._of_kind(node.of, "moment", f"{field}.of"), node.unit)
            case c.CaseValue():
                return self._choice(node, field)

    def _referred_value(self, node: c.ComputedValue | c.PointsValue | c.DistanceValue, field: str) -> n.Expression:
        if self._library is None:
            return n.Unresolved(None if isinstance(node, c.ComputedValue) else "number")
        if isinstance(node, c.ComputedValue):
            return self._computed(self._library, node.key, f"{field}.key")
        table = self._ranks(self._library, node.table, f"{field}.table")
        if isinstance(node, c.PointsValue):
            return self._measure(table, node.table, f"{field}.table")[0]
        return self._distance(table, node.table, f"{field}.table")

    def _of_kind(self, node: c.Value, kind: n.Kind, field: str) -> n.Expression:
        found = self.value(node, field)
        _check_kind(found, kind, field=field)
        return found

    def _calculation(self, node: c.Calculation, field: str) -> n.Expression:
        operands = tuple(self.value(each, f"{field}.of.{position}") for position, each in enumerate(node.of))
        if node.kind in {"subtract", "divide"} and len(operands) != 2:
            raise Invalid(f"`{node.kind}` takes two.", field=f"{field}.of")
        kind: n.Kind = "number"
        if node.kind in {"least", "greatest"}:
            kind = next((each.kind for each in operands if each.kind), "number")
        for position, each in enumerate(operands):
            _check_kind(each, kind, field=f"{field}.of.{position}")
        return n.Arithmetic(node.kind, operands, kind)

    def _choice(self, node: c.CaseValue, field: str) -> n.Expression:
        cases = []
        for position, case in enumerate(node.cases):
            place = f"{field}.cases.{position}"
            cases.append(
                (self.condition(case.condition, f"{place}.condition"), self.value(case.value, f"{place}.value"))
            )
        otherwise = None if node.otherwise is None else self.value(node.otherwise, f"{field}.otherwise")
        values = [value for _, value in cases]
        kind: n.Kind = next(
            (each.kind for each in [*values, *([otherwise] if otherwise else [])] if each.kind), "number"
        )
        for position, value in enumerate(values):
            _check_kind(value, kind, field=f"{field}.cases.{position}.value")
        if otherwise is not None:
            _check_kind(otherwise, kind, field=f"{field}.otherwise")
        return n.Choice(tuple(cases), otherwise, kind)


def _check_kind(found: n.Expression, kind: n.Kind | None, *, field: str) -> None:
    if found.kind is not None and kind is not None and found.kind != kind:
        raise Invalid(f"Here a {kind} is needed; this is a {found.kind}.", field=field)
