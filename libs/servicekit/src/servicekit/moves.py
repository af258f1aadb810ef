"""Following identity: when an anchor moves to another customer, its facts move and its conclusions are recomputed.

1. A move is *remembered*: `anchors` says where the anchor belongs now (the highest version wins), and late facts follow
   it at once. `moving_customers` says between whom it moves: these customers are *in motion*.
2. The rows of the anchor are *re-keyed*, in chunks, each its own transaction.
3. When no anchor between a group of customers is under way any more, they are *concluded* about anew, all at once.

Whatever was killed in between goes on from what the two tables say. Until 3 the rows of a customer in motion are partly
here and partly there, so nobody should conclude from them: see `customers_in_motion`.
"""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from servicekit.database import Database, raw, wake_after_commit
from servicekit.tables import RowsFollow
from servicekit.workers import PeriodicWorker

Group = frozenset[UUID]
"""Customers among whom anchors moved."""

Recompute = Callable[[AsyncSession, Sequence[Group]], Awaitable[None]]
"""Conclude anew about these customers, all that the moved anchors left, passed or reached; their rows are re-keyed."""


class Move(Protocol):
    """An anchor's move, as identity says it."""

    @property
    def anchor_id(self) -> UUID: ...
    @property
    def customer_id(self) -> UUID: ...
    @property
    def former_customer_id(self) -> UUID: ...
    @property
    def version(self) -> int: ...
    @property
    def occurred_at(self) -> datetime: ...


_MOVES_LOCK = 0x6D6F7665
"""Advisory lock: shared by whoever writes rows of customers, exclusive for a moment while a move is stored."""


async def hold_moves(session: AsyncSession) -> None:
    """Let no move be stored before this transaction ends.

    Call it before reading a customer's id that rows are then written with (consumers do). Otherwise a
    move stored and re-keyed in between would miss the rows this transaction has not committed yet.
    """
    await (await raw(session)).execute("SELECT pg_advisory_xact_lock_shared($1)", _MOVES_LOCK)


async def keep_writers_out(session: AsyncSession) -> None:
    """Wait for those who write rows of customers, or re-key them, and let none begin before this transaction ends.

    What erasure does last, for the moment it takes to look whether anything is left.
    """
    connection = await raw(session)
    for lock in (_REKEYING_LOCK, _MOVES_LOCK):
        await connection.execute("SELECT pg_advisory_xact_lock($1)", lock)


async def wait_for_writers(session: AsyncSession) -> None:
    """Wait until everybody who writes rows of customers now, or re-keys them, has ended; keep nobody out afterwards.

    Whoever begins later sees what was committed before this was called (a definition, say).
    """
    connection = await raw(session)
    for lock in (_REKEYING_LOCK, _MOVES_LOCK):
        # one statement: whatever becomes of this session, it does not keep the lock
        await connection.execute("SELECT pg_advisory_lock($1), pg_advisory_unlock($1)", lock)


async def customers_in_motion(session: AsyncSession, customer_ids: Iterable[UUID]) -> set[UUID]:
    """Return those of the customers whose rows are partly on their way: they are concluded about when all are there.

    Ask after locking what concluding about a customer locks, or the answer may be outdated.
    """
    rows = await (await raw(session)).fetch(
        "SELECT DISTINCT customer_id FROM moving_customers WHERE customer_id = ANY($1::uuid[])", list(customer_ids)
    )
    return {row["customer_id"] for row in rows}


_ANCHORS_AT_ONCE = 100
_CUSTOMERS_AT_ONCE = 200
_REKEYING_LOCK = 0x72656B79
"""Advisory lock: one process re-keys and concludes at a time. Others wait, for a chunk."""

