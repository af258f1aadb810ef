"""How many customers are known, anonymous, linked to an outside id; by brand, source and namespace, over time."""

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
import pytest
from services.identity.tests.integration.conftest import Sender

from identity_service.repository import coverage as repository
from identity_service.service import coverage as service
from identity_service.service.coverage import CoverageCounter
from servicekit.clock import FrozenClock
from servicekit.testing import RunningService

BASE = {"department": "sales", "legal_entity": "Kizuna Inc."}


async def _make_sender(identity: RunningService, source_id: str, brand: str) -> Sender:
    body = BASE | {"name": source_id, "brand": brand}
    answer = await identity.client.put(f"/v1/sources/{source_id}", json=body, headers=identity.headers())
    return Sender(identity, source_id, answer.json()["write_key"])


@pytest.fixture
def counter(identity: RunningService, clock: FrozenClock) -> CoverageCounter:
    """Counts when it is told to."""
    return CoverageCounter(database=identity.database, clock=clock, zone=ZoneInfo("Asia/Tokyo"))


@pytest.fixture
async def base(identity: RunningService) -> dict[str, Sender]:
    """Two brands: of three customers of `kizuna` one is anonymous and two are linked to an outside id; `en` has one."""
    answer = await identity.client.put(
        "/v1/namespaces/dmp", json={"priority": 9, "outside": True}, headers=identity.headers()
    )
    assert answer.status_code == 201, answer.text
    shop, site, other = [
        await _make_sender(identity, source, brand)
        for source, brand in (("shop", "kizuna"), ("site", "kizuna"), ("en", "en"))
    ]
    outside = {"context": {"externalIds": [{"type": "dmp", "id": "d1", "collection": "users"}]}}
    await shop.resolve({"type": "identify", "userId": "1", "traits": {"email": "a@example.jp"}})
    await site.resolve({"type": "identify", "userId": "1", "anonymousId": "c1", **outside})
    await site.resolve(
        {"type": "track", "event": "Visited", "anonymousId": "c2"},
        {"type": "identify", "anonymousId": "c3", "context": {"externalIds": [{"type": "dmp", "id": "d2"}]}},
    )
    await other.resolve({"type": "identify", "userId": "9"})
    return {"shop": shop, "site": site, "en": other}


async def _count(identity: RunningService, counter: CoverageCounter) -> None:
    """Count now, whatever was counted before: PostgreSQL's statistics tell of changes with a delay."""
    connection: asyncpg.Connection = await identity.database.connect()
    await connection.execute("DELETE FROM coverage_state")
    await connection.close()
    counter._rests_until = 0
    await counter.refresh()


async def _history(identity: RunningService, **asked: Any) -> list[tuple[Any, ...]]:
    answer = await identity.client.get("/v1/coverage/history", params=asked, headers=identity.headers())
    assert answer.status_code == 200, answer.text
    return [tuple(one.values()) for one in answer.json()["items"]]


async def test_coverage_now(identity: RunningService, base: dict[str, Sender]) -> None:
    found = (await identity.client.get("/v1/coverage", headers=identity.headers())).json()
    assert (found["customers"], found["known"], found["anonymous"], found["linked_outside"]) == (4, 2, 2, 2)
    assert found["linked_outside_share"] == 0.5
    assert (found["linked"], found["identifiers"]) == (2, 8)
    assert found["by_namespace"] == {"user_id": 2, "email": 1, "anonymous_id": 3, "dmp": 2}
    assert found["accepted_events"] == 5


async def test_coverage_by_brand_source_and_namespace(
    identity: RunningService, base: dict[str, Sender], counter: CoverageCounter
) -> None:
    await _count(identity, counter)
    day = "2026-11-20"
    assert await _history(identity) == [(day, "", "", "", 4, 2, 2, 2)]
    assert await _history(identity, brand="*") == [(day, "en", "", "", 1, 1, 0, 0), (day, "kizuna", "", "", 3, 1, 2, 2)]
    assert await _history(identity, brand="kizuna", source_id="*") == [
        (day, "kizuna", "shop", "", 1, 1, 0, 1),
        (day, "kizuna", "site", "", 3, 1, 2, 2),
    ]
    assert await _history(identity, source_id="site", namespace="*") == [
        (day, "kizuna", "site", "anonymous_id", 3, 1, 2, 2),
        (day, "kizuna", "site", "dmp", 2, 1, 1, 2),
        (day, "kizuna", "site", "user_id", 1, 1, 0, 1),
    ]
    assert [row[3:] for row in await _history(identity, namespace="*")] == [
        ("anonymous_id", 3, 1, 2, 2),
        ("dmp", 2, 1, 1, 2),
        ("email", 1, 1, 0, 1),
        ("user_id", 2, 2, 0, 1),
    ]


