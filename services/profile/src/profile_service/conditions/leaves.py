"""Conditions and Values that ask for facts, as the compiler's nodes: what they say in many ways is one."""

from decimal import Decimal

from contracts import conditions as c
from contracts.relations import plain_label
from profile_service.conditions import nodes as n
from profile_service.conditions import translating as t
from servicekit.errors import Invalid

_NEEDS_PROPERTY = frozenset({"sum", "average", "minimum", "maximum", "most_frequent"})


def event_value(node: c.EventValue, field: str) -> n.Aggregate:
    """What events come to.

    Raises:
        Invalid: with the path of the property or window.
    """
    if (node.property is None) == (node.function in _NEEDS_PROPERTY):
        needs = "needs a" if node.property is None else "takes no"
        raise Invalid(f"`{node.function}` {needs} property.", field=f"{field}.property")
    window = t.window(node.window, field=f"{field}.window")
    return n.Aggregate(node.function, t.events(node, field=field), window, node.property)


def _count(source: n.Events | n.TraitChanges, window: n.Window | None, comparison: str, value: int) -> n.Predicate:
    return n.Compare(n.Aggregate("count", source, window), comparison, (n.Constant(Decimal(value), "number"),))


def leaf(node: c.Condition, field: str) -> n.Predicate:  # noqa: C901  # a case for each kind of leaf
    """A condition that asks for facts.

    Raises:
        Invalid: with the path of what does not fit.
    """
    match node:
        case c.TraitCondition():
            t.check_comparison(node.comparison, node.value, field=field)
            return n.TraitTest(node.trait, node.comparison, t.plain_or_many(node.value))
        case c.TraitChanged():
            return _count(n.TraitChanges(node.trait), t.window(node.window, field=f"{field}.window"), "ge", 1)
        case c.EventCount():
            window = t.window(node.window, field=f"{field}.window")
            return _count(t.events(node, field=field), window, node.comparison, node.value)
        case c.EventSum():
            window = t.window(node.window, field=f"{field}.window")
            total = n.Aggregate("sum", t.events(node, field=field), window, node.property)
            return n.Compare(total, node.comparison, (n.Constant(Decimal(node.value), "number"),))
        case c.EventRecency():
            which = n.Aggregate("first" if node.kind == "event_first" else "last", t.events(node, field=field))
            comparison = "lt" if node.position == "within" else "ge"
            return n.Compare(n.TimeSince(which, "days"), comparison, (n.Constant(Decimal(node.days), "number"),))
        case c.Sequence():
            return _sequence(node, field)
        case c.Without():
            return _without(node, field)
        case c.DateCondition() | c.AnniversaryCondition():
            return _day(node, field)
        case c.IdentifierCondition():
            return n.HasIdentifier(node.namespace)
        case c.StaticListCondition():
            return n.OnList(node.segment_id)
    raise TypeError(f"not a leaf: {type(node).__name__}")


def _sequence(node: c.Sequence, field: str) -> n.Predicate:
    first, then = t.events(node.first, field=f"{field}.first"), t.events(node.then, field=f"{field}.then")
    preceded = n.Preceded(first.name, first.where, t.hours(node.within))
    window = t.window(node.window, field=f"{field}.window")
    return _count(n.Events(then.name, then.where, preceded), window, "ge", 1)


def _without(node: c.Without, field: str) -> n.Predicate:
    latest = n.Aggregate("last", t.events(node.event, field=f"{field}.event"))
    answer = n.Aggregate("last", t.events(node.without, field=f"{field}.without"))
    waited = n.Constant(Decimal(t.hours(node.for_at_least)), "number")
    return n.And(
        (
            n.Compare(n.TimeSince(latest, "hours"), "ge", (waited,)),
            n.Negation(n.Compare(answer, "ge", (latest,))),
        )
    )


def _day(node: c.DateCondition | c.AnniversaryCondition, field: str) -> n.Predicate:
    of: n.TraitDay | n.RelationDay | n.EventDay
    match node.of:
        case c.TraitDate():
            of = n.TraitDay(node.of.trait)
        case c.RelationDate():
            of = n.RelationDay(plain_label(node.of.relation), plain_label(node.of.occasion), node.of.purpose)
        case c.WhichEvent():
            of = n.EventDay(n.Aggregate(node.of.which, t.events(node.of, field=f"{field}.of")))
    if isinstance(node, c.DateCondition):
        compares = node.position in {"before", "on", "after"}
        if (node.date is not None) != compares:
            raise Invalid("`before`, `on` and `after` need a date; others take none.", field=f"{field}.date")
        if (node.days is None) != compares:
            raise Invalid("`before`, `on` and `after` take no days; others need them.", field=f"{field}.days")
        if node.date is not None:
            comparison = {"before": "lt", "on": "eq", "after": "gt"}[node.position]
            return n.DayComparison(of, comparison, t.day(node.date))
    days = node.days or 0
    first, last = {
        "days_before": (-days, -days),
        "days_after": (days, days),
        "within_next": (-days, 0),
        "within_last": (0, days),
    }[node.position]
    return n.DayTest(of, first, last, is_yearly=isinstance(node, c.AnniversaryCondition))
