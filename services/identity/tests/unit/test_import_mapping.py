"""How a file is read is held against its source before a line is read; a line becomes an event, or says why not."""

import json
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identity_service.rules.identifiers import Namespace
from identity_service.rules.import_events import EventMaker, Made, outline
from identity_service.rules.import_mapping import mapping_problems
from identity_service.rules.partners import SourceRules
from identity_service.rules.records import record_message_id

RULES = SourceRules(
    {"email": "email", "user_id": "plain", "card": "plain"},
    ("crm",),
    {name: Namespace(name=name) for name in ("email", "user_id", "card")},
)
REVENUE = {"to": "properties.revenue", "type": "number"}
ORDERS: dict[str, Any] = {
    "伝票": "record_id", "日時": "occurred_at", "会員": "external_ids.card", "金額": REVENUE,
    "店": "properties.shop.name", "贈答": {"to": "properties.is_gift", "type": "boolean"},
}  # fmt: skip
CONSTANTS: dict[str, Any] = {"event": "Order Completed", "properties.currency": "JPY"}
DATES: dict[str, Any] = {
    "会員": "external_ids.card", "続柄": "properties.relation", "日": {"to": "properties.date", "type": "date"},
}  # fmt: skip
GIVEN: dict[str, Any] = {
    "event": "Relation Date Given", "properties.occasion": "birthday", "properties.purpose": "reminder",
}  # fmt: skip


def problems(
    mapping: dict[str, Any], *, kind: str = "events", is_text_only: bool = True, **constants: Any
) -> list[str]:
    found = mapping_problems(mapping, constants=constants, kind=kind, is_text_only=is_text_only, rules=RULES)
    assert all(detail for _, detail in found)
    return [field for field, _ in found]


def maker(mapping: dict[str, Any], constants: dict[str, Any], *, kind: str = "events") -> EventMaker:
    return EventMaker(
        mapping, constants=constants, kind=kind, rules=RULES, as_of="2026-11-20T00:00:00+00:00",
        zone=ZoneInfo("Asia/Tokyo"), purposes=(), columns=list(mapping),
    )  # fmt: skip


def made(mapping: dict[str, Any], constants: dict[str, Any], *values: str, kind: str = "events") -> Any:
    found = maker(mapping, constants, kind=kind).event_of(values, message_id="line")
    return json.loads(found.event) if isinstance(found, Made) else found


def test_a_line_of_a_till_becomes_an_event_with_types() -> None:
    assert made(ORDERS, CONSTANTS, " A-17 ", "2026/11/20 9:05", "0077", "¥1,200", "渋谷", "○") == {
        "type": "track",
        "event": "Order Completed",
        "messageId": record_message_id("Order Completed", "A-17"),
        "timestamp": "2026-11-20T09:05:00+09:00",
        "properties": {"currency": "JPY", "revenue": 1200, "shop": {"name": "渋谷"}, "is_gift": True},
        "context": {"externalIds": [{"type": "card", "collection": "users", "id": "0077"}]},
    }
    plain = made(ORDERS, CONSTANTS, "", "", "0077", "", "", "")
    assert (plain["messageId"], plain["timestamp"]) == ("line", "2026-11-20T00:00:00+00:00")
    assert plain["properties"] == {"currency": "JPY"}


def test_an_outline_says_names_and_types_and_no_value() -> None:
    found = maker(ORDERS, CONSTANTS).event_of(["A", "", "0077", "1,200", "渋谷", "×"], message_id="line")
    assert isinstance(found, Made)
    assert outline(found.event) == {
        "type": "track", "event": "Order Completed", "identifiers": ["card"], "traits": {},
        "properties": {"currency": "text", "revenue": "number", "shop.name": "text", "is_gift": "boolean"},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("values", "column"),
    [
        (("A", "", "0077", "1,5", "", ""), "金額"),
        (("A", "", "0077", "1", "", "maybe"), "贈答"),
        (("A", "someday", "0077", "1", "", ""), "日時"),
        (("A" * 201, "", "0077", "1", "", ""), "伝票"),
        (("A\0", "", "0077", "1", "", ""), "伝票"),
        (("A", "", "", "1", "", ""), ""),
    ],
)
def test_what_is_wrong_with_a_line_names_its_column(values: tuple[str, ...], column: str) -> None:
    field, detail = made(ORDERS, CONSTANTS, *values)
    assert field == column
    assert detail
    assert not any(value and value in detail for value in values if len(value) > 1)


def test_the_name_of_an_event_may_be_a_column() -> None:
    mapping = {"何": "event", "id": "user_id"}
    assert made(mapping, {}, "Store Visited", "1")["event"] == "Store Visited"
    assert made(mapping, {}, "", "1")[0] == "何"
    assert made(mapping, {}, "x" * 256, "1")[0] == "何"


def test_a_date_of_a_related_person_is_refused_where_the_department_sees_it() -> None:
    taken = made(DATES, GIVEN, "0077", "妻", "昭和59年2月29日")
    said = {"relation": "妻", "date": "1984-02-29", "occasion": "birthday", "purpose": "reminder"}
    assert taken["properties"] == said
    assert made(DATES, GIVEN, "0077", "090-1234-5678", "1984-02-29")[0] == "続柄"
    assert made(DATES, GIVEN, "0077", "妻", "")[0] == "日"
    assert made(DATES, GIVEN | {"properties.purpose": "Reminder!"}, "0077", "妻", "1984-02-29")[0] == (
        "constants.properties.purpose"
    )
    without = {key: value for key, value in GIVEN.items() if key != "properties.occasion"}
    assert made(DATES, without, "0077", "妻", "1984-02-29")[0] == "properties.occasion"


