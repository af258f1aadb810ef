"""Outbox, relay, inbox, poison and moves on the real PostgreSQL and NATS."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from nats.aio.msg import Msg
from nats.js.api import ConsumerConfig
from pydantic import TypeAdapter
from sample_service.app import Asked, Moved, Noted, NoteRow
from sqlalchemy import func, text
from sqlmodel import col, select

from servicekit.consumers import read_batch
from servicekit.database import raw
from servicekit.nats import Envelope, PullSubscription
from servicekit.outbox import insert_of_facts, pack, partition_of, publish, sql_of_partition
from servicekit.testing import RunningService

NOW = datetime(2026, 11, 1, tzinfo=UTC)


def asked(note: str, *, customer_id: UUID | None = None, anchor_id: UUID | None = None) -> Asked:
    return Asked(
        event_id=uuid4(), customer_id=customer_id or uuid4(), anchor_id=anchor_id or uuid4(), occurred_at=NOW, text=note
    )


async def texts(sample: RunningService) -> list[str]:
    async with sample.database.transaction() as session:
        return sorted((await session.scalars(select(NoteRow.text))).all())


async def test_a_fact_goes_in_is_stored_once_and_said_again(sample: RunningService) -> None:
    facts = [asked(f"note {number}") for number in range(50)]
    await sample.publish(facts)
    await sample.publish(facts)  # the same again, as after a lost acknowledgement
    await sample.drain()
    assert await texts(sample) == sorted(fact.text for fact in facts)
    assert sorted(fact.text for fact in await sample.published(Noted)) == sorted(fact.text for fact in facts)


async def test_nothing_is_said_when_the_transaction_rolls_back(sample: RunningService) -> None:
    fact = Noted(event_id=uuid4(), customer_id=uuid4(), anchor_id=uuid4(), occurred_at=NOW)
    with pytest.raises(RuntimeError, match="changed my mind"):  # noqa: PT012
        async with sample.database.transaction() as session:
            await publish(session, [fact])
            raise RuntimeError("changed my mind")
    assert await sample.published(Noted) == []


@pytest.mark.parametrize("partitions", [1, 4, 16, 48, 100, 1024])
async def test_the_database_knows_the_same_partition(sample: RunningService, partitions: int) -> None:
    ids = [UUID(int=0), UUID(int=2**128 - 1), *(uuid4() for _ in range(200))]
    sql = f"SELECT {sql_of_partition('id', partitions)} FROM unnest($1::uuid[]) WITH ORDINALITY AS t (id, n) ORDER BY n"
    async with sample.database.transaction() as session:
        rows = await (await raw(session)).fetch(sql, ids)
    assert [row[0] for row in rows] == [partition_of(each, partitions) for each in ids]


async def test_facts_that_the_database_writes_lie_in_the_outbox_like_all_others(sample: RunningService) -> None:
    customers = [uuid4() for _ in range(3000)]
    fact = """'{"customer_id":"' || customer_id || '","text":"' || repeat('é', 300) || '"}'"""
    told = insert_of_facts(
        "facts",
        fact=fact,
        max_bytes="700",
        partitions=3,
        occurred_at="$2::timestamptz",
        traceparent="$3::text",
    )
    facts = "SELECT 'said' AS type, id AS customer_id FROM unnest($1::uuid[]) AS id"
    async with sample.database.transaction() as session:
        await (await raw(session)).execute(f"WITH facts AS ({facts}), told AS ({told}) SELECT", customers, NOW, None)
        rows = await (await raw(session)).fetch("SELECT aggregateid, type, payload FROM outbox")
        await session.rollback()
    assert {row["type"] for row in rows} == {"said"}
    assert max(len(row["payload"].encode()) for row in rows) <= 256 * 1024
    said = [(row["aggregateid"], fact) for row in rows for fact in json.loads(row["payload"])["facts"]]
    assert sorted(UUID(fact["customer_id"]) for _, fact in said) == sorted(customers)
    assert all(place == str(partition_of(UUID(fact["customer_id"]), 3)) for place, fact in said)


async def test_an_atomic_batch_holding_a_known_id_still_goes_out_once(sample: RunningService) -> None:
    def envelope(identifier: str) -> Envelope:
        return Envelope(
            subject="sample.note.noted.v1.1", body=b'{"facts":[]}', id=identifier, source="/t", type="x", time=NOW
        )

    await sample.nats.publish_all([envelope("first")])
    await sample.nats.publish_all([envelope("first"), envelope("second"), envelope("third")])
    state = (await sample.nats.jetstream.stream_info("sample")).state
    assert state.messages == 3


async def test_one_poison_fact_is_put_aside_and_can_be_replayed(sample: RunningService) -> None:
    facts = [asked("poison" if number == 17 else f"note {number}") for number in range(40)]
    await sample.publish(facts)
    await sample.drain()
    assert len(await texts(sample)) == 39
    async with sample.database.transaction() as session:
        dead = (await session.execute(text("SELECT event_id, stream, error FROM dead_letters"))).one()
    assert dead.event_id == facts[17].event_id
    assert dead.stream == "asking"
    assert "poison" not in dead.error.split(" at ")[0]

    sample.service.resources["trouble"].poison_text = "harmless now"  # type: ignore[attr-defined]  # the sample's resource
    consumer = sample.service.resources["consumer"]
    assert await consumer.replay() == 1  # type: ignore[attr-defined]  # the sample's resource
    assert "poison" in await texts(sample)
    assert await consumer.replay() == 0  # type: ignore[attr-defined]  # the sample's resource


async def test_unreadable_messages_are_put_aside_and_block_nobody(sample: RunningService) -> None:
    good = asked("good")
    broken = good.model_dump(mode="json") | {"event_id": str(uuid4()), "occurred_at": "yesterday"}
    bodies = [b"not json", b'{"facts": 3}', json.dumps({"facts": [broken, good.model_dump(mode="json")]}).encode()]
    for number, body in enumerate(bodies):
        await sample.nats.publish_all(
            [
                Envelope(
                    subject="asking.note.asked.v1.1",
                    body=body,
                    id=f"m{number}",
                    source="/t",
                    type=Asked.fact_type,
                    time=NOW,
                )
            ]
        )
    await sample.drain()
    assert await texts(sample) == ["good"]
    async with sample.database.transaction() as session:
        assert (await session.execute(text("SELECT count(*) FROM dead_letters"))).scalar_one() == 3


@pytest.mark.parametrize("levels", [300, 100_000])
async def test_what_stands_too_deep_in_itself_is_put_aside_and_blocks_nobody(
    sample: RunningService, levels: int
) -> None:
    deep = '{"a":' * levels + "1" + "}" * levels
    body = asked("poison").model_dump_json()[:-1] + f',"more":{deep}}}'
    for number, facts in enumerate([body, asked("good").model_dump_json()]):
        envelope = Envelope(
            subject="asking.note.asked.v1.1",
            body=f'{{"facts":[{facts}]}}'.encode(),
            id=f"m{number}",
            source="/t",
            type=Asked.fact_type,
            time=NOW,
        )
        await sample.nats.publish_all([envelope])
    await sample.drain()
    assert await texts(sample) == ["good"]
    async with sample.database.transaction() as session:
        assert (await session.execute(text("SELECT count(*) FROM dead_letters"))).scalar_one() == 1


async def test_messages_are_taken_as_many_at_once_as_fit(sample: RunningService) -> None:
    await sample.nats.jetstream.add_consumer("sample", ConsumerConfig(durable_name="taker", ack_wait=60))
    subscription = PullSubscription(sample.nats, stream="sample", durable="taker")
    await subscription.start()
    for number, size in enumerate([100, 100, 100, 1000, 100, 100]):
        body, subject = b"x" * size, f"sample.big.{number}"
        envelope = Envelope(subject=subject, body=body, id=f"b{number}", source="/t", type="big", time=NOW)
        await sample.nats.publish_all([envelope])
    stop, taken = asyncio.Event(), list[list[int]]()
    async with asyncio.timeout(20):
        while sum(map(len, taken)) < 6:
            await asyncio.sleep(0.2)  # until what is asked for lies there
            messages = await subscription.next_messages(2, stop, limit_bytes=250)
            taken.append([len(message.data) for message in messages])
            for message in messages:
                await message.ack()
    await subscription.stop()
    assert [size for each in taken for size in each] == [100, 100, 100, 1000, 100, 100]
    assert [1000] in taken, "one that is larger than all may be goes alone"
    assert all(len(each) <= 2 and (sum(each) <= 250 or each == [1000]) for each in taken)


async def test_trouble_that_passes_is_waited_for(sample: RunningService) -> None:
    sample.service.resources["trouble"].transient_failures = 2  # type: ignore[attr-defined]  # the sample's resource
    await sample.publish([asked("late")])
    await sample.drain()
    assert await texts(sample) == ["late"]


async def test_rows_of_a_moved_anchor_follow_in_chunks_and_late_facts_too(sample: RunningService) -> None:
    old, new, anchor, other = uuid4(), uuid4(), uuid4(), uuid4()
    await sample.publish([asked(f"{number}", customer_id=old, anchor_id=anchor) for number in range(35)])
    await sample.publish([asked("other", customer_id=old, anchor_id=other)])
    await sample.drain()

    def move(to: UUID, version: int) -> Moved:
        return Moved(
            event_id=uuid4(), customer_id=to, former_customer_id=old, anchor_id=anchor, version=version, occurred_at=NOW
        )

    await sample.publish([move(new, 2)])
    await sample.publish([move(uuid4(), 1)])  # late and outdated: the highest version wins
    await sample.drain()
    await sample.publish([asked("late", customer_id=old, anchor_id=anchor)])
    await sample.drain()

    async with sample.database.transaction() as session:
        grouped = select(NoteRow.customer_id, func.count()).group_by(col(NoteRow.customer_id))
        counts = {row[0]: row[1] for row in await session.execute(grouped)}
    assert counts == {new: 36, old: 1}
    groups: Any = sample.service.resources["recomputed"]  # the sample's resource
    assert len(groups) == 1  # whatever the number of chunks
    assert groups[0] >= {old, new}


async def test_raw_and_orm_share_the_transaction(sample: RunningService) -> None:
    async with sample.database.transaction() as session:
        fact = asked("mine")
        session.add(NoteRow(**fact.model_dump()))
        connection = await raw(session)
        assert await connection.fetchval("SELECT count(*) FROM notes") == 1
        await session.rollback()
    assert await texts(sample) == []


def test_packs_of_facts_stay_under_the_limit() -> None:
    facts = [json.dumps({"n": number, "text": "x" * 900}) for number in range(1000)]
    bodies = list(pack(facts))
    assert all(len(body) <= 256 * 1024 for body in bodies)
    assert [item["n"] for body in bodies for item in json.loads(body)["facts"]] == list(range(1000))
    assert list(pack([])) == []


async def test_facts_nobody_awaits_are_dropped_before_they_are_read(sample: RunningService) -> None:
    def message(body: bytes) -> Msg:
        return Msg(_client=sample.nats.client, data=body, headers={"ce-type": Asked.fact_type})

    def body(*names: str) -> bytes:
        facts = [asked(name).model_dump(mode="json") | {"name": name} for name in names]
        return json.dumps({"facts": facts}).encode()

    adapters = {Asked.fact_type: TypeAdapter(list[Asked])}

    def kept(names: frozenset[str], *bodies: bytes) -> list[str]:
        batch = read_batch([message(each) for each in bodies], adapters, {Asked.fact_type: names})
        assert batch.poison == []
        return [fact.text for fact in batch.facts if isinstance(fact, Asked)]

    mixed, other, broken = body("Page Viewed", "購入", "Order Completed"), body("Page Viewed"), b"no json"
    assert kept(frozenset({"Order Completed"}), mixed, other, broken) == ["Order Completed"]
    assert kept(frozenset({"購入"}), mixed, other) == ["購入"]
    assert kept(frozenset(), mixed, other, broken) == []
