"""Decisions: customers are merged and split, and either is undone, by a person or by a rule outside the resolver.

Whatever is decided, anchors move, set-wise and in the caller's transaction. The customers touched are locked in the
order of their ids and get a next version, so that a resolver that read them before starts over. A customer left without
anchors becomes a former one, whose id resolves to whoever holds the oldest anchor it had; one that gets anchors back
comes back with its own id.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID, uuid4

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from contracts.identity import AnchorMoved
from identity_service.repository import decisions as repository
from identity_service.repository.decisions import AnchorMove, EndedCustomer, HeldAnchor, NewDecision
from identity_service.schemas.decisions import DecisionAnswer
from identity_service.service.decisions_shown import get_decision
from servicekit.clock import Clock
from servicekit.database import raw
from servicekit.errors import Conflict, Invalid, NotFound, Unavailable
from servicekit.outbox import publish

MERGE, SPLIT, UNDO = "merge", "split", "undo"
MANUAL, REVIEW = "manual", "review"
BY_PERSONS = frozenset({MANUAL, REVIEW})
"""Rules of merges that a person decided: they lift separations."""

OURSELVES = "identity"
"""`source_id` of links that a decision is the evidence of."""

_LINK_RULES: Mapping[str, str] = {MANUAL: "decision", REVIEW: "decision"}
_ATTEMPTS = 10


class Decider(NamedTuple):
    """Who decides, and with what."""

    by: str
    clock: Clock
    new_id: Callable[[], UUID]
    partitions: int


class _Locked(NamedTuple):
    """Customers that nobody else changes until the transaction ends."""

    now: dict[UUID, UUID]
    """Asked id -> the customer it is now; unknown ids are left out."""
    versions: dict[UUID, int]
    anchors: list[HeldAnchor]
    """All that they hold, the oldest first."""


class _Context(NamedTuple):
    """What every decision is made with."""

    session: AsyncSession
    connection: asyncpg.Connection
    at: datetime
    partitions: int


async def merge_customers(
    session: AsyncSession,
    customer_ids: Sequence[UUID],
    decider: Decider,
    *,
    why: str,
    into: UUID | None = None,
    rule: str = MANUAL,
    score: float | None = None,
    source_id: str | None = None,
    event_id: UUID | None = None,
) -> DecisionAnswer:
    """Make customers one: `into`, else the oldest of them, stays and gets the others' anchors. Former ids are followed.

    A merge by a person (rule `manual` or `review`) lifts separations between them; another rule respects them.

    Raises:
        Invalid: fewer than two customers, one twice, or `into` is none of them.
        NotFound: one was never known, or is erased.
        Conflict: they are one already, or the rule meets a separation.
    """
    if len(set(customer_ids)) < len(customer_ids) or len(customer_ids) < 2:
        raise Invalid("Name at least two different customers.", field="customer_ids")
    if into is not None and into not in customer_ids:
        raise Invalid("This is none of the customers to be merged.", field="into")
    context = _Context(session, await raw(session), decider.clock.now(), decider.partitions)
    locked = await _lock(context.connection, customer_ids)
    _refuse_unknown(customer_ids, locked)
    if len(locked.versions) < 2:
        raise Conflict("These ids are one customer already.", field="customer_ids")
    await _respect_separations(context, locked, rule)
    stays = min(locked.versions) if into is None else locked.now[into]
    decision = NewDecision(
        decider.new_id(), MERGE, stays, rule, decider.by, why, score, source_id, event_id,
        await repository.find_rules_version(context.connection), None, context.at,
    )  # fmt: skip
    await _move(context, decision, locked, {one: stays for one in locked.anchors if one.customer_id != stays})
    await _link(context, decision, locked.anchors, stays)
    return await get_decision(session, decision.decision_id)


async def split_customer(
    session: AsyncSession, customer_id: UUID, anchor_ids: Collection[UUID], decider: Decider, *, why: str
) -> DecisionAnswer:
    """Give some anchors of a customer to a new customer. No rule joins the two sides again until that is lifted.

    Raises:
        Invalid: no anchor, all anchors, or one that is not the customer's is named.
        NotFound: there is no such customer.
    """
    context = _Context(session, await raw(session), decider.clock.now(), decider.partitions)
    locked = await _lock(context.connection, [customer_id])
    _refuse_unknown([customer_id], locked, field="customer_id")
    going = {one for one in locked.anchors if one.anchor_id in set(anchor_ids)}
    _refuse_impossible_split(anchor_ids, locked.anchors)
    decision = NewDecision(
        decider.new_id(), SPLIT, locked.now[customer_id], MANUAL, decider.by, why, None, None, None,
        await repository.find_rules_version(context.connection), None, context.at,
    )  # fmt: skip
    new_customer_id = decider.new_id()
    await _move(
        context,
        decision,
        locked,
        {one: new_customer_id for one in locked.anchors if one in going},
        made_at={new_customer_id: context.at},
    )
    await repository.insert_separations(
        context.connection,
        decision.decision_id,
        stayed=[one.anchor_id for one in locked.anchors if one not in going],
        went=[one.anchor_id for one in going],
    )
    return await get_decision(session, decision.decision_id)


async def undo_decision(session: AsyncSession, decision_id: UUID, decider: Decider, *, why: str) -> DecisionAnswer:
    """Move back what a decision moved, as far as it still is where the decision put it. An undo can be undone, too.

    What comes apart by it is separated: no rule joins it again. What comes together by it is no longer separated.

    Raises:
        NotFound: there is no such decision.
        Conflict: it is undone already, or all of its anchors have moved on.
    """
    context = _Context(session, await raw(session), decider.clock.now(), decider.partitions)
    undone = await repository.lock_decision(context.connection, decision_id)
    if undone is None:
        raise NotFound(f"There is no decision {decision_id}.", field="decision_id")
    if undone["undone_by"] is not None:
        raise Conflict(f"It is undone already, by the decision {undone['undone_by']}.", field="decision_id")
    has_joined = await repository.joined_customers(context.connection, decision_id)
    moves = await repository.find_moves(context.connection, decision_id)
    locked = await _lock(
        context.connection, {one.customer_id for one in moves} | {one.former_customer_id for one in moves}
    )
    back = _ways_back(moves, locked, dividing=has_joined, new_id=decider.new_id)
    if not back:
        raise Conflict("None of its anchors is where it put them: undo the later decisions first.", field="decision_id")
    anchor, goes_to = next(iter(back.items()))
    decision = NewDecision(
        decider.new_id(), UNDO, anchor.customer_id if has_joined else goes_to, MANUAL, decider.by, why,
        None, None, None,
        await repository.find_rules_version(context.connection), decision_id, context.at,
    )  # fmt: skip
    await repository.mark_undone(context.connection, decision_id, by=decision.decision_id)
    await _move(
        context,
        decision,
        locked,
        back,
        made_at={customer_id: _made_at(customer_id) for customer_id in back.values()},
    )
    if has_joined:
        await _separate(context, decision, locked, back)
        await repository.delete_links(context.connection, decision_id, anchor_ids=[one.anchor_id for one in moves])
    else:
        await _join_again(context, decision, locked, back, undone=decision_id)
    made = await get_decision(session, decision.decision_id)
    return made.model_copy(update={"anchors_left": len({one.anchor_id for one in moves}) - len(back)})


def _ways_back(
    moves: Sequence[AnchorMove], locked: _Locked, *, dividing: bool, new_id: Callable[[], UUID]
) -> dict[HeldAnchor, UUID]:
    """Return where each anchor that can go back goes.

    Customers that came together come apart even when they have become another one since, and each goes back to its own
    id - to a new one if that was erased, for nothing is known of an erased id ever again. Anchors that were taken apart
    go back to the customer they left, or what that has become.
    """
    held = {one.anchor_id: one for one in locked.anchors}
    own_ids: dict[UUID, UUID] = {}
    back: dict[HeldAnchor, UUID] = {}
    for move in moves:
        anchor, left = held.get(move.anchor_id), move.former_customer_id
        put_to = locked.now.get(move.customer_id) if dividing else move.customer_id
        if anchor is None or anchor.customer_id != put_to:
            continue
        goes_to = locked.now.get(left)
        if dividing and left not in locked.versions:
            goes_to = left if goes_to is not None else own_ids.setdefault(left, new_id())
        if goes_to is not None and goes_to != put_to:
            back[anchor] = goes_to
    return back


async def _lock(connection: asyncpg.Connection, customer_ids: Collection[UUID]) -> _Locked:
    """Lock the customers that these ids are now; whatever changes them meanwhile, what is returned holds.

    Raises:
        Unavailable: they change faster than they can be locked.
    """
    for _ in range(_ATTEMPTS):
        savepoint = connection.transaction()
        await savepoint.start()
        now = await repository.resolve_customers(connection, customer_ids)
        versions = await repository.lock_customers(connection, set(now.values()))
        if await repository.resolve_customers(connection, customer_ids) == now and versions.keys() == set(now.values()):
            await savepoint.commit()
            return _Locked(now, versions, await repository.find_held_anchors(connection, versions.keys()))
        await savepoint.rollback()  # lets the locks go, so that all are taken in order again
    raise Unavailable("These customers are changing too fast now. Send the request again later.")


async def _move(
    context: _Context,
    decision: NewDecision,
    locked: _Locked,
    destinations: Mapping[HeldAnchor, UUID],
    *,
    made_at: Mapping[UUID, datetime] | None = None,
) -> None:
    """Move anchors, make and end customers as that demands, and say so.

    All customers touched get a version above all of theirs: an id that comes back never has a version it had before.
    """
    moves = [
        AnchorMove(anchor.anchor_id, anchor.version + 1, anchor.customer_id, goes_to)
        for anchor, goes_to in destinations.items()
    ]
    version = max(locked.versions.values()) + 1
    new = [(one, at) for one, at in (made_at or {}).items() if one not in locked.versions]
    if new:
        await repository.insert_customers(context.connection, new, version=version)
    await repository.insert_decision(context.connection, decision, moves)
    ended = _emptied(locked.anchors, moves)
    if ended:
        await repository.end_customers(context.connection, ended, decision)
    touched = {move.customer_id for move in moves} | {move.former_customer_id for move in moves}
    await repository.bump_customers(context.connection, touched, version=version)
    await publish(context.session, _facts(moves, decision), partitions=context.partitions)


def _emptied(anchors: Sequence[HeldAnchor], moves: Sequence[AnchorMove]) -> list[EndedCustomer]:
    """Return the customers that hold nothing any more. Anchor ids sort by age."""
    left: defaultdict[UUID, int] = defaultdict(int)
    for anchor in anchors:
        left[anchor.customer_id] += 1
    oldest: dict[UUID, AnchorMove] = {}
    for move in moves:
        left[move.former_customer_id] -= 1
        left[move.customer_id] += 1
        known = oldest.get(move.former_customer_id)
        if known is None or move.anchor_id < known.anchor_id:
            oldest[move.former_customer_id] = move
    return [
        EndedCustomer(former, move.anchor_id, move.customer_id)
        for former, move in sorted(oldest.items())
        if left[former] == 0
    ]


def _facts(moves: Sequence[AnchorMove], decision: NewDecision) -> list[AnchorMoved]:
    return [
        AnchorMoved(
            event_id=uuid4(),
            customer_id=move.customer_id,
            anchor_id=move.anchor_id,
            occurred_at=decision.decided_at,
            former_customer_id=move.former_customer_id,
            version=move.version,
            reason=decision.kind,
            decision_id=decision.decision_id,
        )
        for move in moves
    ]


async def _link(context: _Context, decision: NewDecision, anchors: Sequence[HeldAnchor], stays: UUID) -> None:
    """Make the decision the evidence between the oldest anchor of who stayed and those of the others."""
    oldest: dict[UUID, UUID] = {}
    for anchor in anchors:
        oldest.setdefault(anchor.customer_id, anchor.anchor_id)
    pairs = [(oldest[stays], other) for customer_id, other in oldest.items() if customer_id != stays]
    rule = _LINK_RULES.get(decision.rule, decision.rule)
    await repository.insert_links(context.connection, pairs, source_id=OURSELVES, decision=decision, rule=rule)


async def _respect_separations(context: _Context, locked: _Locked, rule: str) -> None:
    crossed = await repository.find_crossed_separations(context.connection, locked.versions)
    if crossed and rule not in BY_PERSONS:
        raise Conflict("A person separated these customers: only a person joins them.", field="customer_ids")
    await repository.lift_separations(context.connection, crossed)


async def _separate(context: _Context, decision: NewDecision, locked: _Locked, back: Mapping[HeldAnchor, UUID]) -> None:
    """After the undo of a joining no rule joins the sides again."""
    went = {anchor.anchor_id for anchor in back}
    left, dest = {anchor.customer_id for anchor in back}, set(back.values())
    went_before = {one.anchor_id for one in locked.anchors if one.customer_id in dest}
    stayed = {one.anchor_id for one in locked.anchors if one.customer_id in left - dest} - went
    if stayed:
        await repository.insert_separations(
            context.connection, decision.decision_id, stayed=stayed, went=went | went_before
        )


async def _join_again(
    context: _Context, decision: NewDecision, locked: _Locked, back: Mapping[HeldAnchor, UUID], *, undone: UUID
) -> None:
    """After the undo of a dividing: the two sides may be joined by anybody again."""
    crossed = await repository.find_crossed_separations(context.connection, set(back.values()))
    await repository.lift_separations(context.connection, {*crossed, undone})
    for goes_to in set(back.values()):
        anchors = [one for one in locked.anchors if back.get(one, one.customer_id) == goes_to]
        await _link(context, decision, anchors, goes_to)


def _made_at(customer_id: UUID) -> datetime:
    """When a customer was made, which its id says (UUIDv7: milliseconds since 1970 in the first 48 bits)."""
    return datetime.fromtimestamp(int.from_bytes(customer_id.bytes[:6]) / 1000, UTC)


def _refuse_unknown(customer_ids: Sequence[UUID], locked: _Locked, *, field: str = "customer_ids") -> None:
    for index, customer_id in enumerate(customer_ids):
        if customer_id not in locked.now:
            raise NotFound(
                f"There is no customer {customer_id}: never known, or erased.",
                field=f"{field}.{index}" if len(customer_ids) > 1 else field,
            )


def _refuse_impossible_split(anchor_ids: Collection[UUID], held: Sequence[HeldAnchor]) -> None:
    theirs = {one.anchor_id for one in held}
    if not anchor_ids:
        raise Invalid("Name the identifiers that go.", field="anchor_ids")
    for index, anchor_id in enumerate(anchor_ids):
        if anchor_id not in theirs:
            raise Invalid(f"The identifier {anchor_id} is not this customer's.", field=f"anchor_ids.{index}")
    if theirs <= set(anchor_ids):
        raise Invalid("At least one identifier must stay: these are all.", field="anchor_ids")
