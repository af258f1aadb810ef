"""The outbox: a fact is written in the transaction of the change it speaks of; the relay publishes it."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, ClassVar, Protocol
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncSession

from servicekit.database import raw
from servicekit.nats import MAX_PAYLOAD_BYTES
from servicekit.tracing import current_traceparent

OUTBOX_CHANNEL = "kizuna_outbox"


class Notice(Protocol):
    """What the chassis needs to know of what concerns no customer; the models are the publishers' (contracts)."""

    fact_type: ClassVar[str]

    @property
    def event_id(self) -> UUID: ...
    @property
    def occurred_at(self) -> datetime: ...
    def model_dump_json(self) -> str: ...


class Fact(Notice, Protocol):
    """What the chassis needs to know of a fact about a customer."""

    @property
    def customer_id(self) -> UUID: ...
    @property
    def anchor_id(self) -> UUID: ...
    def model_copy(self, *, update: dict[str, Any] | None = None) -> Any: ...


def partition_of(customer_id: UUID, partitions: int) -> int:
    """Return the partition (0 .. partitions - 1) that a customer's facts go to."""
    return customer_id.int % partitions


def place_of(fact: Fact | Notice, partitions: int) -> int:
    """Return the partition of a fact; notices, which concern no customer, go to 0."""
    customer_id: UUID | None = getattr(fact, "customer_id", None)
    return 0 if customer_id is None else partition_of(customer_id, partitions)


def pack(facts: Iterable[str], *, limit: int = MAX_PAYLOAD_BYTES) -> Iterable[str]:
    """Join encoded facts to bodies `{"facts":[...]}` of at most `limit` bytes each; a larger fact stands alone."""
    pending: list[str] = []
    size = 0
    for fact in facts:
        length = len(fact.encode()) + 1
        if pending and size + length > limit - 16:
            yield '{"facts":[' + ",".join(pending) + "]}"
            pending, size = [], 0
        pending.append(fact)
        size += length
    if pending:
        yield '{"facts":[' + ",".join(pending) + "]}"


_INSERT = """
INSERT INTO outbox (id, aggregatetype, aggregateid, type, payload, occurred_at, traceparent)
SELECT id, 'customer', aggregateid, type, payload, occurred_at, $6
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::timestamptz[])
    AS t (id, aggregateid, type, payload, occurred_at)
"""


async def publish(session: AsyncSession, facts: Sequence[Fact | Notice], *, partitions: int = 16) -> None:
    """Write facts into the outbox of this transaction, one row per type and partition; they go out once it commits."""
    groups: dict[tuple[str, int], list[Fact | Notice]] = defaultdict(list)
    for fact in facts:
        groups[fact.fact_type, place_of(fact, partitions)].append(fact)
    await _insert(
        session,
        [
            (uuid4(), str(partition), fact_type, body, group[-1].occurred_at)
            for (fact_type, partition), group in groups.items()
            for body in pack(fact.model_dump_json() for fact in group)
        ],
    )


async def publish_encoded(
    session: AsyncSession,
    fact_type: str,
    facts: Iterable[tuple[UUID, str]],
    *,
    occurred_at: datetime,
    partitions: int = 16,
) -> None:
    """The same for very many facts of one type and moment: (customer, the fact as JSON) each, written by the caller."""
    groups: dict[int, list[str]] = defaultdict(list)
    for customer_id, fact in facts:
        groups[partition_of(customer_id, partitions)].append(fact)
    await _insert(
        session,
        [
            (uuid4(), str(partition), fact_type, body, occurred_at)
            for partition, group in groups.items()
            for body in pack(group)
        ],
    )


def insert_of_facts(
    source: str, *, fact: str, max_bytes: str, partitions: int, occurred_at: str, traceparent: str
) -> str:
    """An INSERT, to stand in a WITH, that publishes facts which the database itself writes: very many, all alike.

    `source` is a relation of the statement with `type`, `customer_id` and whatever `fact` asks for, the SQL of the fact
    as JSON text; each customer once. None is longer than `max_bytes` (SQL; at most 4 KiB): so facts are shared out
    before they are written, and only ids are sorted. `occurred_at` and `traceparent` are parameters (see
    `current_traceparent`). Call `wake_relay` as well.
    """
    room = MAX_PAYLOAD_BYTES - 4 * 1024 - 16
    return f"""
    INSERT INTO outbox (id, aggregatetype, aggregateid, type, payload, occurred_at, traceparent)
    SELECT gen_random_uuid(), 'customer', place::text, type, '{{"facts":[' || string_agg({fact}, ',') || ']}}',
           {occurred_at}, {traceparent}
    FROM (
        SELECT *, (row_number() OVER (PARTITION BY type, place) - 1) / ({room} / (1 + {max_bytes})) AS part
        FROM (SELECT *, {sql_of_partition("customer_id", partitions)} AS place FROM {source}) AS placed
    ) AS shared_out
    GROUP BY type, place, part
    """  # noqa: S608  # our own text, values as parameters


def sql_of_partition(customer_id: str, partitions: int) -> str:
    """`partition_of` as an expression over a column of type uuid."""
    if 256 % partitions == 0:
        return f"get_byte(uuid_send({customer_id}), 15) % {partitions}"
    digits, rest = f"replace({customer_id}::text, '-', '')", "0::bigint"
    for start in range(1, 33, 8):
        piece = f"('x' || substr({digits}, {start}, 8))::bit(32)::bigint"
        rest = f"(({rest} << 32) + ({piece} & 4294967295)) % {partitions}"
    return rest


async def wake_relay(session: AsyncSession) -> None:
    """Let the relay know that there is something to publish once this transaction commits."""
    await (await raw(session)).execute(f"NOTIFY {OUTBOX_CHANNEL}")


async def _insert(session: AsyncSession, rows: Sequence[tuple[UUID, str, str, str, datetime]]) -> None:
    if not rows:
        return
    connection = await raw(session)
    await connection.execute(_INSERT, *(list(column) for column in zip(*rows, strict=True)), current_traceparent())
    await connection.execute(f"NOTIFY {OUTBOX_CHANNEL}")
