"""Erasure: everything a service holds on a customer goes, and nothing late brings it back.

The fact that a customer is erased only makes the service remember the ids, in the consumer's transaction: from then on
facts about them are dropped. A worker deletes the rows in chunks, so that nobody is blocked and a kill loses nothing.
At the end, with every writer kept out for a moment, it looks once more, and says in the service's receipt what it
deleted.

A row belongs to whoever holds its anchor now, whatever customer stands in it: a move that is not applied to the rows
yet (`anchors.pending`) takes nothing away from others and leaves nothing behind.
"""

import json
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID, uuid4

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import SQLModel

from servicekit.clock import Clock
from servicekit.database import Database, json_text, raw, wake_after_commit
from servicekit.moves import keep_writers_out
from servicekit.outbox import Fact, publish
from servicekit.tables import rows_follow
from servicekit.workers import PeriodicWorker


class CustomerErased(Protocol):
    """Identity's fact that a customer is to be erased."""

    @property
    def erasure_id(self) -> UUID: ...
    @property
    def customer_id(self) -> UUID: ...
    @property
    def anchor_id(self) -> UUID: ...
    @property
    def former_customer_ids(self) -> list[UUID]: ...
    @property
    def occurred_at(self) -> datetime: ...


@dataclass(frozen=True, kw_only=True)
class ErasedCustomer:
    """A customer whose rows are being deleted; `customer_ids` are the present and every former id."""

    erasure_id: UUID
    customer_id: UUID
    anchor_id: UUID
    customer_ids: Sequence[UUID]


EraseMore = Callable[[AsyncSession, ErasedCustomer, int], Awaitable[Mapping[str, int]]]
"""A service's own deletions, of at most so many rows: by table what was deleted, nothing once nothing is left.

Called before the rows of the registered tables go, so that it can still find what hangs on them."""

Finish = Callable[[AsyncSession, ErasedCustomer, dict[str, int]], Awaitable[None]]
"""Says, in the transaction that finds nothing left, that the customer is erased and how many rows of which table."""

OWNED = """
(t.customer_id = ANY($1::uuid[])
 OR t.anchor_id = ANY(ARRAY(SELECT anchor_id FROM anchors WHERE customer_id = ANY($1::uuid[]))))
AND NOT EXISTS (SELECT FROM anchors a WHERE a.anchor_id = t.anchor_id AND a.customer_id <> ALL($1::uuid[]))
"""
"""Condition on a table `t` with an `anchor_id`: its row belongs to one of the customers ($1)."""

NAMED = "t.customer_id = ANY($1::uuid[])"
"""The same for a table without an `anchor_id`."""

_REMEMBER = """
INSERT INTO erased_customers (customer_id, erasure_id)
SELECT DISTINCT ON (customer_id) customer_id, erasure_id
FROM unnest($1::uuid[], $2::uuid[]) AS t (customer_id, erasure_id)
ORDER BY customer_id
ON CONFLICT DO NOTHING
"""
_BEGIN = """
INSERT INTO erasure_work (erasure_id, customer_id, anchor_id, asked_at)
SELECT DISTINCT ON (erasure_id) * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::timestamptz[])
    AS t (erasure_id, customer_id, anchor_id, asked_at)
ORDER BY erasure_id
ON CONFLICT DO NOTHING
"""
_CLAIM = """
SELECT erasure_id, customer_id, anchor_id, rows,
       ARRAY(SELECT e.customer_id FROM erased_customers e WHERE e.erasure_id = w.erasure_id) AS customer_ids
FROM erasure_work w WHERE finished_at IS NULL ORDER BY asked_at, erasure_id LIMIT 1 FOR UPDATE SKIP LOCKED
"""
_REOPEN = """
UPDATE erasure_work w SET finished_at = NULL FROM erased_customers e
WHERE e.customer_id = ANY($1::uuid[]) AND e.erasure_id = w.erasure_id AND w.finished_at IS NOT NULL
"""
_CURRENT = """
SELECT t.anchor_id, t.customer_id, a.customer_id AS current_id, e.customer_id IS NOT NULL AS is_erased
FROM unnest($1::uuid[], $2::uuid[]) AS t (anchor_id, customer_id)
LEFT JOIN anchors a ON a.anchor_id = t.anchor_id
LEFT JOIN erased_customers e ON e.customer_id = coalesce(a.customer_id, t.customer_id)
WHERE a.anchor_id IS NOT NULL OR e.customer_id IS NOT NULL
"""