# Locks are taken in the order moving_customers, anchors, the service's own, each in the order of its key: everywhere.
_NOTE_CUSTOMERS = """
INSERT INTO moving_customers (customer_id, anchor_id)
SELECT DISTINCT c.customer_id, m.anchor_id
FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::bigint[]) AS m (anchor_id, customer_id, former_customer_id, version)
LEFT JOIN anchors a ON a.anchor_id = m.anchor_id
CROSS JOIN LATERAL (VALUES (m.customer_id), (m.former_customer_id), (a.customer_id)) AS c (customer_id)
WHERE c.customer_id IS NOT NULL AND (a.version IS NULL OR m.version > a.version)
ORDER BY 1, 2
ON CONFLICT (customer_id, anchor_id) DO UPDATE SET anchor_id = excluded.anchor_id -- waits for a conclusion in hand
"""
_REMEMBER = """
INSERT INTO anchors (anchor_id, customer_id, former_customer_id, version, pending)
SELECT DISTINCT ON (anchor_id) anchor_id, customer_id, former_customer_id, version, 1
FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::bigint[]) AS t (anchor_id, customer_id, former_customer_id, version)
ORDER BY anchor_id, version DESC
ON CONFLICT (anchor_id) DO UPDATE SET
    customer_id = excluded.customer_id,
    former_customer_id = excluded.former_customer_id,
    version = excluded.version,
    pending = anchors.pending + 1
WHERE excluded.version > anchors.version
"""
_PENDING = """
SELECT anchor_id, version FROM anchors
WHERE pending > 0 AND ($1::uuid IS NULL OR anchor_id > $1) ORDER BY anchor_id LIMIT $2
"""
_FINISH = """
UPDATE anchors SET pending = 0 WHERE anchor_id IN (
    SELECT anchor_id FROM anchors
    JOIN unnest($1::uuid[], $2::bigint[]) AS t (anchor_id, version) USING (anchor_id, version)
    ORDER BY anchor_id FOR UPDATE OF anchors
)
"""
# However large a table is and whatever its statistics say: by the index on anchor_id, and by the place of the row.
_BY_INDEX = """
SELECT set_config('enable_seqscan', 'off', true), set_config('enable_hashjoin', 'off', true),
       set_config('enable_mergejoin', 'off', true)
"""
# Locked in one statement, changed by the next: a row that somebody else changes meanwhile is found at its new place.
_FIND_ROWS = """
SELECT due.place, due.former_customer_id, a.anchor_id, a.customer_id
FROM anchors a CROSS JOIN LATERAL (
    SELECT t.ctid::text AS place, t.customer_id AS former_customer_id FROM "{table}" t
    WHERE t.anchor_id = a.anchor_id AND t.customer_id <> a.customer_id
    LIMIT $2 FOR UPDATE OF t
) AS due
WHERE a.anchor_id = ANY($1::uuid[])
"""
_MOVE_ROWS = """
UPDATE "{table}" t SET customer_id = due.customer_id
FROM unnest($1::text[], $2::uuid[]) AS due (place, customer_id) WHERE t.ctid = due.place::tid
"""
_NOTE_FORMER = """
INSERT INTO moving_customers (customer_id, anchor_id)
SELECT customer_id, anchor_id FROM unnest($1::uuid[], $2::uuid[]) AS t (customer_id, anchor_id) ORDER BY 1, 2
ON CONFLICT DO NOTHING
"""
# Customers none of whose own anchors is under way, and whoever is connected with them by anchors.
_CONNECTED = """
WITH RECURSIVE connected AS (
    (SELECT DISTINCT m.customer_id FROM moving_customers m
     WHERE NOT EXISTS (SELECT FROM moving_customers o JOIN anchors a USING (anchor_id)
                       WHERE o.customer_id = m.customer_id AND a.pending > 0)
     LIMIT $1)
    UNION
    SELECT other.customer_id FROM connected
    JOIN moving_customers m ON m.customer_id = connected.customer_id
    JOIN moving_customers other ON other.anchor_id = m.anchor_id
)
SELECT customer_id FROM connected
"""
# Two statements: the second sees what was committed while the first waited for its locks.
_HOLD_CUSTOMERS = """
SELECT FROM moving_customers WHERE customer_id = ANY($1::uuid[]) ORDER BY customer_id, anchor_id FOR UPDATE
"""
_READ_HELD = """
SELECT m.customer_id, m.anchor_id, COALESCE(a.pending, 0) > 0 AS under_way
FROM moving_customers m LEFT JOIN anchors a USING (anchor_id) WHERE m.customer_id = ANY($1::uuid[])
"""
_FORGET_PAIRS = """
DELETE FROM moving_customers m USING unnest($1::uuid[], $2::uuid[]) AS t (customer_id, anchor_id)
WHERE m.customer_id = t.customer_id AND m.anchor_id = t.anchor_id
"""


