"""After an upgrade: what an older version left behind is known wherever it is asked for."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from uuid import UUID

from contracts.identity import IdentifierLinked
from contracts.profile import SegmentEntered
from identity_service.app import build as build_identity
from identity_service.settings import Settings as IdentitySettings
from profile_service.app import build as build_profile
from profile_service.settings import Settings as ProfileSettings
from servicekit.clock import FrozenClock
from servicekit.database import Database, raw
from servicekit.testing import Environment, RunningService, running
from servicekit.workers import PeriodicWorker

NOW = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)
SOURCE = {"name": "LINE", "department": "sales", "brand": "kizuna", "legal_entity": "Kizuna", "purposes": ["crm"]}
ON_LINE = {"name": "On LINE", "condition": {"kind": "identifier", "namespace": "line"}}
FRIENDS = [
    {
        "type": "identify",
        "userId": user,
        "context": {"externalIds": [{"id": f"U4af498062{user}", "type": "line", "collection": "users"}]},
    }
    for user in ("1", "2")
]
AS_BEFORE_IT_ASKED = "DELETE FROM customer_identifiers WHERE customer_id = $1"
IDENTITY_IS_UPGRADED = "INSERT INTO retellings VALUES ('identifiers', '00000000-0000-0000-0000-000000000000')"


async def execute(database: Database, statement: str, *values: UUID) -> None:
    """Do what an older version, or a migration, did."""
    async with database.transaction() as session:
        await (await raw(session)).execute(statement, *values)


async def eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait until something holds, for at most 30 seconds."""
    async with asyncio.timeout(30):
        while not await condition():  # noqa: ASYNC110 - there is nothing else to wait for
            await asyncio.sleep(0.02)


async def tell_identifiers(identity: RunningService) -> None:
    """Have identity's worker tell all that is to be told."""
    (worker,) = [one for one in identity.service.workers if one.name == "tell-identifiers"]
    assert isinstance(worker, PeriodicWorker)

    async def is_told() -> bool:
        async with identity.database.transaction() as session:
            return not await (await raw(session)).fetchval("SELECT EXISTS (SELECT FROM retellings)")

    worker.wake()
    await eventually(is_told)
    await identity.drain()


async def test_identifiers_linked_before_profile_asked_for_them_are_known(environment: Environment) -> None:
    clock = FrozenClock(NOW)
    async with (
        running(build_identity, IdentitySettings, environment, clock=clock) as identity,
        running(build_profile, ProfileSettings, environment, clock=clock) as profile,
    ):
        source = await identity.client.put("/v1/sources/line", json=SOURCE, headers=identity.headers())
        key = source.json()["write_key"]
        await identity.client.post("/v1/batch", json={"batch": FRIENDS}, auth=(key, ""))
        await identity.drain()
        await profile.drain()
        linked = await identity.published(IdentifierLinked)
        (forgotten,) = {fact.customer_id for fact in linked if fact.value == "1"}
        (known,) = {fact.customer_id for fact in linked if fact.value == "2"}
        await execute(profile.database, AS_BEFORE_IT_ASKED, forgotten)
        await execute(profile.database, "DELETE FROM given_changes WHERE kind = 'identifier'")
        await profile.client.put("/v1/segments/on-line", json=ON_LINE, headers=profile.headers())
        await profile.client.post("/v1/segments/on-line:publish", headers=profile.headers())
        await profile.drain()

        async def members() -> list[UUID]:
            return [fact.customer_id for fact in await profile.published(SegmentEntered)]

        async def is_anybody_there() -> bool:
            return bool(await members())

        await eventually(is_anybody_there)
        assert await members() == [known]

        await execute(identity.database, IDENTITY_IS_UPGRADED)
        await tell_identifiers(identity)
        await profile.drain()
        assert await members() == [known, forgotten]
        async with profile.database.transaction() as session:
            counted = await (await raw(session)).fetch(
                "SELECT name, sum(count)::int FROM given_changes WHERE kind = 'identifier' GROUP BY 1 ORDER BY 1"
            )
        assert [tuple(row) for row in counted] == [("line", 1), ("user_id", 1)]  # what is known is not given again
