"""Following identity: when an anchor moves to another customer, its facts move and its conclusions are recomputed."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from servicekit.database import Database, after_commit, raw
from servicekit.tables import RowsFollow
from servicekit.workers import PeriodicWorker

Recompute = Callable[[AsyncSession, list[UUID]], Awaitable[None]]
"""Conclude anew for these customers (both sides of the move); called after the rows of a move are re-keyed."""


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


_REMEMBER = """
INSERT INTO anchors (anchor_id, customer_id, former_customer_id, version, pending)
SELECT DISTINCT ON (anchor_id) anchor_id, customer_id, former_customer_id, version, 1
FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::bigint[]) AS t (anchor_id, customer_id, former_customer_id, version)
ORDER BY anchor_id, version DESC
ON CONFLICT (anchor_id) DO UPDATE SET
    customer_id = excluded.customer_id,
    former_customer_id =
        CASE WHEN anchors.pending > 0 THEN anchors.former_customer_id ELSE excluded.former_customer_id END,
    version = excluded.version,
    pending = anchors.pending + 1
WHERE excluded.version > anchors.version
"""


class AnchorMoves:
    """The handler of `identity.anchors.moved` and the worker that re-keys rows afterwards, in resumable chunks.

    The mapping is stored first (late facts follow it at once); the rows of big customers follow in chunks of `chunk`
    rows, each its own transaction, so that nobody is blocked and a kill in between loses nothing.
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
        self.worker = PeriodicWorker("rekeyer", 30, self._rekey_some)

    async def __call__(self, session: AsyncSession, moves: list[Move]) -> None:
        """Store where the anchors belong now; the highest version wins."""
        await self._remember(session, moves)

        async def wake() -> None:
            self.worker.wake()

        after_commit(session, wake)

    async def _remember(self, session: AsyncSession, moves: Sequence[Move]) -> None:
        connection = await raw(session)
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _MOVES_LOCK)
        await connection.execute(
            _REMEMBER,
            [move.anchor_id for move in moves],
            [move.customer_id for move in moves],
            [move.former_customer_id for move in moves],
            [move.version for move in moves],
        )

    async def _rekey_some(self) -> bool:
        """Re-key one chunk of one anchor batch; True while there may be more."""
        async with self._database.transaction() as session:
            connection = await raw(session)
            anchors = await connection.fetch(
                "SELECT anchor_id, customer_id, former_customer_id, pending FROM anchors WHERE pending > 0 "
                "ORDER BY anchor_id LIMIT 200 FOR UPDATE SKIP LOCKED"
            )
            if not anchors:
                return False
            moved = 0
            for table in self._moving:
                moved += await self._rekey_table(
                    session, table, [anchor["anchor_id"] for anchor in anchors], self._chunk - moved
                )
                if moved >= self._chunk:
                    return True
            if self._recompute is not None:
                both_sides = {anchor["customer_id"] for anchor in anchors} | {
                    anchor["former_customer_id"] for anchor in anchors
                }
                await self._recompute(session, sorted(both_sides))
            await connection.execute(
                "UPDATE anchors SET pending = 0, former_customer_id = customer_id WHERE anchor_id = ANY($1::uuid[])",
                [anchor["anchor_id"] for anchor in anchors],
            )
            return True

    async def _rekey_table(self, session: AsyncSession, table: str, anchor_ids: list[UUID], limit: int) -> int:
        # `table` comes from the models' registry, never from outside
        status = await (await raw(session)).execute(
            f"""
            WITH due AS MATERIALIZED (
                SELECT t.ctid, a.customer_id FROM "{table}" t JOIN anchors a USING (anchor_id)
                WHERE a.anchor_id = ANY($1::uuid[]) AND t.customer_id <> a.customer_id LIMIT $2
                FOR UPDATE OF t
            )
            UPDATE "{table}" t SET customer_id = due.customer_id FROM due WHERE t.ctid = due.ctid
            """,  # noqa: S608
            anchor_ids,
            limit,
        )
        return int(status.rsplit(" ", 1)[-1])
