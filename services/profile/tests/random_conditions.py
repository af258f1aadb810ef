"""Random trees, customers and clocks, with moments on and beside every edge, for hypothesis."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from hypothesis import strategies as st
from pydantic import TypeAdapter
from services.profile.tests.plain_reading import (
    PlainCustomer,
    PlainEvent,
    PlainObservation,
    PlainRelation,
    PlainSign,
)

from contracts.conditions import Condition, Value
from profile_service.conditions import CutPoints, Library, PublishedSign, RankEntry, RankTable

NOW = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)
CLOCKS = [
    NOW,
    datetime(2026, 12, 31, 14, 59, 59, 999_999, tzinfo=UTC),  # the year's last moment in Tokyo
    datetime(2027, 2, 28, 1, 0, tzinfo=UTC),
    datetime(2028, 2, 28, 15, 0, tzinfo=UTC),  # 29 February has just begun in Tokyo
    datetime(2027, 3, 28, 1, 0, tzinfo=UTC),  # summer time begins in Berlin
]
"""Moments of evaluation."""
CURRENCY, ZONE, OTHER_ZONE = "USD", "Asia/Tokyo", "Europe/Berlin"
EVENTS, PROPERTIES, TRAITS = ["Order Completed", "Page Viewed"], ["revenue", "size", "color"], ["plan", "points"]
NAMESPACES, LIST, DAY = ["email", "line"], UUID(int=7), timedelta(days=1)
DAYS, HOURS = [1, 2, 7, 30], [3, 12]

_CONDITION: TypeAdapter[Condition] = TypeAdapter(Condition)
_VALUE: TypeAdapter[Value] = TypeAdapter(Value)

texts = st.sampled_from(["red", "blue", "", "é", "10", "';--", "山", "2026-11-27", "re"])
numbers = st.one_of(st.integers(-3, 12), st.sampled_from([0.5, 2.25, 10.0]))
values = st.one_of(texts, numbers, st.booleans())
orders = st.sampled_from(["eq", "ne", "lt", "le", "gt", "ge"])
days = st.sampled_from(DAYS)
names = st.sampled_from(EVENTS)
trait_names = st.sampled_from(TRAITS)
dates = st.sampled_from(["2026-11-20", "2026-11-27", "2000-02-29", "2027-01-01", "1990-11-13", "2027-02-28"])
date_texts = st.one_of(
    dates,
    st.sampled_from(
        ["2027-02-29", "2026-11-20T12:30:00+09:00", "2026-11-19T23:00:00Z", "2026-11-25T10:00", "2026-11-20 08:15:30.5",
         "2026-13-01", "tomorrow", "2026-11-20T24:00", "2028-02-29T00:30:00+0900"]
    ),
)  # fmt: skip
lists = st.lists(values, min_size=1, max_size=3)


@st.composite
def compared(draw: st.DrawFn, *, more: tuple[str, ...] = ()) -> dict[str, Any]:
    """A comparison and a value it takes."""
    comparison = draw(
        st.sampled_from(["eq", "ne", "lt", "le", "gt", "ge", "exists", "contains", "starts_with", "in", *more])
    )
    if comparison == "exists":
        return {"comparison": comparison}
    if comparison in {"in", "contains_any"}:
        return {"comparison": comparison, "value": draw(lists)}
    value = draw(texts if comparison == "starts_with" else values)
    if isinstance(value, bool) and comparison in {"lt", "le", "gt", "ge"}:
        comparison = "ne"
    return {"comparison": comparison, "value": value}


def _fixed(**parts: Any) -> st.SearchStrategy[dict[str, Any]]:
    strategies = {name: part if isinstance(part, st.SearchStrategy) else st.just(part) for name, part in parts.items()}
    return st.fixed_dictionaries(strategies)


filters: st.SearchStrategy[list[dict[str, Any]]] = st.one_of(
    st.just([]),
    st.just([]),
    st.lists(st.builds(lambda n, rest: {"property": n, **rest}, st.sampled_from(PROPERTIES), compared()), max_size=2),
)
matches = _fixed(event=names, where=filters)
which = _fixed(event=names, where=filters, which=st.sampled_from(["first", "last"]))
last_days = _fixed(days=days)
calendars = _fixed(
    calendar=st.sampled_from(["day", "week", "month", "quarter", "year"]),
    offset=st.sampled_from([0, 0, -1, -1, -2]),
    zone=st.sampled_from([None, None, OTHER_ZONE]),
)
windows = st.one_of(
    st.none(),
    last_days,
    last_days,
    _fixed(hours=st.sampled_from(HOURS)),
    calendars,
    _fixed(since=which),
    st.sampled_from(
        [{"start": "2026-11-18"}, {"end": "2026-11-20T03:00:00Z"}, {"start": "2026-11-01", "end": "2027-01-01"}]
    ),
)
durations = st.sampled_from([{"days": 1}, {"days": 7}, {"hours": 12}, {"days": 2, "hours": 0}])

counts = _fixed(
    kind="event_count", event=EVENTS[0], comparison=orders, value=st.integers(0, 4), window=last_days, where=[]
)
recencies = _fixed(
    kind=st.sampled_from(["event_first", "event_last"]),
    event=EVENTS[0],
    position=st.sampled_from(["within", "before"]),
    days=days,
)
day_offsets = st.sampled_from([0, 1, 7, 30])
date_of = st.one_of(
    _fixed(trait="born"),
    _fixed(relation=st.sampled_from(["spouse", "child"]), occasion="birthday", purpose=st.sampled_from(["gift", "ad"])),
    which,
)
anniversaries = _fixed(
    kind="anniversary",
    of=date_of,
    position=st.sampled_from(["days_before", "days_after", "within_next", "within_last"]),
    days=day_offsets,
)
dated = st.one_of(
    _fixed(
        kind="date",
        of=date_of,
        position=st.sampled_from(["days_before", "days_after", "within_next", "within_last"]),
        days=day_offsets,
    ),
    _fixed(kind="date", of=date_of, position=st.sampled_from(["before", "on", "after"]), date=dates),
)
sequences = _fixed(kind="sequence", first=matches, then=matches, within=durations, window=windows)
withouts = _fixed(kind="without", event=matches, without=matches, for_at_least=durations)
signs = _fixed(
    kind="sign",
    sign=st.sampled_from(["looking", "quiet", "both"]),
    detected=st.one_of(st.none(), last_days, _fixed(hours=st.sampled_from(HOURS))),
    min_strength=st.sampled_from([None, None, None, "weak", "medium", "strong"]),
)
references = st.one_of(
    signs,
    _fixed(kind="segment", segment=st.sampled_from(["buyers", "nested", "listed"])),
    _fixed(
        kind="rank",
        position=st.sampled_from(["is", "at_least", "at_most"]),
        rank=st.sampled_from([None, "bronze", "silver", "gold"]),
        table=st.sampled_from(["default", "plain", "mixed"]),
    ),
    _fixed(kind="lifecycle", states=st.lists(st.sampled_from(["new", "active", "gone"]), min_size=1, max_size=2)),
    _fixed(
        kind="percentile",
        of=st.sampled_from(["monetary", "recency", "frequency", {"kind": "computed", "key": "spend"}]),
        position=st.sampled_from(["top", "bottom"]),
        percent=st.sampled_from([10, 20, 90]),
    ),
    _fixed(kind="static_list", segment_id=str(LIST)),
    _fixed(kind="identifier", namespace=st.sampled_from(NAMESPACES)),
)
leaves = st.one_of(
    st.builds(
        lambda name, rest: {"kind": "trait", "trait": name, **rest}, trait_names, compared(more=("contains_any",))
    ),
    _fixed(kind="trait_changed", trait=trait_names, window=windows),
    _fixed(kind="event_count", event=names, comparison=orders, value=st.integers(0, 4), window=windows, where=filters),
    _fixed(
        kind="event_sum", event=names, property=st.sampled_from(PROPERTIES), comparison=orders, value=numbers,
        window=windows, where=filters,
    ),
    recencies, sequences, withouts, dated, anniversaries, references,
)  # fmt: skip

Trees = st.SearchStrategy[dict[str, Any]]
trees: Trees = st.deferred(lambda: _trees)

# Values, by kind
moment_values: Trees = st.deferred(lambda: _moment_values)
number_values: Trees = st.deferred(lambda: _number_values)
text_values: Trees = st.deferred(lambda: _text_values)


def _event_value(functions: list[str], **more: Any) -> st.SearchStrategy[dict[str, Any]]:
    return _fixed(
        kind="events", function=st.sampled_from(functions), event=names, window=windows, where=filters, **more
    )


def _case(of: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    cases = st.lists(_fixed(condition=leaves, value=of), min_size=1, max_size=2)
    return _fixed(kind="case", cases=cases, otherwise=st.none() | of)


def _pair(of: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(of, min_size=2, max_size=2)


_moment_values: Trees = st.one_of(
    _event_value(["first", "last"]),
    _event_value(["first", "last"]),
    _fixed(kind="trait", trait="born", read_as="moment"),
    _fixed(kind="moment", moment=dates),
    _fixed(kind=st.sampled_from(["least", "greatest"]), of=_pair(_event_value(["first", "last"]))),
    _case(_event_value(["last"])),
)
_number_leaves = st.one_of(
    _event_value(["count", "distinct_days", "gap", "most_frequent_hour"]),
    _event_value(["sum", "average", "minimum", "maximum"], property=st.sampled_from(PROPERTIES)),
    _fixed(kind="time_since", of=moment_values, unit=st.sampled_from(["days", "hours", "calendar_days"])),
    _fixed(kind="time_since", of=_event_value(["first", "last"]), unit=st.sampled_from(["days", "calendar_days"])),
    _fixed(kind="trait", trait="points", read_as="number"),
    _fixed(kind="constant", value=numbers),
    _fixed(kind="computed", key="spend"),
    _fixed(
        kind=st.sampled_from(["points", "distance_to_next_rank"]), table=st.sampled_from(["default", "mixed", "odd"])
    ),
)
_number_values: Trees = st.one_of(
    _number_leaves,
    _number_leaves,
    _fixed(
        kind=st.sampled_from(["add", "subtract", "multiply", "divide", "least", "greatest"]), of=_pair(_number_leaves)
    ),
    _fixed(kind="round_down", of=_number_leaves),
    _case(_number_leaves),
)
_text_values: Trees = st.one_of(
    _event_value(["most_frequent"], property=st.sampled_from(PROPERTIES)),
    _fixed(kind="trait", trait=trait_names, read_as="text"),
    _fixed(kind="constant", value=texts),
    _fixed(kind="computed", key="tier"),
    _fixed(kind=st.sampled_from(["least", "greatest"]), of=_pair(_fixed(kind="trait", trait="plan", read_as="text"))),
)
any_values = st.one_of(number_values, moment_values, text_values)


def _comparing(of: st.SearchStrategy[Any], constants: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.one_of(
        _fixed(kind="value", of=of, comparison=orders, value=constants),
        _fixed(kind="value", of=of, comparison=orders, than=of),
        _fixed(kind="value", of=of, comparison="in", value=st.lists(constants, min_size=1, max_size=3)),
        _fixed(kind="value", of=of, comparison="exists"),
    )


value_conditions = st.one_of(
    _comparing(number_values, numbers), _comparing(moment_values, dates), _comparing(text_values, texts)
)
_trees: Trees = st.recursive(
    st.one_of(leaves, value_conditions),
    lambda children: st.one_of(
        _fixed(kind=st.sampled_from(["and", "or"]), conditions=st.lists(children, min_size=1, max_size=3)),
        _fixed(kind="not", condition=children),
    ),
    max_leaves=6,
)

# Customers around a clock: moments on and beside the edges of windows, past and to come
_PAST_EDGES = [-95, -31, -30, -8, -7, -3, -2, -1.5, -1, -0.5, -0.125]


def _beside(edges: list[float]) -> st.SearchStrategy[timedelta]:
    return st.builds(
        lambda edge, slip: edge * DAY + slip * timedelta(microseconds=1), st.sampled_from(edges), st.integers(-1, 1)
    )


offsets = _beside([*_PAST_EDGES, 0, 0.5, 1, 3])
past_offsets = _beside(_PAST_EDGES) | st.just(timedelta())
properties = st.builds(
    lambda found, foreign: found | foreign,
    st.dictionaries(
        st.sampled_from(PROPERTIES), st.one_of(values, st.none(), st.just([1, "red", True]), st.just([])), max_size=3
    ),
    st.sampled_from([{}, {}, {"currency": "JPY"}]),
)
json_values = st.one_of(values, st.none(), st.just({"a": 1}), st.lists(values, max_size=3))
relations = st.builds(
    PlainRelation,
    st.sampled_from(["spouse", "child"]),
    st.just("birthday"),
    st.sampled_from(["gift", "gift", "ad"]),
    st.sampled_from([2, 11, 12]),
    st.sampled_from([20, 27, 28, 29]),
    st.sampled_from([None, 1988, 2026, 2027]),
    st.sampled_from([None, None, NOW + 2 * DAY, NOW - DAY]),
)


def kept_signs(now: datetime) -> st.SearchStrategy[dict[str, PlainSign]]:
    """What may be kept of signs, by an evaluation that may be overdue: shown, expired, or held without being shown."""
    past = st.builds(lambda offset: now + offset, past_offsets)
    kept = st.one_of(
        st.builds(lambda one, other: PlainSign(False, False, None, min(one, other)), past, past),
        st.builds(
            lambda held, one, other: PlainSign(held, True, min(one, other), max(one, other)), st.booleans(), past, past
        ),
        # as after a move: what was detected is known, what follows from it is not
        st.builds(
            lambda held, one, other: PlainSign(held, False, min(one, other), max(one, other)), st.booleans(), past, past
        ),
        st.just(PlainSign(True, False, None, None)),
    )
    return st.dictionaries(st.sampled_from(["looking", "quiet", "both"]), kept, max_size=3)


def customers_at(now: datetime, *, when: st.SearchStrategy[timedelta] = offsets) -> st.SearchStrategy[PlainCustomer]:
    """Customers whose facts lie around a moment."""
    often = st.sampled_from([EVENTS[0], EVENTS[0], EVENTS[1]])
    events = st.builds(lambda name, offset, found: PlainEvent(name, now + offset, found), often, when, properties)
    observations = st.builds(
        lambda trait, source, offset, value: PlainObservation(trait, source, now + offset, value),
        trait_names,
        st.sampled_from(["crm", "shop"]),
        when,
        json_values,
    )
    return st.builds(
        PlainCustomer,
        events=st.lists(events, min_size=1, max_size=8),
        traits=st.builds(
            lambda some, born: {**some, **born},
            st.dictionaries(trait_names, json_values, max_size=2),
            st.just({}) | st.fixed_dictionaries({"born": date_texts}) | st.dictionaries(st.just("born"), json_values),
        ),
        observations=st.lists(observations, max_size=4, unique_by=lambda each: each.observed_at),
        relations=st.lists(relations, max_size=2),
        namespaces=st.frozensets(st.sampled_from(NAMESPACES)),
        lists=st.sampled_from([frozenset(), frozenset({LIST})]),
        signs=kept_signs(now),
    )


customers = customers_at(NOW)


def _bought(comparison: str, value: int, **more: Any) -> Condition:
    return _CONDITION.validate_python(
        {"kind": "event_count", "event": EVENTS[0], "comparison": comparison, "value": value, **more}
    )


_SPEND = _VALUE.validate_python({"kind": "events", "function": "sum", "event": EVENTS[0], "property": "revenue"})
_LAST = _VALUE.validate_python({"kind": "events", "function": "last", "event": EVENTS[0]})
_TIER = {
    "kind": "case",
    "cases": [
        {"condition": {"kind": "segment", "segment": "buyers"}, "value": {"kind": "constant", "value": "red"}},
        {"condition": {"kind": "rank", "position": "is", "rank": None}, "value": {"kind": "constant", "value": "blue"}},
    ],
}
_QUIET = {"kind": "event_last", "event": EVENTS[0], "position": "before", "days": 2}
_BOTH = {
    "kind": "and",
    "conditions": [
        {"kind": "sign", "sign": "looking"},
        {"kind": "not", "condition": {"kind": "sign", "sign": "quiet"}},
    ],
}
LIBRARY = Library(
    segments={
        "buyers": _bought("ge", 1, window={"days": 7}),
        "nested": _CONDITION.validate_python(
            {"kind": "or", "conditions": [{"kind": "not", "condition": {"kind": "segment", "segment": "buyers"}},
                                          {"kind": "rank", "position": "at_least", "rank": "silver"}]}
        ),
        "listed": _CONDITION.validate_python({"kind": "static_list", "segment_id": str(LIST)}),
    },
    signs={
        "looking": PublishedSign(UUID(int=11), 1, _bought("ge", 2, window={"days": 7}), "weak", 7),
        "quiet": PublishedSign(UUID(int=12), 1, _CONDITION.validate_python(_QUIET), "medium", 2),
        "both": PublishedSign(UUID(int=13), 1, _CONDITION.validate_python(_BOTH), "strong", 30),
    },
    computed={"spend": _SPEND, "tier": _VALUE.validate_python(_TIER)},
    ranks={
        "default": RankTable(
            tuple(RankEntry(key, threshold=Decimal(at)) for key, at in (("bronze", 0), ("silver", 3), ("gold", 10))),
            measure=_VALUE.validate_python({"kind": "computed", "key": "spend"}),
        ),
        "plain": RankTable(
            (
                RankEntry("bronze", _bought("ge", 1)),
                RankEntry("silver", _bought("ge", 1, window={"days": 30})),
                RankEntry("gold", _bought("ge", 2, window={"days": 7})),
            )
        ),
        "mixed": RankTable(
            (
                RankEntry("bronze", threshold=Decimal(1)),
                RankEntry("silver", _bought("ge", 2, window={"days": 30})),
                RankEntry("gold", threshold=Decimal(10)),
                RankEntry("black", _bought("ge", 2, window={"days": 7})),
            ),
            measure=_VALUE.validate_python({"kind": "computed", "key": "spend"}),
        ),
        "odd": RankTable((RankEntry("any", _bought("ge", 1)),), measure=_SPEND),
    },
    lifecycle=(
        ("new", _bought("le", 1, window={"days": 30})),
        ("active", _bought("ge", 1, window={"days": 7})),
        ("gone", _bought("ge", 0)),
    ),
    cuts={
        "monetary": CutPoints(_SPEND, {10: Decimal(0), 20: Decimal(1), 80: Decimal(5), 90: Decimal(10)}, NOW + 2 * DAY),
        "recency": CutPoints(_LAST, {10: NOW - 30 * DAY, 80: NOW - 2 * DAY, 90: NOW - DAY}, NOW + 2 * DAY),
    },
)  # fmt: skip
"""What random trees refer to."""
