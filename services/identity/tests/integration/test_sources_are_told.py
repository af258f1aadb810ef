"""Sources are told to other services: every version once, also those made before anybody listened."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from services.identity.tests.integration.conftest import NOW

from contracts.identity import SourceChanged
from servicekit.clock import FrozenClock
from servicekit.database import raw
from servicekit.testing import RunningService
from servicekit.workers import PeriodicWorker

SHOP: dict[str, Any] = {
    "name": "Online shop",
    "department": "ec",
    "brand": "kizuna",
    "legal_entity": "Kizuna Inc.",
    "purposes": ["crm"],
}
OF_THE_TIME_BEFORE = """
INSERT INTO sources
    (source_id, name, department, brand, legal_entity, purposes, key_hash, version, created_at, updated_at)
VALUES ('old', 'Old till', 'stores', 'kizuna', 'Kizuna Inc.', '{}', 'hash', 7, $1, $1)
"""


async def test_every_version_of_a_source_is_told_once(identity: RunningService, clock: FrozenClock) -> None:
    headers, place = identity.headers(), "/v1/sources/shop"
    for body in (SHOP, SHOP, {**SHOP, "department": "marketing", "purposes": []}):  # the second changes nothing
        assert (await identity.client.put(place, json=body, headers=headers)).status_code in {200, 201}
        clock.advance(timedelta(minutes=1))
    assert (await identity.client.post(f"{place}:rotateKey", headers=headers)).status_code == 200
    assert (await identity.client.post(f"{place}:rotateSigningSecret", headers=headers)).status_code == 200
    told = await identity.published(SourceChanged)
    assert [(one.version, one.department, one.purposes, one.occurred_at - NOW) for one in told] == [
        (1, "ec", ["crm"], timedelta(0)),
        (2, "marketing", [], timedelta(minutes=2)),
        (3, "marketing", [], timedelta(minutes=3)),
        (4, "marketing", [], timedelta(minutes=3)),
    ]
    assert {(one.source_id, one.name, one.brand, one.legal_entity) for one in told} == {
        ("shop", "Online shop", "kizuna", "Kizuna Inc.")
    }
    assert len({one.event_id for one in told}) == 4


async def test_sources_of_the_time_before_are_told_once_when_the_service_works(
    identity: RunningService, eventually: Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]
) -> None:
    async with identity.database.transaction() as session:
        await (await raw(session)).execute(OF_THE_TIME_BEFORE, NOW)
    (worker,) = [one for one in identity.service.workers if one.name == "tell-sources"]
    assert isinstance(worker, PeriodicWorker)

    async def is_told() -> bool:
        return bool(await identity.published(SourceChanged))

    worker.wake()
    await eventually(is_told)
    worker.wake()
    await identity.client.put("/v1/sources/shop", json=SHOP, headers=identity.headers())
    told = await identity.published(SourceChanged)
    assert [(one.source_id, one.version, one.department) for one in told] == [("old", 7, "stores"), ("shop", 1, "ec")]
