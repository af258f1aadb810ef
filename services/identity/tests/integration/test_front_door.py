"""The Segment tracking API, over HTTP, into the event log."""

import asyncio
import gzip
import json
from base64 import b64encode
from typing import Any

import httpx
import pytest

from contracts.topology import INGEST_SUBJECT, WRITE_KEYS_BUCKET

TRACK: dict[str, Any] = {"event": "Order Completed", "userId": "1", "messageId": "m1"}


async def stored(sender: Any) -> int:
    """How many requests lie in the event log."""
    info = await sender.service.nats.jetstream.stream_info("ingest")
    return int(info.state.messages)


def basic(key: str) -> dict[str, str]:
    return {"Authorization": "Basic " + b64encode(f"{key}:".encode()).decode()}


@pytest.mark.parametrize(
    "path", ["identify", "track", "page", "screen", "group", "alias", "i", "t", "p", "s", "g", "a"]
)
async def test_every_kind_has_its_endpoint_and_short_form(kiosk: Any, path: str) -> None:
    answer = await kiosk.service.client.post(f"/v1/{path}", json=TRACK, headers=basic(kiosk.write_key))
    assert (answer.status_code, answer.json()) == (200, {"success": True, "accepted": 1, "rejected": []})
    message = await kiosk.service.nats.jetstream.get_msg("ingest", 1)
    assert json.loads(message.data) == TRACK
    assert message.headers["Kizuna-Source"] == "kiosk"
    assert message.subject == INGEST_SUBJECT


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "application/x-www-form-urlencoded", ""])
@pytest.mark.parametrize("compressed", ["", "header", "magic"])
async def test_json_is_read_under_any_content_type(kiosk: Any, content_type: str, compressed: str) -> None:
    body = json.dumps({"batch": [{**TRACK, "type": "track"}], "sentAt": "2026-11-20T03:00:00Z"}).encode()
    headers = basic(kiosk.write_key) | ({"Content-Type": content_type} if content_type else {})
    if compressed == "header":
        headers["Content-Encoding"] = "gzip"
    answer = await kiosk.service.client.post(
        "/v1/b", content=gzip.compress(body) if compressed else body, headers=headers
    )
    assert answer.status_code == 200, answer.text
    message = await kiosk.service.nats.jetstream.get_msg("ingest", 1)
    assert message.data == body


async def test_the_write_key_may_stand_in_the_body(kiosk: Any) -> None:
    client, key = kiosk.service.client, kiosk.write_key
    for path, body in (
        ("t", {**TRACK, "writeKey": key}),
        ("b", {"batch": [{**TRACK, "type": "track"}], "writeKey": key}),
        ("b", {"batch": [{**TRACK, "type": "track", "writeKey": key}]}),
    ):
        answer = await client.post(f"/v1/{path}", content=json.dumps(body), headers={"Content-Type": "text/plain"})
        assert answer.status_code == 200, answer.text
    assert await stored(kiosk) == 3


@pytest.mark.parametrize(
    "headers", [{}, basic("wrong"), basic(""), {"Authorization": "Basic ?"}, {"Authorization": "Bearer x"}]
)
async def test_without_a_known_write_key_nothing_is_taken(kiosk: Any, headers: dict[str, str]) -> None:
    answer = await kiosk.service.client.post("/v1/t", json=TRACK, headers=headers)
    assert answer.status_code == 401
    assert answer.json()["success"] is False
    assert await stored(kiosk) == 0


async def test_a_token_is_no_write_key(kiosk: Any) -> None:
    answer = await kiosk.service.client.post("/v1/t", json=TRACK, headers=kiosk.service.headers())
    assert answer.status_code == 401


async def test_bad_events_inside_a_good_batch_are_named_and_the_rest_is_taken(kiosk: Any) -> None:
    answer = await kiosk.send(
        {**TRACK, "type": "track"}, {"type": "track"}, {**TRACK, "type": "track", "properties": []}
    )
    assert (answer["accepted"], [(one["index"], one["field"]) for one in answer["rejected"]]) == (
        1,
        [(1, "event"), (2, "properties")],
    )
    assert await stored(kiosk) == 1