class AnchorMoves:
    """The handler of `identity.anchors.moved` and the worker that re-keys rows afterwards, in resumable chunks.

    A transaction re-keys about `chunk` rows, shared among the anchors that are under way, so that nobody is blocked, a
    small move does not wait for a big one to end, and a kill in between loses nothing.
    """

    takes_moves = True

    def __init__(
        self,
        *,
        database: Database,
        tables: Mapping[str, RowsFollow],
        recompute: Recompute | None = None,
        chunk: int = 5000,
    ) -> None:
        self._database = database
        self._moving = [name for name, choice in tables.items() if choice == "move"]
        self._recompute = recompute
        self._chunk = chunk
        self._more_to_conclude = False
        self._last: UUID | None = None
        """The last anchor looked at: the next chunk begins behind it, so that everybody has their turn."""
        self.worker = PeriodicWorker("rekeyer", 30, self._follow_some)

    async def __call__(self, session: AsyncSession, moves: list[Move]) -> None:
        """Store where the anchors belong now; the highest version wins."""
        connection = await raw(session)
        columns = (
            [move.anchor_id for move in moves],
            [move.customer_id for move in moves],
            [move.former_customer_id for move in moves],
            [move.version for move in moves],
        )
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _MOVES_LOCK)
        await connection.execute(_NOTE_CUSTOMERS, *columns)
        await connection.execute(_REMEMBER, *columns)
        wake_after_commit(session, self.worker.wake)

    async def _follow_some(self) -> bool:
        """Re-key one chunk, then conclude about some of those who have everything; True while there may be more."""
        rekeyed, has_arrived = await self._rekey_some()
        if has_arrived or not rekeyed or self._more_to_conclude:
            self._more_to_conclude = await self._conclude_some()
        return rekeyed or self._more_to_conclude

    async def _rekey_some(self) -> tuple[bool, bool]:
        """Re-key one chunk of the next anchors; return whether some were under way, and whether some arrived."""
        async with self._database.transaction() as session:
            connection = await raw(session)
            await connection.execute("SELECT pg_advisory_xact_lock($1)", _REKEYING_LOCK)
            versions = await self._next_anchors(session)
            if not versions:
                return False, False
            await connection.execute(_BY_INDEX)
            arrived = await self._rekey_anchors(session, list(versions))
            await connection.execute(_FINISH, arrived, [versions[anchor_id] for anchor_id in arrived])
            self._last = max(versions)
            return True, bool(arrived)

    async def _next_anchors(self, session: AsyncSession) -> dict[UUID, int]:
        connection = await raw(session)
        rows = await connection.fetch(_PENDING, self._last, _ANCHORS_AT_ONCE)
        if not rows and self._last is not None:
            rows = await connection.fetch(_PENDING, None, _ANCHORS_AT_ONCE)
        return {row["anchor_id"]: row["version"] for row in rows}

    async def _rekey_anchors(self, session: AsyncSession, anchor_ids: list[UUID]) -> list[UUID]:
        """Re-key until the chunk is full; return the anchors of which no row is anywhere else any more."""
        share = max(self._chunk // len(anchor_ids), 1)
        under_way, arrived, moved = anchor_ids, list[UUID](), 0
        while under_way and moved < self._chunk:
            counts: dict[UUID, int] = defaultdict(int)
            for table in self._moving:
                for anchor_id in await self._rekey_table(session, table, under_way, share):
                    counts[anchor_id] += 1
            arrived += [anchor_id for anchor_id in under_way if anchor_id not in counts]
            under_way = list(counts)
            moved += sum(counts.values())
        return arrived

    async def _rekey_table(self, session: AsyncSession, table: str, anchor_ids: list[UUID], share: int) -> list[UUID]:
        """Re-key up to `share` rows of each anchor; return the anchor of each row."""
        connection = await raw(session)
        # `table` comes from the models' registry, never from outside
        rows = await connection.fetch(_FIND_ROWS.format(table=table), anchor_ids, share)
        if rows:
            places, targets = [row["place"] for row in rows], [row["customer_id"] for row in rows]
            await connection.execute(_MOVE_ROWS.format(table=table), places, targets)
            sides = {(row[side], row["anchor_id"]) for row in rows for side in ("former_customer_id", "customer_id")}
            await connection.execute(_NOTE_FORMER, *(list(column) for column in zip(*sides, strict=True)))
        return [row["anchor_id"] for row in rows]

    async def _conclude_some(self) -> bool:
        """Conclude about some groups of customers of whom nothing is under way any more; True when there were any."""
        async with self._database.transaction() as session:
            connection = await raw(session)
            await connection.execute("SELECT pg_advisory_xact_lock($1)", _REKEYING_LOCK)
            customer_ids = [row["customer_id"] for row in await connection.fetch(_CONNECTED, _CUSTOMERS_AT_ONCE)]
            await connection.execute(_HOLD_CUSTOMERS, customer_ids)
            held = await connection.fetch(_READ_HELD, customer_ids)
            waiting = {row["customer_id"] for row in held if row["under_way"]}
            groups = groups_of((row["customer_id"], row["anchor_id"]) for row in held)
            complete = [group for group in groups if not group & waiting]
            if not complete:
                return False
            if self._recompute is not None:
                await self._recompute(session, complete)
            concluded = set().union(*complete)
            pairs = [row for row in held if row["customer_id"] in concluded]
            await connection.execute(
                _FORGET_PAIRS, [row["customer_id"] for row in pairs], [row["anchor_id"] for row in pairs]
            )
            return True


def groups_of(moves: Iterable[tuple[UUID, UUID]]) -> list[Group]:
    """Return the customers of (customer, anchor) pairs in groups: those that an anchor connects are in one."""
    leader: dict[UUID, UUID] = {}  # union-find: towards the group's leader

    def leader_of(customer_id: UUID) -> UUID:
        while leader[customer_id] != customer_id:
            leader[customer_id] = leader[leader[customer_id]]
            customer_id = leader[customer_id]
        return customer_id

    first_of: dict[UUID, UUID] = {}
    for customer_id, anchor_id in moves:
        leader.setdefault(customer_id, customer_id)
        leader[leader_of(customer_id)] = leader_of(first_of.setdefault(anchor_id, customer_id))
    groups: dict[UUID, set[UUID]] = defaultdict(set)
    for customer_id in leader:
        groups[leader_of(customer_id)].add(customer_id)
    return [frozenset(group) for group in groups.values()]
