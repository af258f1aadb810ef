"""The tracking API's bodies, as SDKs really send them."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from identity_service.rules.identifiers import Identifier
from identity_service.rules.tracking import (
    BATCH,
    ID_SYNC,
    MAX_EVENTS,
    InvalidBody,
    Rejected,
    StoredEvent,
    check_events,
    hashed_identifiers_of,
    identifiers_of,
    occurred_at,
    properties_of,
    purposes_of,
    read_body,
    read_event,
    repair,
    traits_of,
)

RECEIVED = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)
TRACK: dict[str, Any] = {"type": "track", "event": "Order Completed", "userId": "1"}


def check(*events: dict[str, Any] | bytes) -> list[Rejected]:
    encoded = [one if isinstance(one, bytes) else json.dumps(one).encode() for one in events]
    return check_events(read_body(b'{"batch":[' + b",".join(encoded) + b"]}", kind="batch"), kind="batch")


def stored(event: dict[str, Any]) -> StoredEvent:
    return read_event(json.dumps(event).encode())


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"type": "charge"}, "type"),
        ({"type": None}, "type"),
        ({"type": 5}, "type"),
        ({"event": None}, "event"),
        ({"event": " "}, "event"),
        ({"event": "x" * 256}, "event"),
        ({"event": 7}, "event"),
        ({"userId": None}, "userId"),
        ({"userId": {}}, "userId"),
        ({"messageId": ""}, "messageId"),
        ({"messageId": 5}, "messageId"),
        ({"messageId": "x" * 256}, "messageId"),
        ({"timestamp": "yesterday"}, "timestamp"),
        ({"timestamp": "0001-01-01T00:00:00+14:00"}, "timestamp"),
        ({"timestamp": "3000-01-01"}, "timestamp"),
        ({"timestamp": 1700000000}, "timestamp"),
        ({"originalTimestamp": "2015-2-02T00:30:12.984Z"}, "originalTimestamp"),
        ({"properties": []}, "properties"),
        ({"traits": "x"}, "traits"),
        ({"context": 1}, "context"),
        ({"context": {"externalIds": {"id": 1}}}, "context.externalIds"),
        ({"context": {"externalIds": [{"id": "1", "type": 5}]}}, "context.externalIds.0.type"),
        ({"properties": {"note": "a\0b"}}, ""),
        ({"properties": {"text": "x" * 33_000}}, ""),
        ({"properties": {"deep": json.loads("[" * 63 + "]" * 63)}}, ""),
        ({"context": {"unused": json.loads('{"a":' * 300 + "1" + "}" * 300)}}, ""),
    ],
)
def test_a_bad_event_is_named_by_index_and_field(change: dict[str, Any], field: str) -> None:
    [rejected] = check(TRACK, {**TRACK, **change}, TRACK)
    assert (rejected.index, rejected.field) == (1, field)


@pytest.mark.parametrize(
    "raw", [b"5", b"null", b'"x"', b'{"type":"track","event":"x","userId":"1","properties":{"n":1e999}}']
)
def test_what_is_no_event_is_named_too(raw: bytes) -> None:
    assert [one.index for one in check(TRACK, raw)] == [1]


def test_the_value_is_never_in_the_detail() -> None:
    [rejected] = check({**TRACK, "timestamp": "secret", "properties": {"secret": 1}})
    assert "secret" not in rejected.detail + rejected.field
    [rejected] = check({**TRACK, "properties": ["secret"]})
    assert "secret" not in rejected.detail + rejected.field


@pytest.mark.parametrize(
    "event",
    [
        TRACK,
        {**TRACK, "userId": 5},
        {"type": "track", "event": "x", "anonymousId": "a"},
        {**TRACK, "timestamp": "2026-11-20T12:00:00+09:00", "properties": None, "traits": None, "context": None},
        {**TRACK, "timestamp": "2026-11-20T12:00:00.1234567Z", "messageId": None},
        {**TRACK, "timestamp": "2026-11-20"},
        {
            **TRACK,
            "sentAt": 5,
            "integrations": {"All": True},
            "_metadata": {"bundled": []},
            "channel": "server",
            "version": 1,
        },
        {"type": "identify", "traits": {"email": "a@b.jp"}},
        {
            "type": "track",
            "event": "x",
            "context": {"externalIds": [{"id": "U1", "type": "line", "collection": "users"}]},
        },
        {"type": "track", "event": "x", "context": {"traits": {"phone": "0312345678"}}},
        {"type": "group", "userId": "1", "groupId": 7, "traits": {"name": "Initech"}},
        {"type": "alias", "userId": "2", "previousId": "1"},
        {"type": "page", "anonymousId": "a", "name": None, "category": "docs"},
        {**TRACK, "properties": {"emoji": "\U0001f600", "n": 10**18, "backslash": "\\u0000"}},
        {**TRACK, "properties": {"matrix": [[1]] * 100, "deep": json.loads("[" * 62 + "]" * 62)}},
    ],
)
def test_good_events_are_taken(event: dict[str, Any]) -> None:
    assert check(event) == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"", None),
        (b"{", None),
        (b"[]", "batch"),
        (b"{}", "batch"),
        (b'{"batch":5}', "batch"),
        (b'{"batch":[}', None),
        (b"\xff\xfe", None),
        (b'{"batch":[' + b"[" * 100_000, None),
        (b'{"batch":[' + b",".join([b"{}"] * (MAX_EVENTS + 1)) + b"]}", "batch"),
    ],
)
def test_a_bad_envelope_is_refused_as_a_whole(body: bytes, field: str | None) -> None:
    with pytest.raises(InvalidBody) as caught:
        read_body(body, kind="batch")
    assert caught.value.field == field


def test_half_a_surrogate_pair_does_not_cost_the_batch() -> None:
    body = b'{"batch":[{"type":"track","event":"x","userId":"1","properties":{"t":"\\ud83d"}}]}'
    with pytest.raises(InvalidBody):
        read_body(body, kind="batch")
    repaired = repair(body)
    assert repaired is not None
    assert check_events(read_body(repaired, kind="batch"), kind="batch") == []
    assert repair(b'{"batch":[}') is None


def when(event: dict[str, Any], sent_at: Any = None) -> datetime:
    return occurred_at(stored(event), received_at=RECEIVED, sent_at=sent_at)


def test_time_is_corrected_by_the_clock_of_the_sender() -> None:
    """timestamp = receivedAt - (sentAt - originalTimestamp)"""
    ahead = {"originalTimestamp": "2026-11-20T05:00:00Z", "sentAt": "2026-11-20T05:00:10Z"}
    assert when(ahead) == RECEIVED - timedelta(seconds=10)
    assert when({"timestamp": "2026-11-20T02:00:00Z"}, "2026-11-20T02:00:30Z") == RECEIVED - timedelta(seconds=30)
    both = {
        "originalTimestamp": "2026-11-20T02:00:00Z",
        "timestamp": "2020-01-01T00:00:00Z",
        "sentAt": "2026-11-20T02:01:00Z",
    }
    assert when(both) == RECEIVED - timedelta(minutes=1)


def test_without_sent_at_the_sources_time_is_taken() -> None:
    assert when({"timestamp": "2025-05-20T12:00:00+09:00"}) == datetime(2025, 5, 20, 3, 0, tzinfo=UTC)
    assert when({"timestamp": "2025-05-20T12:00:00"}) == datetime(2025, 5, 20, 12, 0, tzinfo=UTC)
    assert when({"timestamp": "2025-05-20T12:00:00Z", "sentAt": "nonsense"}) == datetime(2025, 5, 20, 12, 0, tzinfo=UTC)


def test_without_any_time_it_happened_when_it_was_received() -> None:
    assert when({}) == RECEIVED
    assert when({"sentAt": "2026-11-20T05:00:10Z"}) == RECEIVED


def test_nothing_happens_after_it_was_received() -> None:
    assert when({"timestamp": "2026-11-21T00:00:00Z"}) == RECEIVED
    assert when({"timestamp": "2026-11-20T05:00:00Z", "sentAt": "2026-11-20T04:00:00Z"}) == RECEIVED


def names(kind: str, event: dict[str, Any], context: dict[str, Any] | None = None) -> list[Identifier]:
    batch = read_body(json.dumps({"batch": [], "context": context}).encode(), kind="batch").context
    return identifiers_of(stored(event), kind=kind, context=batch)


def test_identifiers_come_from_where_sdks_put_them() -> None:
    event = {
        "userId": 7,
        "anonymousId": "a",
        "traits": {"email": "A@b.jp", "phone": "03-1234-5678"},
        "context": {
            "traits": {"email": "c@d.jp"},
            "externalIds": [
                {"id": "U1", "type": "line", "collection": "users", "encoding": "none"},
                {"id": "G1", "type": "group_id", "collection": "accounts"},
                {"id": None, "type": "x"},
            ],
            "externalId": [{"id": "R1", "type": "rudder"}],
        },
    }
    assert names("identify", event) == [
        ("user_id", "7"),
        ("anonymous_id", "a"),
        ("email", "a@b.jp"),
        ("phone", "+81312345678"),
        ("email", "c@d.jp"),
        ("line", "U1"),
        ("rudder", "R1"),
    ]


def test_a_groups_traits_are_not_the_customers() -> None:
    event = {"userId": "1", "groupId": "g", "traits": {"email": "office@initech.jp", "name": "Initech"}}
    assert names("group", event) == [("user_id", "1")]
    assert bytes(traits_of(stored(event), kind="group")) == b"{}"
    assert json.loads(bytes(properties_of(stored(event), kind="group"))) == {"group_id": "g", "traits": event["traits"]}


def test_the_batchs_context_holds_for_each_event() -> None:
    assert names("track", {"userId": "1"}, {"externalIds": [{"id": "d1", "type": "device"}]}) == [
        ("user_id", "1"),
        ("device", "d1"),
    ]


def test_rudderstack_identifies_in_the_context() -> None:
    event = stored({"userId": "1", "context": {"traits": {"plan": "gold"}}})
    assert json.loads(bytes(traits_of(event, kind="identify"))) == {"plan": "gold"}
    assert bytes(traits_of(event, kind="track")) == b"{}"


def test_free_json_passes_byte_by_byte() -> None:
    raw = b'{"type":"track","properties":{ "price" : 12.50, "big":12345678901234567890.25 }}'
    assert bytes(properties_of(read_event(raw), kind="track")) == b'{ "price" : 12.50, "big":12345678901234567890.25 }'
    assert bytes(properties_of(stored({"properties": None}), kind="track")) == b"{}"


def test_a_pages_name_becomes_a_property() -> None:
    event = stored({"name": "Pricing", "category": "Docs", "properties": {"url": "/p"}})
    assert json.loads(bytes(properties_of(event, kind="page"))) == {"url": "/p", "name": "Pricing", "category": "Docs"}


DIGEST = "AB" * 32


def _read(event: dict[str, Any], context: dict[str, Any] | None = None) -> tuple[StoredEvent, Any]:
    body = read_body(json.dumps({"batch": [event], "context": context}).encode(), kind=ID_SYNC)
    assert check_events(body, kind=ID_SYNC) == []
    return read_event(body.events[0]), body.context


def test_a_hashed_identifier_is_told_by_its_digest_alone() -> None:
    event, context = _read(
        {"type": "identify", "context": {"externalIds": [
            {"type": "email", "sha256": DIGEST}, {"type": "dmp", "id": "d-1"}, {"type": "phone", "sha256": "short"},
            {"type": "a b", "sha256": DIGEST},
        ]}}
    )  # fmt: skip
    assert hashed_identifiers_of(event, context=context) == [("email", DIGEST.lower())]
    assert identifiers_of(event, kind="identify", context=context) == [("dmp", "d-1")]


def test_only_what_identity_put_into_the_log_itself_narrows_purposes() -> None:
    narrow = {"type": "identify", "userId": "1", "context": {"purposes": ["ads"]}}
    event, context = _read(narrow, {"purposes": ["crm"]})
    assert purposes_of(event, request_kind=ID_SYNC, context=context) == ("ads",)
    assert purposes_of(event, request_kind=BATCH, context=context) == ()
    event, context = _read({"type": "identify", "userId": "1"}, {"purposes": ["crm"]})
    assert purposes_of(event, request_kind=ID_SYNC, context=context) == ("crm",)