async def remember_erased(session: AsyncSession, facts: Sequence[CustomerErased]) -> None:
    """Remember the customers of these erasures, present and former ids, and that their rows are to be deleted."""
    pairs = [(each, fact.erasure_id) for fact in facts for each in (fact.customer_id, *fact.former_customer_ids)]
    connection = await raw(session)
    await connection.execute(_REMEMBER, [pair[0] for pair in pairs], [pair[1] for pair in pairs])
    await connection.execute(
        _BEGIN,
        [fact.erasure_id for fact in facts],
        [fact.customer_id for fact in facts],
        [fact.anchor_id for fact in facts],
        [fact.occurred_at for fact in facts],
    )


async def erased_among(session: AsyncSession, customer_ids: Iterable[UUID]) -> frozenset[UUID]:
    """Return those of the customers that are erased; for writers that are no consumers."""
    rows = await (await raw(session)).fetch(
        "SELECT customer_id FROM erased_customers WHERE customer_id = ANY($1::uuid[])", list(customer_ids)
    )
    return frozenset(row["customer_id"] for row in rows)


async def reopen_erasures(session: AsyncSession, customer_ids: Iterable[UUID]) -> None:
    """Delete again: an anchor came to one of these customers late (a replayed move), and its rows with it."""
    await (await raw(session)).execute(_REOPEN, list(set(customer_ids)))


async def of_living_customers(session: AsyncSession, facts: Sequence[Fact]) -> list[Fact]:
    """Return the facts with the customer their anchor belongs to now, without those of erased customers.

    One indexed lookup for the batch, of two small tables that are empty until something moved or was erased.
    """
    named = {(fact.anchor_id, fact.customer_id) for fact in facts}
    rows = await (await raw(session)).fetch(_CURRENT, *(list(column) for column in zip(*named, strict=True)))
    if not rows:
        return list(facts)
    known = {(row["anchor_id"], row["customer_id"]): row for row in rows}
    living: list[Fact] = []
    for fact in facts:
        row = known.get((fact.anchor_id, fact.customer_id))
        if row is not None and row["is_erased"]:
            continue
        current = fact.customer_id if row is None or row["current_id"] is None else row["current_id"]
        living.append(fact if current == fact.customer_id else fact.model_copy(update={"customer_id": current}))
    return living


def receipt(kind: type[Any], *, clock: Clock, partitions: int) -> Finish:  # the class of the service's own fact
    """Publish the service's receipt: `kind` takes a fact's common fields, `erasure_id` and `rows`."""

    async def finish(session: AsyncSession, customer: ErasedCustomer, rows: dict[str, int]) -> None:
        fact = kind(
            event_id=uuid4(),
            customer_id=customer.customer_id,
            anchor_id=customer.anchor_id,
            occurred_at=clock.now(),
            erasure_id=customer.erasure_id,
            rows=rows,
        )
        await publish(session, [fact], partitions=partitions)

    return finish


