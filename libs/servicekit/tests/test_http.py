"""The HTTP chassis: credentials, problems, idempotency, versions, health, metrics."""

import json
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sample_service.app import Base, SampleSettings, build

from servicekit.auth import ServiceTokens, sign_token
from servicekit.clock import FrozenClock, SystemClock
from servicekit.command import openapi_text
from servicekit.cursors import cut_page, decode_cursor, encode_cursor
from servicekit.errors import Invalid
from servicekit.migrations import differences
from servicekit.testing import Environment, RunningService, running


def note(text: str = "hello") -> dict[str, str]:
    return {"customer_id": str(uuid4()), "text": text}


async def test_without_a_good_token_nothing_answers(sample: RunningService) -> None:
    now = SystemClock().now().timestamp()
    stranger = sign_token(
        Ed25519PrivateKey.generate(),
        issuer="kizuna",
        subject="x",
        scopes=("sample:read",),
        issued_at=now,
        lifetime_seconds=60,
    )
    old = sign_token(
        sample.environment.user_key,
        issuer="kizuna",
        subject="x",
        scopes=("sample:read",),
        issued_at=now - 100,
        lifetime_seconds=60,
    )
    posing = sign_token(
        sample.environment.user_key,
        issuer="service:profile",
        subject="x",
        scopes=("sample:read",),
        issued_at=now,
        lifetime_seconds=60,
    )
    for headers in (
        {},
        {"Authorization": "Basic eDp5"},
        *({"Authorization": f"Bearer {bad}"} for bad in ("x", stranger, old, posing)),
    ):
        for path in ("/v1/notes", "/metrics", "/nowhere"):
            answer = await sample.client.get(path, headers=headers)
            assert answer.status_code == 401, (headers, path)
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")
            assert answer.headers["content-type"] == "application/problem+json"
    broken = await sample.client.post("/v1/notes", content=b"{", headers={"content-type": "application/json"})
    assert broken.status_code == 401


async def test_a_scope_is_needed_and_services_only_read(sample: RunningService, environment: Environment) -> None:
    answer = await sample.client.post("/v1/notes", json=note(), headers=sample.headers("sample:read"))
    assert answer.status_code == 403
    tokens = ServiceTokens(service="profile", key_file=environment.directory / "profile.pem", clock=SystemClock())
    read = await sample.client.get("/v1/notes", headers={"Authorization": f"Bearer {tokens.bearer('sample:read')}"})
    assert read.status_code == 200
    write = await sample.client.post(
        "/v1/notes", json=note(), headers={"Authorization": f"Bearer {tokens.bearer('sample:write')}"}
    )
    assert write.status_code == 403


@pytest.mark.parametrize(
    ("content", "status", "field"),
    [
        (b"{", 400, None),
        (b"[]", 422, "body"),
        (b'{"customer_id": "x", "text": "a"}', 422, "customer_id"),
        (json.dumps({**note(), "colour": "red"}).encode(), 422, "colour"),
        (json.dumps(note("x" * 101)).encode(), 422, "text"),
        (b"x" * 2_000_000, 413, None),
    ],
    # The bodies hold random ids, and names of tests must not: parallel runs compare them.
    ids=["cut off", "a list", "no uuid", "an unknown field", "too long", "too large"],
)
async def test_bad_bodies_are_problems_that_name_the_field(
    sample: RunningService, content: bytes, status: int, field: str | None
) -> None:
    answer = await sample.client.post(
        "/v1/notes", content=content, headers=sample.headers() | {"content-type": "application/json"}
    )
    problem = answer.json()
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert problem["status"] == status
    if field:
        assert field in [error["field"] for error in problem["errors"]]
    assert (await sample.client.get("/v1/notes", headers=sample.headers())).json() == []


async def test_a_streamed_body_is_capped_too(sample: RunningService) -> None:
    async def endless() -> Any:
        for _ in range(40):
            yield b"x" * 65_536

    answer = await sample.client.post("/v1/notes", content=endless(), headers=sample.headers())
    assert answer.status_code == 413


async def test_an_unforeseen_failure_tells_nothing(sample: RunningService, capsys: pytest.CaptureFixture[str]) -> None:
    answer = await sample.client.get("/v1/explode", headers=sample.headers())
    assert answer.status_code == 500
    assert "taro" not in answer.text
    assert "taro" not in capsys.readouterr().out