async def test_coverage_over_time(
    identity: RunningService, base: dict[str, Sender], counter: CoverageCounter, clock: FrozenClock
) -> None:
    await _count(identity, counter)
    clock.advance(timedelta(hours=12, minutes=30))  # past midnight in Tokyo
    await base["en"].resolve({"type": "identify", "userId": "10"}, {"type": "identify", "userId": "11"})
    await _count(identity, counter)
    assert [(row[0], row[4]) for row in await _history(identity, brand="en")] == [("2026-11-20", 1), ("2026-11-21", 3)]
    assert [row[0] for row in await _history(identity, **{"from": "2026-11-21"})] == ["2026-11-21"]
    assert [row[0] for row in await _history(identity, until="2026-11-20")] == ["2026-11-20"]
    first = await identity.client.get(
        "/v1/coverage/history", params={"brand": "*", "first": 3}, headers=identity.headers()
    )
    rest = await _history(identity, brand="*", after=first.json()["next"])
    assert [tuple(one.values()) for one in first.json()["items"]] + rest == await _history(identity, brand="*")


async def test_nothing_is_counted_again_while_nothing_changes(
    identity: RunningService,
    base: dict[str, Sender],
    counter: CoverageCounter,
    clock: FrozenClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    marker = "as it was"

    async def read_marker(_: asyncpg.Connection) -> str:
        return marker

    async def counted_again() -> bool:
        connection: asyncpg.Connection = await identity.database.connect()
        await connection.execute("UPDATE coverage_days SET customers = 77")
        counter._rests_until = 0
        await counter.refresh()
        customers = await connection.fetchval(
            "SELECT customers FROM coverage_days WHERE (brand, source_id, namespace) = ('', '', '') ORDER BY day DESC"
        )
        await connection.close()
        return bool(customers == 4)

    monkeypatch.setattr(repository, "read_marker", read_marker)
    assert await counted_again()
    assert not await counted_again()
    marker = "something came"
    assert await counted_again()
    assert not await counted_again()
    clock.advance(timedelta(days=1))  # every day has its count
    assert await counted_again()


async def test_the_marker_says_that_identifiers_changed(
    identity: RunningService, base: dict[str, Sender], eventually: Any
) -> None:
    connection: asyncpg.Connection = await identity.database.connect()
    before = await repository.read_marker(connection)
    await base["en"].resolve({"type": "identify", "userId": "10"})

    async def has_changed() -> bool:
        return await repository.read_marker(connection) != before

    await eventually(has_changed)
    await connection.close()


async def test_a_large_base_is_answered_from_the_last_count(
    identity: RunningService, base: dict[str, Sender], counter: CoverageCounter, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _count(identity, counter)
    live = (await identity.client.get("/v1/coverage", headers=identity.headers())).json()
    await base["en"].resolve({"type": "identify", "userId": "10"})
    monkeypatch.setattr(service, "_LIVE_BYTES", 0)
    kept = (await identity.client.get("/v1/coverage", headers=identity.headers())).json()
    assert kept == live | {"accepted_events": live["accepted_events"] + 1}


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"from": "2026-11-21", "until": "2026-11-20"}, "until"),
        ({"from": "yesterday"}, "from"),
        ({"after": "nonsense"}, "after"),
        ({"after": "WyJhIiwiYiIsImMiLCJkIl0"}, "after"),
    ],
)
async def test_a_bad_question_is_refused(front_door: RunningService, asked: dict[str, str], field: str) -> None:
    answer = await front_door.client.get("/v1/coverage/history", params=asked, headers=front_door.headers())
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]