async def test_an_empty_batch_is_fine_and_stores_nothing(kiosk: Any) -> None:
    assert await kiosk.send() == {"success": True, "accepted": 0, "rejected": []}
    assert await stored(kiosk) == 0


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("b", b"{", None),
        ("b", b"", None),
        ("b", b"[1]", "batch"),
        ("b", b'{"batch":{}}', "batch"),
        ("b", b'{"batch":[' + b",".join([b"{}"] * 2501) + b"]}", "batch"),
        ("b", b'{"batch":["' + b"x" * 512_000 + b'"]}', None),
        ("b", b"\x1f\x8bnot gzip", None),
        ("b", gzip.compress(b'{"batch":[]}')[:-4], None),
        ("b", gzip.compress(b" " * 50_000_000), None),
        ("t", b'{"event":"x","userId":"1","properties":{"x":"' + b"x" * 33_000 + b'"}}', None),
        ("t", b'{"event":"x"}', "userId"),
        ("t", b'{"event":"x","userId":[]}', "userId"),
        ("t", b"[]", None),
        ("t", b"null", None),
        ("t", b'{"userId":"1"}', "event"),
        ("t", b"[" * 20_000, None),
    ],
)
async def test_bad_bodies_are_refused_in_segments_shape(kiosk: Any, path: str, body: bytes, field: str | None) -> None:
    answer = await kiosk.service.client.post(f"/v1/{path}", content=body, headers=basic(kiosk.write_key))
    assert answer.status_code == 400, answer.text
    assert answer.json()["success"] is False
    assert answer.json().get("field") == field
    assert await stored(kiosk) == 0


async def test_a_full_event_log_says_when_to_come_back(kiosk: Any) -> None:
    jetstream = kiosk.service.nats.jetstream
    config = (await jetstream.stream_info("ingest")).config
    await jetstream.update_stream(config, max_bytes=1024)
    await kiosk.service.client.post(
        "/v1/t", json={**TRACK, "properties": {"x": "y" * 500}}, headers=basic(kiosk.write_key)
    )
    answer = await kiosk.service.client.post(
        "/v1/t", json={**TRACK, "properties": {"x": "y" * 900}}, headers=basic(kiosk.write_key)
    )
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
    assert answer.json()["code"] == "unavailable"


async def test_many_requests_are_in_flight_together(kiosk: Any) -> None:
    answers = await asyncio.gather(
        *(kiosk.send({**TRACK, "type": "track", "messageId": f"m{number}"}) for number in range(200))
    )
    assert sum(answer["accepted"] for answer in answers) == 200
    assert await stored(kiosk) == 200


async def test_browsers_may_ask_from_anywhere(kiosk: Any) -> None:
    client = kiosk.service.client
    for path in ("t", "batch", "projects/x/settings"):
        preflight = await client.options(
            f"/v1/{path}", headers={"Origin": "https://shop.example", "Access-Control-Request-Method": "POST"}
        )
        assert preflight.status_code == 204
        assert preflight.headers["Access-Control-Allow-Origin"] == "*"
    for key, status in ((kiosk.write_key, 200), ("wrong", 401)):
        answer = await client.post("/v1/t", json=TRACK, headers=basic(key))
        assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (status, "*")


async def test_analytics_js_finds_its_settings(kiosk: Any) -> None:
    answer = await kiosk.service.client.get(f"/v1/projects/{kiosk.write_key}/settings")
    destination = answer.json()["integrations"]["Segment.io"]
    assert (destination["apiKey"], destination["apiHost"], destination["protocol"]) == (
        kiosk.write_key,
        "identity.test/v1",
        "http",
    )
    assert (await kiosk.service.client.get("/v1/projects/wrong/settings")).status_code == 404


async def test_a_rotated_key_stops_working_at_once(kiosk: Any) -> None:
    service = kiosk.service
    answer = await service.client.post("/v1/sources/kiosk:rotateKey", headers=service.headers())
    new = answer.json()["write_key"]
    assert new != kiosk.write_key
    async with asyncio.timeout(5):
        while (await service.client.post("/v1/t", json=TRACK, headers=basic(kiosk.write_key))).status_code != 401:
            await asyncio.sleep(0.01)
    assert (await service.client.post("/v1/t", json=TRACK, headers=basic(new))).status_code == 200


async def test_the_mirror_holds_hashes_only(kiosk: Any) -> None:
    bucket = await kiosk.service.nats.jetstream.key_value(WRITE_KEYS_BUCKET)
    keys = await bucket.keys()
    assert len(keys) == 1
    entry = await bucket.get(keys[0])
    assert kiosk.write_key not in keys[0] + entry.value.decode()
    assert json.loads(entry.value)["source_id"] == "kiosk"
    connection = await kiosk.service.database.connect()
    assert await connection.fetchval("SELECT key_hash FROM sources") == keys[0]
    assert await connection.fetchval("SELECT count(*) FROM idempotency_keys") == 0
    await connection.close()


async def test_it_needs_neither_database_nor_token(kiosk: Any) -> None:
    """A database that is down delays, and loses nothing."""
    await kiosk.service.database.close()
    kiosk.service.service.database.engine.sync_engine.url.set(database="gone")
    answer: httpx.Response = await kiosk.service.client.post("/v1/t", json=TRACK, headers=basic(kiosk.write_key))
    assert answer.status_code == 200
    assert (await kiosk.service.client.get("/readyz")).json() == {"status": "ready", "missing": []}
