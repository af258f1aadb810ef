"""Random condition trees and customers, with moments on and beside every edge, for hypothesis."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st
from services.profile.tests.plain_reading import PlainCustomer, PlainEvent

NOW = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)
CURRENCY = "USD"
EVENTS, PROPERTIES, TRAITS = ["Order Completed", "Page Viewed"], ["revenue", "size", "color"], ["plan", "points"]
DAY = timedelta(days=1)

texts = st.sampled_from(["red", "blue", "", "é", "10", "';--", "山"])
numbers = st.one_of(st.integers(-3, 12), st.sampled_from([0.5, 2.25, 10.0]))
values = st.one_of(texts, numbers, st.booleans())
comparisons = st.sampled_from(["eq", "ne", "lt", "le", "gt", "ge"])
days = st.sampled_from([1, 2, 7, 30])


@st.composite
def compared(draw: st.DrawFn) -> dict[str, Any]:
    value = draw(values)
    allowed = st.sampled_from(["eq", "ne"]) if isinstance(value, bool) else comparisons
    return {"comparison": draw(allowed), "value": value}


filters: st.SearchStrategy[list[dict[str, Any]]] = st.just([]) | st.lists(
    st.builds(lambda name, rest: {"property": name, **rest}, st.sampled_from(PROPERTIES), compared()), max_size=2
)
windows = st.one_of(st.none(), st.builds(lambda count: {"days": count}, days))
names = st.sampled_from(EVENTS)

leaves = st.one_of(
    st.builds(lambda name, rest: {"kind": "trait", "trait": name, **rest}, st.sampled_from(TRAITS), compared()),
    st.builds(lambda name: {"kind": "trait", "trait": name, "comparison": "exists"}, st.sampled_from(TRAITS)),
    st.fixed_dictionaries(
        {"kind": st.just("event_count"), "event": names, "comparison": comparisons, "value": st.integers(0, 4),
         "window": windows, "where": filters}
    ),
    st.fixed_dictionaries(
        {"kind": st.just("event_sum"), "event": names, "property": st.sampled_from(PROPERTIES),
         "comparison": comparisons, "value": numbers, "window": windows, "where": filters}
    ),
    st.fixed_dictionaries(
        {"kind": st.sampled_from(["event_first", "event_last"]), "event": names,
         "position": st.sampled_from(["within", "before"]), "days": days, "where": filters}
    ),
)  # fmt: skip
trees = st.recursive(
    leaves,
    lambda children: st.one_of(
        st.builds(
            lambda kind, inner: {"kind": kind, "conditions": inner},
            st.sampled_from(["and", "or"]),
            st.lists(children, min_size=1, max_size=3),
        ),
        st.builds(lambda inner: {"kind": "not", "condition": inner}, children),
    ),
    max_leaves=6,
)
# moments on and beside the edges of the windows, past and to come
offsets = st.builds(
    lambda edge, slip: edge * DAY + slip * timedelta(microseconds=1),
    st.sampled_from([-31, -30, -8, -7, -3, -2, -1.5, -1, 0, 0.5, 1, 3]),
    st.integers(-1, 1),
)
properties = st.builds(
    lambda found, foreign: found | foreign,
    st.dictionaries(st.sampled_from(PROPERTIES), st.one_of(values, st.none(), st.just([1])), max_size=3),
    st.sampled_from([{}, {}, {"currency": "JPY"}]),
)
events = st.builds(
    lambda name, offset, found: PlainEvent(name, NOW + offset, found),
    names,
    offsets,
    properties,
)
customers = st.builds(
    PlainCustomer,
    st.lists(events, min_size=1, max_size=8),
    st.dictionaries(st.sampled_from(TRAITS), st.one_of(values, st.none(), st.just({"a": 1})), max_size=2),
)

counts = st.fixed_dictionaries(
    {
        "kind": st.just("event_count"),
        "event": st.just(EVENTS[0]),
        "comparison": comparisons,
        "value": st.integers(0, 3),
        "window": st.builds(lambda count: {"days": count}, days),
    }
)
recencies = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["event_first", "event_last"]),
        "event": st.just(EVENTS[0]),
        "position": st.sampled_from(["within", "before"]),
        "days": days,
    }
)
"""What the edges of time decide: asked more often than chance would."""