class Erasures:
    """The handler of `identity.customer.erased` and the worker that deletes, in chunks of `chunk` rows.

    Every table with a `customer_id` is emptied of the customer: facts first, conclusions after them. `more` deletes
    what hangs on those rows without naming the customer itself.
    """

    takes_erased = True

    def __init__(
        self,
        *,
        database: Database,
        base: type[SQLModel],
        finish: Finish,
        clock: Clock,
        more: Sequence[EraseMore] = (),
        chunk: int = 5000,
        kept_facts: frozenset[str] = frozenset(),
        kept_tables: frozenset[str] = frozenset(),
    ) -> None:
        """`kept_facts`: types that go out although the customer is erased. `kept_tables`: `more` sees to them."""
        self._database = database
        self._conditions = {
            table: condition for table, condition in owned_rows(base).items() if table not in kept_tables
        }
        self._finish = finish
        self._clock = clock
        self._more = more
        self._chunk = chunk
        self._kept_facts = kept_facts
        self.worker = PeriodicWorker("eraser", 5, self._erase_some)

    async def __call__(self, session: AsyncSession, facts: list[CustomerErased]) -> None:
        """Remember whom to forget; the worker does the rest."""
        await remember_erased(session, facts)
        self.wake_after_commit(session)

    def wake_after_commit(self, session: AsyncSession) -> None:
        """Let the worker look at once when this transaction is committed."""
        wake_after_commit(session, self.worker.wake)

    async def _erase_some(self) -> bool:
        """Delete one chunk of one customer's rows, or finish; True while there may be more."""
        async with self._database.transaction() as session:
            claimed = await self._claim(session)
            if claimed is None:
                return False
            customer, rows = claimed
            deleted = await self._delete(session, customer)
            if deleted:
                await self._note(session, customer, rows + deleted)
                return True
        await self._finish_one()
        return True

    async def _claim(self, session: AsyncSession) -> tuple[ErasedCustomer, Counter[str]] | None:
        row = await (await raw(session)).fetchrow(_CLAIM)
        if row is None:
            return None
        customer = ErasedCustomer(
            erasure_id=row["erasure_id"],
            customer_id=row["customer_id"],
            anchor_id=row["anchor_id"],
            customer_ids=row["customer_ids"],
        )
        return customer, Counter(row["rows"])

    async def _delete(self, session: AsyncSession, customer: ErasedCustomer) -> Counter[str]:
        """Delete about a chunk of rows; nothing is deleted only when nothing is left."""
        deleted: Counter[str] = Counter()
        for erase_more in self._more:
            deleted.update(await erase_more(session, customer, self._chunk))
            if deleted.total():
                return +deleted
        connection = await raw(session)
        for table, condition in self._conditions.items():
            left = self._chunk - deleted.total()
            deleted[table] += await delete_rows(connection, table, condition, customer.customer_ids, limit=left)
            if deleted.total() >= self._chunk:
                break
        return +deleted

    async def _finish_one(self) -> None:
        """With writers kept out, delete what was written meanwhile, what is under way, and say that it is done."""
        async with self._database.transaction() as session:
            await keep_writers_out(session)
            claimed = await self._claim(session)
            if claimed is None:
                return
            customer, rows = claimed
            while deleted := await self._delete(session, customer):
                rows += deleted
            rows += await self._clear_leftovers(session, customer)
            await self._finish(session, customer, dict(sorted((+rows).items())))
            await self._note(session, customer, rows)
            await (await raw(session)).execute(
                "UPDATE erasure_work SET finished_at = $2 WHERE erasure_id = $1", customer.erasure_id, self._clock.now()
            )

    async def _note(self, session: AsyncSession, customer: ErasedCustomer, rows: Counter[str]) -> None:
        await (await raw(session)).execute(
            "UPDATE erasure_work SET rows = $2 WHERE erasure_id = $1", customer.erasure_id, json_text(dict(+rows))
        )

    async def _clear_leftovers(self, session: AsyncSession, customer: ErasedCustomer) -> Counter[str]:
        connection = await raw(session)
        return Counter(
            {
                "outbox": await _withhold_facts(connection, customer.customer_ids, kept=self._kept_facts),
                "dead_letters": await _delete_dead_letters(connection, customer.customer_ids),
                "idempotency_keys": await _blank_answers(connection, customer.customer_ids),
            }
        )


def owned_rows(base: type[SQLModel]) -> dict[str, str]:
    """Return, by table with a `customer_id`, the condition on its rows `t` to belong to the customers $1.

    Facts come before conclusions: what is concluded from rows that are still there is concluded again.
    """
    order = {"move": 0, "recompute": 1, "keep": 2}
    follow = rows_follow(base)
    return {
        table: OWNED if "anchor_id" in base.metadata.tables[table].c else NAMED
        for table in sorted(follow, key=lambda name: (order[follow[name]], name))
    }


async def delete_rows(
    connection: asyncpg.Connection, table: str, condition: str, customer_ids: Sequence[UUID], *, limit: int
) -> int:
    """Delete at most `limit` of a table's rows for which a condition on `t` and $1 holds; return how many."""
    status: str = await connection.execute(
        f"""
        WITH due AS MATERIALIZED (SELECT t.ctid FROM "{table}" t WHERE {condition} LIMIT $2 FOR UPDATE OF t)
        DELETE FROM "{table}" t USING due WHERE t.ctid = due.ctid
        """,  # noqa: S608  # both come from the models' registry and the service's own code, never from outside
        list(customer_ids),
        limit,
    )
    return int(status.rsplit(" ", 1)[-1])