def test_a_rank_that_another_system_decided_is_a_typed_trait() -> None:
    mapping = {
        "会員": "external_ids.card",
        "ランク": "traits.rank",
        "残": {"to": "traits.loyalty.points", "type": "number"},
    }
    event = made(mapping, {"traits.loyalty.program": "kizuna"}, "0077", "gold", "１２，３４５", kind="customers")
    assert event["traits"] == {"loyalty": {"program": "kizuna", "points": 12345}, "rank": "gold"}


def test_a_column_may_hold_several_elements() -> None:
    mapping = {
        "会員": "external_ids.card",
        "好み": {"to": "traits.likes", "type": "list", "separator": "|"},
        "サイズ": {"to": "traits.shoes.sizes", "type": "list", "separator": "/", "elements": "number"},
    }
    event = made(mapping, {}, "0077", "花|茶", "24.5/２５", kind="customers")
    assert event["traits"] == {"likes": ["花", "茶"], "shoes": {"sizes": [24.5, 25]}}
    assert made(mapping, {}, "0077", " ", "", kind="customers").get("traits") is None
    field, detail = made(mapping, {}, "0077", "花", "24.5/大", kind="customers")
    assert (field, detail[:11], "大" in detail) == ("サイズ", "Element 2: ", False)
    found = maker(mapping, {}, kind="customers").event_of(["0077", "花", "1"], message_id="line")
    assert isinstance(found, Made)
    assert outline(found.event)["traits"] == {"likes": "list", "shoes.sizes": "list"}


@given(st.text(min_size=1, max_size=200), st.text(min_size=1, max_size=200), st.text(min_size=1), st.text(min_size=1))
def test_a_record_is_known_by_its_events_name_and_its_own_id(one: str, other: str, name: str, another: str) -> None:
    same = record_message_id(name, one) == record_message_id(another, other)
    assert same == ((name, one.strip()) == (another, other.strip()))
    assert len(record_message_id(name, one)) <= 255


def test_a_good_mapping_has_no_problems() -> None:
    assert problems(ORDERS, **CONSTANTS) == []
    assert problems(DATES, **GIVEN) == []
    assert problems({"id": "user_id", "rank": "traits.rank"}, kind="customers") == []


BAD: list[tuple[dict[str, Any], dict[str, Any], str, str]] = [
    ({"id": "user_id"}, {}, "events", "mapping"),  # nothing happened
    ({"店": "properties.shop"}, CONSTANTS, "events", "mapping"),  # to nobody
    ({"id": "user_id", "金額": "properties.revenue"}, CONSTANTS, "events", "mapping.金額"),  # text is not summed
    ({"id": "user_id", "a": {"to": "user_id", "type": "number"}}, CONSTANTS, "events", "mapping.a"),
    ({"id": "user_id", "a": {"to": "properties.a", "type": "float"}}, CONSTANTS, "events", "mapping.a"),
    ({"id": "user_id", "a": {"to": "properties.a", "type": "list"}}, CONSTANTS, "events", "mapping.a"),  # cut where?
    ({"id": "user_id", "a": {"to": "record_id", "type": "list", "separator": "|"}}, CONSTANTS, "events", "mapping.a"),
    ({"id": "user_id", "a": {"to": "traits.email", "type": "list", "separator": ","}}, {}, "customers", "mapping.a"),
    ({"id": "user_id", "a": "traits.a"}, CONSTANTS, "events", "mapping.a"),
    ({"id": "user_id", "a": "properties.a"}, {}, "customers", "mapping.a"),
    ({"id": "user_id", "a": "record_id"}, {}, "customers", "mapping.a"),
    ({"id": "user_id", "a": {"to": "traits.email", "type": "number"}}, {}, "customers", "mapping.a"),
    ({"id": "user_id", "a": "properties.x", "b": "properties.x.y"}, CONSTANTS, "events", "mapping.b"),
    ({"id": "user_id", "a": "properties.currency"}, CONSTANTS, "events", "constants.properties.currency"),
    ({"id": "user_id", "a": "event"}, CONSTANTS, "events", "constants.event"),
    ({"id": "user_id"}, {"event": 7}, "events", "constants.event"),
    ({"id": "user_id"}, CONSTANTS | {"external_ids.card": "1"}, "events", "constants.external_ids.card"),
    ({"id": "user_id"}, {"traits.email": "a@example.jp"}, "customers", "constants.traits.email"),
]


@pytest.mark.parametrize(("mapping", "constants", "kind", "field"), BAD)
def test_a_mapping_that_makes_no_sense_is_named(
    mapping: dict[str, Any], constants: dict[str, Any], kind: str, field: str
) -> None:
    assert field in problems(mapping, kind=kind, **constants)


def test_what_has_numbers_of_its_own_may_say_revenue_plainly() -> None:
    assert problems({"id": "user_id", "sum": "properties.revenue"}, is_text_only=False, **CONSTANTS) == []
    several = {"to": "properties.several", "type": "list"}
    assert problems({"id": "user_id", "several": several}, is_text_only=False, **CONSTANTS) == []