async def test_an_idempotency_key_makes_a_repeat_harmless(sample: RunningService) -> None:
    body, headers = note(), sample.headers() | {"Idempotency-Key": "k1"}
    first = await sample.client.post("/v1/notes", json=body, headers=headers)
    again = await sample.client.post("/v1/notes", json=body, headers=headers)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert again.headers["Idempotent-Replayed"] == "true"
    other = await sample.client.post("/v1/notes", json=note("other"), headers=headers)
    assert other.status_code == 409
    assert (await sample.client.get("/v1/notes", headers=sample.headers())).json() == ["hello"]


async def test_what_one_department_was_answered_is_not_replayed_to_another(sample: RunningService) -> None:
    body = note()
    for department, status in (("crm", 201), ("ads", 409), ("crm", 201)):
        token = sample.token("sample:write", department=department)
        headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": "k3"}
        assert (await sample.client.post("/v1/notes", json=body, headers=headers)).status_code == status


async def test_a_refused_request_leaves_its_key_free(sample: RunningService) -> None:
    headers = sample.headers() | {"Idempotency-Key": "k2"}
    assert (await sample.client.post("/v1/notes", json={"text": "x"}, headers=headers)).status_code == 422
    assert (await sample.client.post("/v1/notes", json=note(), headers=headers)).status_code == 201


async def test_if_match_guards_against_lost_updates(sample: RunningService) -> None:
    async def put(demanded: str) -> httpx.Response:
        return await sample.client.put("/v1/versions/3", headers=sample.headers() | {"If-Match": demanded})

    good = await put('"3"')
    assert (good.status_code, good.headers["ETag"]) == (200, '"4"')
    assert (await put('"2"')).status_code == 412
    assert (await put("three")).status_code == 422


async def test_health_is_open_and_names_what_is_missing(sample: RunningService) -> None:
    assert (await sample.client.get("/livez")).json() == {"status": "alive"}
    assert (await sample.client.get("/readyz")).json() == {"status": "ready", "missing": []}
    await sample.nats.client.close()
    unready = await sample.client.get("/readyz")
    assert (unready.status_code, unready.json()["missing"]) == (503, ["nats"])


async def test_metrics_need_a_token_and_show_the_outbox(environment: Environment) -> None:
    async with running(build, SampleSettings, environment, workers=False) as sample:
        await sample.client.post("/v1/notes", json=note(), headers=sample.headers())
        text = (await sample.client.get("/metrics", headers=sample.headers())).text
    assert "kizuna_outbox_rows 1.0" in text
    assert 'kizuna_http_request_seconds_count{method="POST",route="/v1/notes",status="201"} 1.0' in text


async def test_time_comes_from_the_clock(environment: Environment) -> None:
    clock = FrozenClock(SystemClock().now())
    async with running(build, SampleSettings, environment, clock=clock, workers=False) as sample:
        headers = sample.headers()
        assert (await sample.client.get("/v1/notes", headers=headers)).status_code == 200
        clock.advance(timedelta(hours=2))
        assert (await sample.client.get("/v1/notes", headers=headers)).status_code == 401


def test_the_migrations_make_what_the_models_say(sample: RunningService) -> None:
    assert differences(sample.database.url, Base.metadata) == []


def test_the_openapi_document_needs_no_parts() -> None:
    document = json.loads(openapi_text(SampleSettings, build))
    assert set(document["paths"]) >= {"/v1/notes", "/livez", "/readyz", "/metrics"}


def test_cursors_come_back_as_they_went_and_others_are_refused() -> None:
    moment, identifier = SystemClock().now(), uuid4()
    assert decode_cursor(encode_cursor(moment, identifier, 3), type(moment), type(identifier), int) == [
        moment,
        identifier,
        3,
    ]
    for bad in ("", "x", "eyJ9", encode_cursor("a"), encode_cursor("a", "b", "c")):
        with pytest.raises(Invalid):
            decode_cursor(bad, type(moment), type(identifier), int)


def test_a_page_says_where_the_next_one_starts_and_the_last_that_there_is_none() -> None:
    rows = [("a", 1), ("b", 2), ("c", 3)]
    page = cut_page(rows, 2, lambda row: row)
    assert page.items == rows[:2]
    assert page.next is not None
    assert decode_cursor(page.next, str, int) == ["b", 2]
    by_letter = cut_page(rows, 1, lambda row: row[0]).next
    assert by_letter is not None
    assert decode_cursor(by_letter, str) == ["a"]
    assert cut_page(rows, 3, lambda row: row) == (rows, None)
    assert cut_page([], 3, lambda row: row) == ([], None)
