"""Beside events and traits: identifiers, related persons' dates and other definitions change memberships at once."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
from services.profile.tests.profile_facts import event, moved, purchase

from contracts.identity import IdentifierLinked
from contracts.profile import SegmentEntered, SegmentExited
from profile_service.app import build
from servicekit.command import migrations_directory
from servicekit.embedded.postgres import EmbeddedPostgres
from servicekit.migrations import migrate
from servicekit.testing import RunningService

SCHEMA = Path(__file__).parents[4] / "libs" / "contracts" / "schemas" / "conditions.json"
ON_LINE = {"kind": "identifier", "namespace": "line"}
BUYER = {"kind": "event_count", "event": "Order Completed", "comparison": "ge", "value": 1, "window": {"days": 7}}


def linked(customer_id: UUID, anchor_id: UUID, profile: RunningService, namespace: str = "line") -> IdentifierLinked:
    return IdentifierLinked(
        event_id=uuid4(),
        customer_id=customer_id,
        anchor_id=anchor_id,
        occurred_at=profile.clock.now(),
        namespace=namespace,
        value="U4af4980629",
        source_id="line",
        rule="same_event",
    )


async def _publish(profile: RunningService, key: str, condition: dict[str, Any]) -> None:
    headers = profile.headers()
    answer = await profile.client.put(
        f"/v1/segments/{key}", json={"name": key, "condition": condition}, headers=headers
    )
    assert answer.status_code in {200, 201}, answer.text
    answer = await profile.client.post(f"/v1/segments/{key}:publish", headers=headers)
    assert answer.status_code == 200, answer.text


async def _entered(profile: RunningService) -> set[tuple[str, UUID]]:
    return {(fact.segment_key, fact.customer_id) for fact in await profile.published(SegmentEntered)}


async def _exited(profile: RunningService) -> set[tuple[str, UUID]]:
    return {(fact.segment_key, fact.customer_id) for fact in await profile.published(SegmentExited)}


async def _reasons(profile: RunningService) -> set[tuple[str, str]]:
    return {(fact.segment_key, fact.reason) for fact in await profile.published(SegmentEntered)}


async def test_an_identifier_counts_when_it_is_linked_and_goes_where_its_anchor_goes(profile: RunningService) -> None:
    await _publish(profile, "on-line", ON_LINE)
    await _publish(profile, "off-line", {"kind": "not", "condition": ON_LINE})
    now, early, late, other = profile.clock.now(), uuid4(), uuid4(), uuid4()
    anchor = uuid4()
    await profile.publish([event(early, "Page Viewed", now)])
    await profile.drain()
    await profile.publish([linked(early, anchor, profile), linked(late, uuid4(), profile)])
    await profile.drain()
    await profile.publish([event(late, "Page Viewed", now), event(other, "Page Viewed", now)])
    await profile.drain()
    assert await _entered(profile) == {
        ("off-line", early), ("on-line", early), ("on-line", late), ("off-line", other)
    }  # fmt: skip
    assert await _exited(profile) == {("off-line", early)}

    await profile.publish([moved(anchor, former=early, to=other, occurred_at=now)])
    await profile.drain()
    assert ("on-line", other) in await _entered(profile)
    assert {("on-line", early), ("off-line", other)} <= await _exited(profile)


async def test_the_value_of_an_identifier_is_not_kept(profile: RunningService) -> None:
    customer = uuid4()
    await profile.publish([linked(customer, uuid4(), profile), event(customer, "Page Viewed", profile.clock.now())])
    await profile.drain()
    connection = await profile.database.connect()
    rows = await connection.fetch("SELECT * FROM customer_identifiers")
    await connection.close()
    assert [(row["customer_id"], row["namespace"]) for row in rows] == [(customer, "line")]
    assert set(rows[0].keys()) == {"customer_id", "namespace", "anchor_id"}


async def test_what_refers_to_a_segment_follows_it_also_in_time_and_when_it_is_published_anew(
    profile: RunningService,
) -> None:
    await _publish(profile, "buyer", BUYER)
    both = {"kind": "and", "conditions": [ON_LINE, {"kind": "segment", "segment": "buyer"}]}
    await _publish(profile, "buyer-on-line", both)
    customer, now = uuid4(), profile.clock.now()
    await profile.publish([purchase(customer, now - timedelta(days=6), 10)])
    await profile.drain()
    await profile.publish([linked(customer, uuid4(), profile)])
    await profile.drain()
    assert await _entered(profile) == {("buyer", customer), ("buyer-on-line", customer)}
    profile.clock.advance(timedelta(days=1, seconds=1))
    await profile.drain()
    assert await _exited(profile) == {("buyer", customer), ("buyer-on-line", customer)}
    await _publish(profile, "buyer", {**BUYER, "window": {"days": 30}})
    async with asyncio.timeout(30):  # who refers to it is requested apart, and looked at after it
        while {key for key, reason in await _reasons(profile) if reason in {"backfill", "definition"}} != {
            "buyer",
            "buyer-on-line",
        }:
            await profile.drain()


async def test_a_related_persons_date_counts_when_it_is_given(profile: RunningService) -> None:
    soon = profile.clock.now() + timedelta(days=5)
    wedding = {"relation": "spouse", "occasion": "birthday", "purpose": "gift-reminder"}
    await _publish(profile, "gift", {"kind": "anniversary", "of": wedding, "position": "within_next", "days": 7})
    customer = uuid4()
    await profile.publish([event(customer, "Page Viewed", profile.clock.now())])
    await profile.drain()
    body = {**wedding, "date": f"--{soon:%m-%d}"}
    answer = await profile.client.put(
        f"/v1/customers/{customer}/relations/{uuid4()}", json=body, headers=profile.headers()
    )
    assert answer.status_code in {200, 201}, answer.text
    await profile.drain()
    assert await _entered(profile) == {("gift", customer)}
    profile.clock.advance(timedelta(days=6))
    await profile.drain()
    assert await _exited(profile) == {("gift", customer)}


async def test_the_schema_is_served_as_it_is_committed(profile_at_rest: RunningService) -> None:
    answer = await profile_at_rest.client.get("/v1/conditions/schema", headers=profile_at_rest.headers())
    assert answer.headers["content-type"].startswith("application/schema+json")
    assert answer.json() == json.loads(SCHEMA.read_text())


async def test_a_refusal_names_the_path_in_the_tree(profile_at_rest: RunningService) -> None:
    window = {"start": "2026-02-01", "end": "2026-01-01"}
    tree = {"kind": "and", "conditions": [ON_LINE, {**BUYER, "window": window}]}
    answer = await profile_at_rest.client.post(
        "/v1/segments:preview", json={"condition": tree}, headers=profile_at_rest.headers()
    )
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "condition.conditions.1.window.end"
    wrong = {"kind": "and", "conditions": [ON_LINE, {**BUYER, "window": {"days": 0}}]}
    answer = await profile_at_rest.client.post(
        "/v1/segments:preview", json={"condition": wrong}, headers=profile_at_rest.headers()
    )
    assert answer.json()["errors"][0]["field"] == "condition.conditions.1.window.days"


async def test_the_migration_goes_back_and_forth(postgres: EmbeddedPostgres) -> None:
    admin = await asyncpg.connect(postgres.url())
    name = f"test_{uuid4().hex[:12]}"
    await admin.execute(f'CREATE DATABASE "{name}"')
    await admin.close()
    url, migrations = postgres.url(name), migrations_directory(build)

    async def is_there() -> bool:
        connection = await asyncpg.connect(url)
        found = await connection.fetchval("SELECT to_regclass('customer_identifiers') IS NOT NULL")
        await connection.close()
        return bool(found)

    for revision, expected in (("0007", True), ("-1", False), ("0007", True)):
        await asyncio.to_thread(migrate, url, migrations, revision)
        assert await is_there() is expected
