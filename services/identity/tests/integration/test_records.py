"""Records of departments' systems, in files and signed: typed events, each counted once, told about line by line."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from services.identity.tests.integration.conftest import NOW, Sender, make_sender
from services.identity.tests.integration.test_imports import Files
from standardwebhooks import Webhook

from contracts.identity import ResolvedEvent
from identity_service.app import build
from identity_service.repository import imports as repository
from identity_service.settings import Settings
from servicekit.clock import FrozenClock
from servicekit.testing import Environment, RunningService, running

ORDER = "Order Completed"
MAPPING: dict[str, Any] = {
    "伝票番号": "record_id",
    "日時": "occurred_at",
    "会員番号": "user_id",
    "金額": {"to": "properties.revenue", "type": "number"},
    "店舗": "properties.shop",
}
ORDERS: dict[str, Any] = {
    "kind": "events", "mapping": MAPPING, "constants": {"event": ORDER, "properties.currency": "JPY"},
}  # fmt: skip
HEADER = "伝票番号,日時,会員番号,金額,店舗"
LINES = [
    HEADER,
    'A-1,2026/11/18 9:05,1,"1,200",渋谷',
    "A-2,2026/11/18 23:10,2,８００,髙島屋前",
    "A-3,2026/11/19 10:00,1,1.2.3,渋谷",  # no number
    "A-2,2026/11/18 23:10,2,800,髙島屋前",  # the till wrote it twice
]
FILE = "\r\n".join(LINES).encode("cp932")


@pytest.fixture
def files(identity: RunningService, shop: Sender) -> Files:
    """Imports of the shop, read and resolved as they come."""
    return Files(identity)


async def orders(identity: RunningService) -> list[ResolvedEvent]:
    return sorted(
        (one for one in await identity.published(ResolvedEvent) if one.name == ORDER), key=lambda one: one.occurred_at
    )


async def secret_of(identity: RunningService, source_id: str = "shop") -> str:
    answer = await identity.client.post(f"/v1/sources/{source_id}:rotateSigningSecret", headers=identity.headers())
    secret: str = answer.json()["signing_secret"]
    return secret


async def post(identity: RunningService, secret: str, *records: Any, webhook_id: str = "msg_1") -> Any:
    text, now = json.dumps({"records": records}), identity.clock.now()
    signed = {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign(webhook_id, now, text),
    }
    return await identity.client.post("/v1/partners/shop/records", content=text.encode(), headers=signed)


async def test_orders_of_a_till_become_events_that_can_be_summed(identity: RunningService, files: Files) -> None:
    found = await files.load(FILE, **ORDERS)
    assert (found["state"], found["accepted"], found["repeated"], found["rejected"]) == ("done", 3, 1, 1)
    [first, second] = await orders(identity)
    assert (first.kind, first.source_id) == ("track", "shop")
    assert first.properties == {"revenue": 1200, "currency": "JPY", "shop": "渋谷"}
    assert second.properties == {"revenue": 800, "currency": "JPY", "shop": "髙島屋前"}
    assert first.occurred_at.isoformat() == "2026-11-18T00:05:00+00:00"  # the till's clock hangs in Tokyo
    [rejected] = await files.lines(found["import_id"])
    assert (rejected["line"], rejected["field"], rejected["state"]) == (4, "金額", "rejected")
    assert "1.2.3" not in rejected["detail"]
    lines = await files.lines(found["import_id"], "accepted", first=1)
    assert [(one["line"], one["state"]) for one in lines] == [(2, "accepted"), (3, "accepted"), (5, "repeated")]
    assert [one["customer_id"] for one in lines] == [
        str(first.customer_id), str(second.customer_id), str(second.customer_id),
    ]  # fmt: skip


async def test_the_same_record_counts_once_however_it_comes(
    identity: RunningService, files: Files, clock: FrozenClock, eventually: Callable[..., Awaitable[None]]
) -> None:
    await files.load(FILE, **ORDERS)
    again = await files.load(FILE, **ORDERS, as_of=(NOW - timedelta(hours=1)).isoformat())
    assert (again["accepted"], again["repeated"], again["rejected"]) == (3, 3, 1)
    one = {"identifiers": [{"namespace": "user_id", "value": "1"}], "event": ORDER, "properties": {"revenue": 1200}}
    secret = await secret_of(identity)
    assert (await post(identity, secret, one | {"record_id": "A-1"})).json() == {"accepted": 1, "rejected": []}
    await identity.drain()
    assert len(await orders(identity)) == 2

    clock.advance(timedelta(days=30))  # message ids are forgotten by then
    files.headers = identity.headers()
    worker = next(each for each in identity.service.workers if each.name == "forget-messages")
    worker.wake()  # type: ignore[attr-defined]  # it is a PeriodicWorker
    connection = await identity.database.connect()

    async def are_forgotten() -> bool:
        return not await connection.fetchval("SELECT count(*) FROM message_ids")

    await eventually(are_forgotten)
    await connection.close()
    later = await files.load(FILE, **ORDERS)
    assert (later["accepted"], later["repeated"], later["rejected"]) == (3, 3, 1)
    returned = one | {"event": "Order Refunded", "record_id": "A-1"}  # another kind of record with the same number
    taken = await post(identity, secret, one | {"record_id": "A-2"}, returned, webhook_id="msg_2")
    assert taken.json()["accepted"] == 2
    await identity.drain()
    assert len(await orders(identity)) == 2
    names = [event.name for event in await identity.published(ResolvedEvent)]
    assert names.count("Order Refunded") == 1


async def test_what_the_resolver_refuses_is_told_per_line(identity: RunningService, files: Files) -> None:
    rules = {"priority": 9, "verified_only": True}
    assert (await identity.client.put("/v1/namespaces/card", json=rules, headers=files.headers)).is_success
    mapping = {"card": "external_ids.card", "member": "user_id"}
    found = await files.load(
        b"card,member\n1,1\n2,\n3,3\n", kind="events", mapping=mapping, constants={"event": "Seen"}
    )
    assert (found["accepted"], found["repeated"], found["rejected"]) == (2, 0, 1)
    [rejected] = await files.lines(found["import_id"])
    assert rejected["line"] == 3
    assert "may not use" in rejected["detail"]
    assert [one["line"] for one in await files.lines(found["import_id"], "accepted")] == [2, 4]


async def test_a_dry_run_says_what_would_happen_and_no_value(identity: RunningService, files: Files) -> None:
    await files.load("\r\n".join(LINES[:2]).encode("cp932"), **ORDERS)
    found = await files.load(FILE, **ORDERS, dry_run=True)
    assert (found["accepted"], found["repeated"], found["rejected"]) == (3, 2, 1)
    assert found["sample"] == [
        {
            "type": "track", "event": ORDER, "identifiers": ["user_id"], "traits": {},
            "properties": {"currency": "text", "revenue": "number", "shop": "text"},
        }
    ] * 3  # fmt: skip
    assert [one["line"] for one in await files.lines(found["import_id"])] == [4]
    assert len(await orders(identity)) == 1
    people = await files.load(
        b"id,rank\n1,gold\n", mapping={"id": "user_id", "rank": "traits.rank"}, format="csv", dry_run=True
    )
    assert people["sample"] == [
        {"type": "identify", "event": None, "identifiers": ["user_id"], "traits": {"rank": "text"}, "properties": {}}
    ]


async def test_a_dry_run_foresees_repetitions_over_the_whole_file(identity: RunningService, files: Files) -> None:
    apart: int = 2 * Settings.model_fields["import_batch_lines"].default
    rows = [f"A-{number},2026/11/18 9:05,{number},1,渋谷" for number in range(1, apart + 1)]
    await files.load("\n".join([HEADER, rows[6]]).encode(), **ORDERS)
    again = [rows[0], rows[apart - 1], rows[0], rows[6], "A-1,2026/11/18 9:05,1,1.2.3,渋谷"]
    content = "\n".join([HEADER, *rows, *again]).encode()
    tried = await files.load(content, **ORDERS, dry_run=True)
    foreseen = [(line["line"], line["state"]) for line in await files.lines(tried["import_id"], "accepted", first=1000)]
    assert [line for line, state in foreseen if state == "repeated"] == [8, apart + 2, apart + 3, apart + 4, apart + 5]
    found = await files.load(content, **ORDERS)
    told = [(line["line"], line["state"]) for line in await files.lines(found["import_id"], "accepted", first=1000)]
    assert foreseen == told
    for each in (tried, found):
        assert (each["accepted"], each["repeated"], each["rejected"]) == (apart + 4, 5, 1)


async def test_dates_of_related_persons_are_held_against_what_profile_takes(files: Files) -> None:
    mapping = {"id": "user_id", "who": "properties.relation", "day": {"to": "properties.date", "type": "date"}}
    constants = {
        "event": "Relation Date Given", "properties.occasion": "birthday", "properties.purpose": "reminder",
    }  # fmt: skip
    content = "id,who,day\n1,wife,1984/2/29\n2,090-1234-5678,1984/2/28\n3,wife,1984/2/30\n4,,1984/2/29\n"
    found = await files.load(content.encode(), kind="events", mapping=mapping, constants=constants)
    assert (found["accepted"], found["rejected"]) == (1, 3)
    assert [(one["line"], one["field"]) for one in await files.lines(found["import_id"])] == [
        (3, "who"), (4, "day"), (5, "who"),
    ]  # fmt: skip


TAGS: dict[str, Any] = {"to": "properties.tags", "type": "list", "separator": "|"}
SIZES: dict[str, Any] = {"to": "properties.sizes", "type": "list", "separator": ";", "elements": "number"}


async def test_columns_with_several_elements_become_lists(identity: RunningService, files: Files) -> None:
    how: dict[str, Any] = {"kind": "events", "constants": {"event": ORDER}}
    mapping = {"id": "user_id", "at": "occurred_at", "tags": TAGS, "sizes": SIZES}
    rows = ["1,2026-11-18,限定 | 贈答,24.5;２５", "2,2026-11-18,,", "3,2026-11-18,a||b,1", "4,2026-11-18,a,1;L"]
    content = "\n".join(["id,at,tags,sizes", *rows])
    found = await files.load(content.encode(), mapping=mapping, **how)
    assert (found["accepted"], found["rejected"]) == (2, 2)
    assert found["mapping"] == mapping | {"tags": TAGS | {"elements": "text"}}
    lines = await files.lines(found["import_id"])
    assert [(one["line"], one["field"], one["detail"][:11]) for one in lines] == [
        (4, "tags", "Element 2: "), (5, "sizes", "Element 2: "),
    ]  # fmt: skip
    assert [one.properties for one in await orders(identity)] == [{"tags": ["限定", "贈答"], "sizes": [24.5, 25]}, {}]

    records = [
        {"id": 5, "tags": ["a", "b"], "sizes": [1, "1,200"]},
        {"id": 6, "tags": "a|b"},
        {"id": 7, "tags": [["a"]]},
    ]
    content = "\n".join(json.dumps(one) for one in records)
    plain = SIZES | {"separator": None}
    ndjson = {"id": "user_id", "tags": TAGS, "sizes": plain}
    found = await files.load(content.encode(), format="ndjson", mapping=ndjson, **how)
    assert (found["accepted"], found["rejected"]) == (2, 1)
    [line] = await files.lines(found["import_id"])
    assert (line["line"], line["field"]) == (3, "tags")
    [*_, one, other] = await orders(identity)
    assert [one.properties, other.properties] == [{"tags": ["a", "b"], "sizes": [1, 1200]}, {"tags": ["a", "b"]}]


BAD: list[tuple[dict[str, Any], str]] = [
    ({"mapping": MAPPING | {"店舗": {"to": "properties.shop", "type": "list"}}}, "mapping.店舗"),
    ({"mapping": MAPPING | {"店舗": TAGS | {"separator": ""}}}, "mapping.店舗"),
    ({"mapping": MAPPING | {"店舗": TAGS | {"elements": "date"}}}, "mapping.店舗"),
    ({"mapping": MAPPING | {"店舗": TAGS | {"type": "text"}}}, "mapping.店舗"),
    ({"mapping": MAPPING | {"金額": "properties.revenue"}}, "mapping.金額"),
    ({"mapping": MAPPING | {"金額": {"to": "properties.revenue", "type": "float"}}}, "mapping.金額"),
    ({"constants": {"properties.currency": "JPY"}}, "mapping"),
    ({"constants": {"event": ORDER, "properties.shop": "渋谷"}}, "constants.properties.shop"),
    ({"constants": {"event": ORDER, "properties.a": None}}, "constants.properties.a"),
    ({"time_zone": "Tokyo"}, "time_zone"),
    ({"kind": "customers"}, "mapping.伝票番号"),
]


@pytest.mark.parametrize(("change", "field"), BAD)
async def test_a_mapping_that_would_lose_something_is_refused(
    front_door: RunningService, change: dict[str, Any], field: str
) -> None:
    await make_sender(front_door, "shop")
    body = {"source_id": "shop", "format": "csv", "as_of": NOW.isoformat()} | ORDERS | change
    answer = await front_door.client.post("/v1/imports", json=body, headers=front_door.headers())
    assert answer.status_code == 422, answer.text
    fields = [error["field"] for error in answer.json()["errors"]]
    assert any(each.startswith(field) for each in fields), fields


async def test_signed_records_are_events_and_traits(identity: RunningService, shop: Sender) -> None:
    secret = await secret_of(identity)
    hana = {"identifiers": [{"namespace": "user_id", "value": "1"}], "purposes": ["crm"]}
    order = hana | {"event": ORDER, "properties": {"revenue": 500}, "occurred_at": "2026-11-19T09:00:00+09:00"}
    known = hana | {"traits": {"rank": "gold", "points": 1200}}
    assert (await post(identity, secret, order, known)).json() == {"accepted": 2, "rejected": []}
    await post(identity, secret, order, known)  # the answer was lost: said again
    await identity.drain()
    [happened, said] = sorted(await identity.published(ResolvedEvent), key=lambda one: one.name, reverse=True)
    assert (happened.name, happened.properties, happened.kind) == (ORDER, {"revenue": 500}, "track")
    assert (said.kind, said.traits) == ("identify", {"rank": "gold", "points": 1200})
    assert happened.customer_id == said.customer_id
    assert said.occurred_at == NOW


async def test_bad_records_are_named_and_the_others_taken(identity: RunningService, shop: Sender) -> None:
    good: dict[str, Any] = {"identifiers": [{"namespace": "user_id", "value": "1"}], "event": ORDER}
    date = {"relation": "wife", "occasion": "birthday", "purpose": "reminder", "date": "1984-02-30"}
    bad: list[tuple[Any, str]] = [
        ({**good, "traits": {}}, "event"),
        ({"identifiers": good["identifiers"]}, "event"),
        ({**good, "event": " "}, "event"),
        ({**good, "event": "x" * 256}, "event"),
        ({**good, "identifiers": []}, "identifiers"),
        ({**good, "identifiers": [{"namespace": "unheard", "value": "1"}]}, "identifiers.0.namespace"),
        ({**good, "identifiers": [{"namespace": "user_id", "value": "null"}]}, "identifiers.0.value"),
        ({**good, "properties": {"a": ["x\0"]}}, "properties"),
        ({**good, "properties": {"a": json.loads("[" * 62 + "]" * 62)}}, "properties"),
        ({**good, "properties": {"a": "x" * 40_000}}, ""),
        ({**good, "record_id": ""}, "record_id"),
        ({**good, "record_id": "1" * 201}, "record_id"),
        ({**good, "occurred_at": "yesterday"}, "occurred_at"),
        ({**good, "purposes": ["ads"]}, "purposes"),
        ({**good, "event": "Relation Date Given", "properties": date}, "properties.date"),
        ({"identifiers": good["identifiers"], "traits": {"a": 1}, "record_id": "1"}, "record_id"),
        ({"identifiers": good["identifiers"], "traits": {"a": 1}, "properties": {"a": 1}}, "properties"),
        ({**good, "mood": "good"}, ""),
        (5, ""),
    ]
    secret = await secret_of(identity)
    answer = await post(identity, secret, *(body for body, _ in bad), good)
    assert answer.status_code == 200
    assert answer.json()["accepted"] == 1
    assert [(each["index"], each["field"]) for each in answer.json()["rejected"]] == [
        (index, field) for index, (_, field) in enumerate(bad)
    ]
    assert (await post(identity, "whsec_" + "A" * 32, good)).status_code == 401
    assert (await post(identity, secret)).status_code == 422
    assert (await post(identity, secret, *[good] * 1001)).status_code == 422


async def test_who_takes_over_while_lines_are_told_counts_each_once(
    environment: Environment, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The crash comes when all is read, and some of the stretches are told about."""
    settings: dict[str, Any] = {"clock": clock, "import_batch_lines": 100}
    rows = [f"{number},2026/11/18 9:05,{number},1,渋谷" for number in range(1, 1001)]
    content = "\n".join([HEADER, *rows]).encode()
    died, told, settle_batch = asyncio.Event(), 0, repository.settle_batch

    async def die(*arguments: Any, **named: Any) -> None:
        nonlocal told
        told += 1
        if told > 3:
            died.set()
            await asyncio.Event().wait()
        await settle_batch(*arguments, **named)

    async with running(build, Settings, environment, workers=False, **settings) as desk:
        await make_sender(desk, "shop")
        settings["database_url"] = desk.database.url
        async with running(build, Settings, environment, **settings) as first:
            files = Files(first)
            before = await files.load("\n".join([HEADER, *rows[:450]]).encode(), **ORDERS)
            assert (before["accepted"], before["repeated"]) == (450, 0)
            with monkeypatch.context() as patch:
                patch.setattr(repository, "settle_batch", die)
                import_id = await files.announce(**ORDERS)
                await files.put(import_id, content)
                await files.start(import_id)
                await asyncio.wait_for(died.wait(), 30)
            assert (await files.get(import_id))["repeated"] == 300
        async with running(build, Settings, environment, **settings) as second:
            found = await Files(second).ended(import_id)
            assert (found["accepted"], found["repeated"], found["rejected"]) == (1000, 450, 0)
