"""Erasure and disclosure, on the sample service."""

import json
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from sample_service.app import Asked, Erased, Moved, Noted, SampleErased, SampleSettings, build

from servicekit.database import raw
from servicekit.export import stream_document
from servicekit.outbox import publish
from servicekit.testing import Environment, RunningService, running

NOW = datetime(2026, 11, 1, tzinfo=UTC)


def asked(note: str, *, customer_id: UUID, anchor_id: UUID | None = None) -> Asked:
    return Asked(event_id=uuid4(), customer_id=customer_id, anchor_id=anchor_id or uuid4(), occurred_at=NOW, text=note)


def moved(anchor_id: UUID, *, to: UUID, former: UUID, version: int = 2) -> Moved:
    return Moved(
        event_id=uuid4(),
        customer_id=to,
        former_customer_id=former,
        anchor_id=anchor_id,
        version=version,
        occurred_at=NOW,
    )


def erased(customer_id: UUID, *former: UUID) -> Erased:
    return Erased(
        event_id=uuid4(), customer_id=customer_id, anchor_id=uuid4(), occurred_at=NOW, erasure_id=uuid4(),
        former_customer_ids=list(former),
    )  # fmt: skip


async def notes(sample: RunningService) -> list[str]:
    async with sample.database.transaction() as session:
        return [row["text"] for row in await (await raw(session)).fetch("SELECT text FROM notes ORDER BY text")]


async def execute(sample: RunningService, statement: str, *values: object) -> None:
    async with sample.database.transaction() as session:
        await (await raw(session)).execute(statement, *values)


async def test_an_erased_customers_rows_go_in_chunks_and_the_receipt_says_how_many(sample: RunningService) -> None:
    customer, other = uuid4(), uuid4()
    await sample.publish([asked(f"{number}", customer_id=customer) for number in range(35)])
    await sample.publish([asked("other", customer_id=other)])
    await sample.drain()
    await execute(sample, "INSERT INTO moods VALUES ($1, 'glad'), ($2, 'sad')", customer, other)

    fact = erased(customer)
    await sample.publish([fact])
    await sample.publish([fact])
    await sample.drain()
    assert await notes(sample) == ["other"]
    [receipt] = await sample.published(SampleErased)
    assert (receipt.customer_id, receipt.erasure_id) == (customer, fact.erasure_id)
    assert receipt.rows == {"notes": 35, "moods": 1}


async def test_nothing_late_brings_an_erased_customer_back(sample: RunningService) -> None:
    present, former, anchor, elsewhere = uuid4(), uuid4(), uuid4(), uuid4()
    await sample.publish([moved(anchor, to=present, former=former)])
    await sample.publish([erased(present, former)])
    await sample.drain()
    late = [
        asked("present", customer_id=present),
        asked("former", customer_id=former),
        asked("by its anchor", customer_id=elsewhere, anchor_id=anchor),
    ]
    await sample.publish([*late, asked("other", customer_id=elsewhere)])
    await sample.publish(late)
    await sample.drain()
    assert await notes(sample) == ["other"]
    async with sample.database.transaction() as session:
        seen = await (await raw(session)).fetchval(
            "SELECT count(*) FROM inbox WHERE event_id = ANY($1)", [fact.event_id for fact in late]
        )
    assert seen == len(late)


async def test_rows_belong_to_whoever_holds_their_anchor_however_far_the_move_has_come(sample: RunningService) -> None:
    """The moves are remembered and not one row is re-keyed yet: what came is erased, what left stays."""
    customer, left_to, came_from, leaving, coming = uuid4(), uuid4(), uuid4(), uuid4(), uuid4()
    await sample.publish(
        [
            asked("left", customer_id=customer, anchor_id=leaving),
            asked("came", customer_id=came_from, anchor_id=coming),
            asked("theirs", customer_id=came_from),
            asked("own", customer_id=customer),
        ]
    )
    await sample.drain()
    await execute(
        sample,
        "INSERT INTO anchors (anchor_id, customer_id, former_customer_id, version, pending) "
        "VALUES ($1, $2, $3, 2, 0), ($4, $3, $5, 2, 0)",
        *(leaving, left_to, customer, coming, came_from),
    )
    await sample.publish([erased(customer)])
    await sample.drain()
    assert await notes(sample) == ["left", "theirs"]


async def test_a_move_that_comes_late_takes_its_rows_with_it(sample: RunningService) -> None:
    customer, came_from, anchor = uuid4(), uuid4(), uuid4()
    await sample.publish([asked("came late", customer_id=came_from, anchor_id=anchor)])
    await sample.publish([erased(customer)])
    await sample.drain()
    assert await notes(sample) == ["came late"]
    await sample.publish([moved(anchor, to=customer, former=came_from)])
    await sample.drain()
    assert await notes(sample) == []