def _id(fact: Any, field: str) -> UUID | None:  # JSON of any shape
    try:
        return UUID(str(fact[field]))
    except (KeyError, TypeError, ValueError):
        return None


def _is_about(fact: Any, customer_ids: frozenset[UUID], owners: Mapping[UUID, UUID]) -> bool:  # JSON of any shape
    """Whether a fact that names one of the customers is about them; one that cannot be read is taken for theirs."""
    anchor_id, customer_id = _id(fact, "anchor_id"), _id(fact, "customer_id")
    if anchor_id is None or customer_id is None:
        return True
    return owners.get(anchor_id, customer_id) in customer_ids


async def _withhold_facts(connection: asyncpg.Connection, customer_ids: Sequence[UUID], *, kept: frozenset[str]) -> int:
    """Take the customers' facts out of messages that are not published yet; return how many facts."""
    erased, withheld = frozenset(customer_ids), 0
    rows = await connection.fetch(
        "SELECT sequence, payload FROM outbox "
        "WHERE type <> ALL($2::text[]) AND payload LIKE ANY($1::text[]) ORDER BY sequence FOR UPDATE",
        [f"%{customer_id}%" for customer_id in customer_ids],
        list(kept),
    )
    for row in rows:
        facts = json.loads(row["payload"])["facts"]
        others = [fact for fact in facts if not _is_about(fact, erased, {})]
        withheld += len(facts) - len(others)
        if others:
            body = json.dumps({"facts": others}, ensure_ascii=False, separators=(",", ":"))
            await connection.execute("UPDATE outbox SET payload = $2 WHERE sequence = $1", row["sequence"], body)
        else:
            await connection.execute("DELETE FROM outbox WHERE sequence = $1", row["sequence"])
    return withheld


async def _delete_dead_letters(connection: asyncpg.Connection, customer_ids: Sequence[UUID]) -> int:
    """Delete what was put aside about the customers, by their ids or by anchors that came to them."""
    erased = frozenset(customer_ids)
    came = await connection.fetch("SELECT anchor_id FROM anchors WHERE customer_id = ANY($1::uuid[])", list(erased))
    rows = await connection.fetch(
        "SELECT event_id, payload FROM dead_letters WHERE encode(payload, 'escape') LIKE ANY($1::text[])",
        [f"%{identifier}%" for identifier in (*erased, *(row["anchor_id"] for row in came))],
    )
    letters = {row["event_id"]: _read(row["payload"]) for row in rows}
    owners = await _owners(connection, letters.values())
    gone = [event_id for event_id, fact in letters.items() if _is_about(fact, erased, owners)]
    await connection.execute("DELETE FROM dead_letters WHERE event_id = ANY($1::uuid[])", gone)
    return len(gone)


async def _owners(connection: asyncpg.Connection, facts: Iterable[Any]) -> dict[UUID, UUID]:  # JSON of any shape
    anchor_ids = [anchor_id for fact in facts if (anchor_id := _id(fact, "anchor_id")) is not None]
    rows = await connection.fetch(
        "SELECT anchor_id, customer_id FROM anchors WHERE anchor_id = ANY($1::uuid[])", anchor_ids
    )
    return {row["anchor_id"]: row["customer_id"] for row in rows}


def _read(payload: bytes) -> Any:  # JSON of any shape, or None
    try:
        return json.loads(payload)
    except ValueError:
        return None


_GONE = {"type": "about:blank", "title": "Gone", "status": 410, "detail": "The customer was erased.", "code": "erased"}


async def _blank_answers(connection: asyncpg.Connection, customer_ids: Sequence[UUID]) -> int:
    """Replace stored answers that name the customers, kept for requests that come again; return how many."""
    status: str = await connection.execute(
        "UPDATE idempotency_keys SET status = 410, body = $2, headers = $3 "
        "WHERE body IS NOT NULL AND encode(body, 'escape') LIKE ANY($1::text[])",
        [f"%{customer_id}%" for customer_id in customer_ids],
        json.dumps(_GONE).encode(),
        json.dumps({"content-type": "application/problem+json"}),
    )
    return int(status.rsplit(" ", 1)[-1])
