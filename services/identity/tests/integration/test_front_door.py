"""The Segment tracking API, over HTTP, into the event log."""

import asyncio
import gzip
import json
from base64 import b64encode
from itertools import product
from typing import Any

import httpx

from contracts.topology import INGEST_SUBJECT, WRITE_KEYS_BUCKET

TRACK: dict[str, Any] = {"event": "Order Completed", "userId": "1", "messageId": "m1"}


async def stored(sender: Any) -> int:
    """How many requests lie in the event log."""
    info = await sender.service.nats.jetstream.stream_info("ingest")
    return int(info.state.messages)


def basic(key: str) -> dict[str, str]:
    return {"Authorization": "Basic " + b64encode(f"{key}:".encode()).decode()}


async def test_every_kind_has_its_endpoint_and_short_form(kiosk: Any) -> None:
    kinds = ("identify", "track", "page", "screen", "group", "alias")
    for sequence, path in enumerate((*kinds, *(kind[0] for kind in kinds)), start=1):
        answer = await kiosk.service.client.post(f"/v1/{path}", json=TRACK, headers=basic(kiosk.write_key))
        assert (answer.status_code, answer.json()) == (200, {"success": True, "accepted": 1, "rejected": []}), path
        message = await kiosk.service.nats.jetstream.get_msg("ingest", sequence)
        assert json.loads(message.data) == TRACK
        assert (message.headers["Kizuna-Source"], message.subject) == ("kiosk", INGEST_SUBJECT)
        assert message.headers["Kizuna-Kind"][0] == path[0]


async def test_json_is_read_under_any_content_type(kiosk: Any) -> None:
    body = json.dumps({"batch": [{**TRACK, "type": "track"}], "sentAt": "2026-11-20T03:00:00Z"}).encode()
    types = ("application/json", "text/plain", "application/x-www-form-urlencoded", None)
    for sequence, (content_type, compressed) in enumerate(product(types, ("", "header", "magic")), start=1):
        headers = basic(kiosk.write_key) | ({"Content-Type": content_type} if content_type else {})
        if compressed == "header":
            headers["Content-Encoding"] = "gzip"
        content = gzip.compress(body) if compressed else body
        answer = await kiosk.service.client.post("/v1/b", content=content, headers=headers)
        assert answer.status_code == 200, (content_type, compressed, answer.text)
        message = await kiosk.service.nats.jetstream.get_msg("ingest", sequence)
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


async def test_without_a_known_write_key_nothing_is_taken(kiosk: Any) -> None:
    token = kiosk.service.headers()
    for headers in ({}, basic("wrong"), basic(""), {"Authorization": "Basic ?"}, {"Authorization": "Bearer x"}, token):
        answer = await kiosk.service.client.post("/v1/t", json=TRACK, headers=headers)
        assert (answer.status_code, answer.json()["success"]) == (401, False)
    assert await stored(kiosk) == 0


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


BAD_BODIES: list[tuple[str, bytes, str | None]] = [
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
]


async def test_bad_bodies_are_refused_in_segments_shape(kiosk: Any) -> None:
    for path, body, field in BAD_BODIES:
        answer = await kiosk.service.client.post(f"/v1/{path}", content=body, headers=basic(kiosk.write_key))
        assert answer.status_code == 400, (path, body[:80], answer.text)
        assert answer.json()["success"] is False
        assert answer.json().get("field") == field, (path, body[:80])
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


async def test_a_rotated_key_stops_working_at_once(kiosk: Any, eventually: Any) -> None:
    service = kiosk.service
    answer = await service.client.post("/v1/sources/kiosk:rotateKey", headers=service.headers())
    new = answer.json()["write_key"]
    assert new != kiosk.write_key

    async def is_refused() -> bool:
        return (await service.client.post("/v1/t", json=TRACK, headers=basic(kiosk.write_key))).status_code == 401

    await eventually(is_refused)
    assert (await service.client.post("/v1/t", json=TRACK, headers=basic(new))).status_code == 200


async def test_the_mirror_holds_hashes_only(kiosk: Any) -> None:
    jetstream = kiosk.service.nats.jetstream
    bucket = await jetstream.key_value(WRITE_KEYS_BUCKET)
    # nats-py's keys() may miss an entry that is delivered while it asks how many there are
    held = await jetstream.stream_info(f"KV_{WRITE_KEYS_BUCKET}", subjects_filter=">")
    keys = [subject.rsplit(".", 1)[-1] for subject in held.state.subjects]
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