async def test_facts_under_way_dead_letters_and_stored_answers_go_too(sample: RunningService) -> None:
    customer, other = uuid4(), uuid4()
    trouble = sample.service.resources["trouble"]
    await sample.publish([asked("poison", customer_id=customer)])
    await sample.publish([asked("poison", customer_id=other)])
    await sample.drain()
    body = {"customer_id": str(customer), "text": "kept answer"}
    await execute(
        sample,
        "INSERT INTO idempotency_keys VALUES ('s', 'k', 'f', 201, $1, '{}', $2), ('s', 'o', 'f', 201, $3, '{}', $2)",
        json.dumps(body).encode(),
        NOW,
        b'{"other": 1}',
    )
    async with sample.database.transaction() as session:  # in one transaction: the relay cannot be faster
        facts = [
            Noted(event_id=uuid4(), customer_id=each, anchor_id=uuid4(), occurred_at=NOW, text=f"{each}")
            for each in (customer, other)
        ]
        await publish(session, facts, partitions=1)
        erasures = sample.service.resources["erasures"]
        await erasures(session, [erased(customer)])  # type: ignore[operator]  # the sample's resource
        await erasures._clear_leftovers(session, (await erasures._claim(session))[0])  # type: ignore[attr-defined]  # the sample's resource
    await sample.drain()
    assert [fact.customer_id for fact in await sample.published(Noted)] == [other]

    trouble.poison_text = "harmless now"  # type: ignore[attr-defined]  # the sample's resource
    assert await sample.service.resources["consumer"].replay() == 1  # type: ignore[attr-defined]  # the sample's resource
    async with sample.database.transaction() as session:
        kept = await (await raw(session)).fetch("SELECT key, status, body FROM idempotency_keys ORDER BY key")
    assert [(row["key"], row["status"]) for row in kept] == [("k", 410), ("o", 201)]
    assert str(customer).encode() not in kept[0]["body"]


async def test_everything_held_on_a_customer_is_one_document(sample: RunningService) -> None:
    customer, former, anchor = uuid4(), uuid4(), uuid4()
    await sample.publish([asked(f"{number}", customer_id=customer) for number in range(3)])
    await sample.publish([asked("former", customer_id=former, anchor_id=anchor), asked("other", customer_id=uuid4())])
    await sample.drain()
    path = f"/v1/customers/{customer}/export"
    answer = await sample.client.get(
        path, headers=sample.headers("privacy:read"), params={"former_customer_ids": str(former)}
    )
    assert answer.status_code == 200
    document = answer.json()
    assert (document["service"], document["customer_id"]) == ("sample", str(customer))
    assert sorted(note["text"] for note in document["tables"]["notes"]) == ["0", "1", "2", "former"]
    assert document["tables"]["moods"] == []
    assert (await sample.client.get(path, headers=sample.headers("sample:read"))).status_code == 403


async def test_a_large_document_is_sent_in_pieces(sample: RunningService) -> None:
    customer = uuid4()
    await execute(
        sample,
        "INSERT INTO notes SELECT gen_random_uuid(), $1, $1, repeat('x', 100), $2 FROM generate_series(1, 20000)",
        customer,
        NOW,
    )
    queries = {"notes": "SELECT to_jsonb(t) AS held FROM notes t WHERE customer_id = ANY($1::uuid[])"}
    document = stream_document(sample.database, queries, service="sample", customer_id=customer)
    pieces = [piece async for piece in document]
    assert len(json.loads(b"".join(pieces))["tables"]["notes"]) == 20000
    assert max(len(piece) for piece in pieces) < 100_000


@pytest.mark.parametrize("identifier", ["nobody", "1"])
async def test_an_id_that_is_none_is_named(sample: RunningService, identifier: str) -> None:
    answer = await sample.client.get(f"/v1/customers/{identifier}/export", headers=sample.headers("privacy:read"))
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"].endswith("customer_id")


async def test_an_erasure_killed_half_way_is_finished_by_whoever_comes_next(
    sample: RunningService, environment: Environment
) -> None:
    customer = uuid4()
    await execute(
        sample,
        "INSERT INTO notes SELECT gen_random_uuid(), $1, $1, 'x', $2 FROM generate_series(1, 95)",
        customer,
        NOW,
    )
    async with running(build, SampleSettings, environment, database_url=sample.database.url, workers=False) as first:
        erasures = first.service.resources["erasures"]
        async with first.database.transaction() as session:
            await erasures(session, [erased(customer)])  # type: ignore[operator]  # the sample's resource
        for _ in range(3):
            assert await erasures._erase_some()  # type: ignore[attr-defined]  # the sample's resource
    async with running(build, SampleSettings, environment, database_url=sample.database.url) as second:
        await second.drain()
        [receipt] = await second.published(SampleErased)
    assert receipt.rows == {"notes": 95}
