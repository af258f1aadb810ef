"""Related persons' dates as they are given, taken back and used: each for the one purpose it was given for."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from contracts.relations import RELATION_DATE_GIVEN, RELATION_DATE_WITHDRAWN, RelationDate
from profile_service.repository import relations
from profile_service.repository.relations import RelationView
from profile_service.rules.relations import Statement, ends_at
from profile_service.rules.timeline import TimelineEvent
from profile_service.service.policy import sight_of
from profile_service.service.recording import Recorder
from servicekit.clock import Clock
from servicekit.database import Database
from servicekit.erasure import erased_among
from servicekit.errors import Conflict, Forbidden, Invalid, NotFound
from servicekit.moves import customers_in_motion, hold_moves

SOURCE_ID = "kizuna-profile"
"""The source of what is written by REST."""


async def put_relation(
    session: AsyncSession,
    customer_id: UUID,
    relation_id: UUID,
    given: RelationDate,
    *,
    recorder: Recorder,
    zone: ZoneInfo,
    now: datetime,
) -> tuple[RelationView, bool]:
    """Keep a date for its purpose, as an event that gave it would; returns it, and whether it is new.

    Putting what is there already changes nothing.

    Raises:
        Invalid: its last day has passed. NotFound: nobody knows the customer.
        Conflict: it was given for another purpose, or the customer is being merged or split.
    """
    sight_of(session).check_name("relation", given.relation, field="relation")
    end = ends_at(given.until, zone)
    if end is not None and end <= now:
        raise Invalid("The last day of use has passed.", field="until")
    anchor_id = await _lock(session, customer_id)
    present = await relations.get_relation(session, customer_id, relation_id, now=now)
    if present is not None:
        sight_of(session).check_name("relation", present.relation, field="relation_id")
    if present is not None and present.purpose != given.purpose:
        raise Conflict(
            f"It was given for the purpose {present.purpose} and is not turned to another. "
            "Ask the customer, and give it as a relation of its own.",
            field="purpose",
        )
    if present is None or _content(present) != (given.relation, given.occasion, given.day, end):
        at = _after(present, now)
        event = _event(RELATION_DATE_GIVEN, customer_id, anchor_id, at=at, purpose=given.purpose)
        await recorder.record(session, [event], statements=[_statement(event, relation_id, given)])
    kept = await relations.get_relation(session, customer_id, relation_id, now=now)
    if kept is None:
        raise Conflict("It was taken back at a later moment than now.", field="relation_id")
    return kept, present is None


def _content(view: RelationView) -> tuple[object, ...]:
    return view.relation, view.occasion, view.day, view.ends_at


async def withdraw_relation(
    session: AsyncSession, customer_id: UUID, relation_id: UUID, *, recorder: Recorder, now: datetime
) -> None:
    """Take a date back: from now on nobody reads it, and its content is deleted.

    Raises:
        NotFound: there is none (any more). Conflict: the customer is being merged or split.
    """
    anchor_id = await _lock(session, customer_id)
    present = await relations.get_relation(session, customer_id, relation_id, now=now)
    if present is None or not sight_of(session).sees_relation(present.relation):
        raise _no_relation()
    event = _event(RELATION_DATE_WITHDRAWN, customer_id, anchor_id, at=_after(present, now))
    await recorder.record(session, [event], statements=[_statement(event, relation_id, None)])


async def get_relation(
    session: AsyncSession, customer_id: UUID, relation_id: UUID, *, purpose: str, now: datetime
) -> RelationView:
    """Give a date for the use it was given for.

    Raises:
        NotFound: there is none. Forbidden: it was given for another purpose, or the token does not allow this one.
    """
    sight_of(session).check_purpose(purpose, field="purpose")
    found = await relations.get_relation(session, customer_id, relation_id, now=now)
    if found is None or not sight_of(session).sees_relation(found.relation):
        raise _no_relation()
    if found.purpose != purpose:
        raise Forbidden("The customer gave it for another purpose.", field="purpose")
    return found


async def relations_of(
    session: AsyncSession, customer_ids: Sequence[UUID], *, purpose: str, now: datetime
) -> list[list[RelationView]]:
    """What each customer gave for this purpose, in order of the customers asked for.

    Raises:
        Forbidden: the token does not allow this purpose.
    """
    sight_of(session).check_purpose(purpose, field="purpose")
    found = await relations.relations_of(session, customer_ids, purpose=purpose, now=now)
    sight = sight_of(session)
    return [
        [each for each in found.get(customer_id, []) if sight.sees_relation(each.relation)]
        for customer_id in customer_ids
    ]


class RelationSweeper:
    """Deletes dates whose last day has passed. Nobody reads them from that midnight on, swept or not."""

    def __init__(self, *, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def sweep(self) -> bool:
        """Delete what has ended by now."""
        async with self._database.transaction() as session:
            await relations.end_relations(session, now=self._clock.now())
        return False


async def _lock(session: AsyncSession, customer_id: UUID) -> UUID:
    await hold_moves(session)
    anchor_id = await relations.lock_customer(session, customer_id)
    if anchor_id is None or await erased_among(session, [customer_id]):
        raise NotFound(f"There is no customer {customer_id}.")
    if await customers_in_motion(session, [customer_id]):
        raise Conflict("The customer is being merged or split. Try again in a moment.", field="customer_id")
    return anchor_id


def _no_relation() -> NotFound:
    return NotFound("There is no such date of this customer.")


def _after(present: RelationView | None, now: datetime) -> datetime:
    """Now, or just after what it answers: a source's clock may be ahead of ours."""
    return now if present is None else max(now, present.given_at + timedelta(microseconds=1))


def _event(name: str, customer_id: UUID, anchor_id: UUID, *, at: datetime, **shown: Any) -> TimelineEvent:
    return TimelineEvent(
        event_id=uuid4(),
        customer_id=customer_id,
        anchor_id=anchor_id,
        occurred_at=at,
        kind="track",
        name=name,
        source_id=SOURCE_ID,
        properties=shown,
    )


def _statement(event: TimelineEvent, relation_id: UUID, given: RelationDate | None) -> Statement:
    return Statement(
        customer_id=event.customer_id,
        anchor_id=event.anchor_id,
        event_id=event.event_id,
        source_id=event.source_id,
        given_at=event.occurred_at,
        relation_id=relation_id,
        given=given,
    )
