"""Remarks from blogs and social networks: what they are about, told on arrival and when rules change."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from profile_service.repository import remarks
from profile_service.repository.conclusions import Definitions
from profile_service.repository.remarks import OpinionRow, StoredRemark, TopicDay, TopicRow, Words
from profile_service.rules.remarks import REMARK, RemarkRules, Topic
from profile_service.rules.timeline import TimelineEvent
from profile_service.service.concluding import Concluder
from profile_service.service.policy import REFUSED, sight_of
from servicekit.clock import Clock
from servicekit.database import Database
from servicekit.errors import Forbidden, Invalid, NotFound
from servicekit.http import check_version
from servicekit.moves import customers_in_motion, hold_moves, wait_for_writers

MAX_DAYS = 366
MAX_TOPICS = 500
REMARKS_AT_ONCE = 500
"""Remarks read anew in one transaction."""


class RemarkReader:
    """Reads remarks by the rules as they are now, which it remembers as long as they do not change."""

    def __init__(self) -> None:
        self._state: object = None
        self._rules = RemarkRules([], {})

    async def rules(self, session: AsyncSession) -> RemarkRules:
        """Topics and opinions as they are now."""
        topics, opinions = await remarks.list_topics(session), await remarks.list_opinions(session)
        state = (topics, opinions)
        if state != self._state:
            self._rules = RemarkRules(
                [Topic(topic.key, topic.keywords, topic.exclude) for topic in topics],
                {row.opinion: row.words for row in opinions},
            )
            self._state = state
        return self._rules

    async def read(self, session: AsyncSession, events: Sequence[TimelineEvent]) -> Sequence[TimelineEvent]:
        """Put topics and opinion into the properties of those events that are remarks."""
        if not any(_is_remark(event) for event in events):
            return events
        rules = await self.rules(session)
        return [
            replace(event, properties=rules.properties_of(event.properties)) if _is_remark(event) else event
            for event in events
        ]


def _is_remark(event: TimelineEvent) -> bool:
    return event.kind == "track" and event.name == REMARK


class RemarkWork:
    """Reads all remarks anew after a change of topics or opinions; each chunk is one transaction, so a kill loses none.

    Whoever recorded remarks by the former rules has ended when the first chunk begins, so none is missed.
    """

    def __init__(self, *, database: Database, concluder: Concluder, clock: Clock) -> None:
        self._database = database
        self._concluder = concluder
        self._clock = clock
        self._reader = RemarkReader()

    async def step(self) -> bool:
        """Read the next remarks; True while there are more."""
        async with self._database.transaction() as session:
            seen = await remarks.get_reading(session)
            if seen is None or seen.finished_at is not None:
                return False
            if seen.until_event_id is None:
                await wait_for_writers(session)
        async with self._database.transaction() as session:
            await hold_moves(session)
            reading = await remarks.lock_reading(session)
            if reading is None or reading.generation != seen.generation:
                return reading is not None
            customer_ids = await remarks.next_customers(session, reading, limit=REMARKS_AT_ONCE)
            found = await remarks.next_remarks(session, reading, limit=REMARKS_AT_ONCE)
            rules = await self._reader.rules(session)
            known = frozenset(customer_ids)  # others' came in between, and were read by the present rules
            read = [replace(each, properties=rules.properties_of(each.properties)) for each in found]
            changed = [new for new, old in zip(read, found, strict=True) if new != old and new.customer_id in known]
            if await remarks.rewrite_remarks(session, changed) < len(changed):
                await session.rollback()  # some are being moved or erased: read them where they are then
                return True
            await self._conclude(session, {remark.customer_id for remark in changed})
            is_over = len(found) < REMARKS_AT_ONCE
            await remarks.note_reading(
                session,
                until=found[-1] if found else None,
                read=len(found),
                finished_at=self._clock.now() if is_over else None,
            )
            return not is_over

    async def _conclude(self, session: AsyncSession, customer_ids: set[UUID]) -> None:
        still = customer_ids - await customers_in_motion(session, customer_ids)
        if not still:
            return
        published = await self._concluder.definitions(session)
        asking = Definitions(
            segments=tuple(each for each in published.segments if REMARK in each.dependencies.events),
            ranks=published.ranks if any(REMARK in each.dependencies.events for each in published.ranks) else (),
            signs=tuple(each for each in published.signs if REMARK in each.dependencies.events),
        )
        await self._concluder.conclude(session, sorted(still), asking, reason="definition")


async def put_topic(
    session: AsyncSession,
    key: str,
    *,
    name: str,
    kind: str,
    keywords: Words,
    exclude: Words,
    demanded_revision: int | None,
    now: datetime,
) -> tuple[TopicRow, bool]:
    """Create or edit a topic and have all remarks read anew; returns it, and whether it is new. Idempotent.

    Raises:
        Invalid: there are too many topics. PreconditionFailed: somebody edited it meanwhile.
    """
    await remarks.lock_rules(session)
    present = await remarks.get_topic(session, key)
    check_version(present.revision if present else None, demanded_revision)
    if present is None and len(await remarks.list_topics(session)) >= MAX_TOPICS:
        raise Invalid(f"There are {MAX_TOPICS} topics already.", field="key")
    content = (name, kind, keywords, exclude)
    if present is None or (present.name, present.kind, present.keywords, present.exclude) != content:
        await remarks.write_topic(session, key, name=name, kind=kind, keywords=keywords, exclude=exclude)
    if present is None or (present.keywords, present.exclude) != (keywords, exclude):
        await remarks.request_reading(session, now=now)
    return await get_topic(session, key), present is None


async def delete_topic(session: AsyncSession, key: str, *, now: datetime) -> None:
    """Remove a topic, also from the remarks that were about it.

    Raises:
        NotFound: there is no such topic.
    """
    await remarks.lock_rules(session)
    await get_topic(session, key)
    await remarks.delete_topic(session, key)
    await remarks.request_reading(session, now=now)


async def get_topic(session: AsyncSession, key: str) -> TopicRow:
    """One topic.

    Raises:
        NotFound: there is no such topic.
    """
    topic = await remarks.get_topic(session, key)
    if topic is None:
        raise NotFound(f"There is no topic {key}.")
    return topic


async def list_topics(session: AsyncSession) -> tuple[list[TopicRow], bool]:
    """All topics by key; whether remarks are being read anew."""
    reading = await remarks.get_reading(session)
    return await remarks.list_topics(session), reading is not None and reading.finished_at is None


async def put_opinion(
    session: AsyncSession, opinion: str, words: Words, *, demanded_revision: int | None, now: datetime
) -> tuple[OpinionRow, bool]:
    """Say the words of an opinion and have all remarks read anew; returns it, and whether it is new. Idempotent.

    Raises:
        PreconditionFailed: somebody edited it meanwhile.
    """
    await remarks.lock_rules(session)
    present = {row.opinion: row for row in await remarks.list_opinions(session)}.get(opinion)
    check_version(present.revision if present else None, demanded_revision)
    if present is None or present.words != words:
        await remarks.write_opinion(session, opinion, words)
        await remarks.request_reading(session, now=now)
    return await get_opinion(session, opinion), present is None


async def get_opinion(session: AsyncSession, opinion: str) -> OpinionRow:
    """The words of an opinion.

    Raises:
        NotFound: nobody said any.
    """
    found = {row.opinion: row for row in await remarks.list_opinions(session)}.get(opinion)
    if found is None:
        raise NotFound(f"No words are known for {opinion}.")
    return found


async def remarks_of(
    session: AsyncSession,
    customer_ids: Sequence[UUID],
    *,
    topics: Sequence[str] | None,
    kinds: Sequence[str] | None,
    first: int,
) -> tuple[list[list[StoredRemark]], Mapping[str, TopicRow]]:
    """The newest remarks of each customer, in order, that the asker may see; all topics by key.

    On some topics, or on topics of some kinds.
    """
    known = {topic.key: topic for topic in await remarks.list_topics(session)}
    wanted = None
    if topics is not None or kinds is not None:
        wanted = [
            key
            for key, topic in known.items()
            if (topics is None or key in topics) and (kinds is None or topic.kind in kinds)
        ]
    visible = sight_of(session).event_filter(alias="e", first_parameter=remarks.VISIBLE_IN_REMARKS)
    return await remarks.remarks_of(session, customer_ids, topics=wanted, first=first, visible=visible), known


async def list_topic_days(
    session: AsyncSession, key: str, *, first_day: date | None, last_day: date | None, zone: ZoneInfo, now: datetime
) -> list[TopicDay]:
    """How often a topic was spoken of on each day of the customers' zone; by default the last 30 days.

    Raises:
        NotFound: there is no such topic. Invalid: the days. Forbidden: the asker may not see all remarks.
    """
    if not sight_of(session).sees_event(REMARK):
        raise Forbidden(REFUSED)
    await get_topic(session, key)
    last_day = now.astimezone(zone).date() if last_day is None else last_day
    if not 1000 <= last_day.year <= 3000:
        raise Invalid("The year lies outside 1000 to 3000.", field="last_day")
    first_day = last_day - timedelta(days=29) if first_day is None else first_day
    if not timedelta() <= last_day - first_day < timedelta(days=MAX_DAYS):
        raise Invalid(f"Between 1 and {MAX_DAYS} days.", field="first_day")
    found = await remarks.count_topic_days(
        session,
        key,
        starts_at=datetime.combine(first_day, time(), tzinfo=zone),
        ends_at=datetime.combine(last_day + timedelta(days=1), time(), tzinfo=zone),
        zone=zone.key,
    )
    by_day = {each.day: each for each in found}
    days = [first_day + timedelta(days=number) for number in range((last_day - first_day).days + 1)]
    return [by_day.get(day, TopicDay(day, 0, 0, 0, 0)) for day in days]
