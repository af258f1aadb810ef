"""Related persons' dates as customers give them: what a timeline may show of them, until when they may be used.

What is taken and what is refused is read by contracts.relations, where whoever takes events in finds it, too.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from contracts.relations import FOR_ONE_PURPOSE, RelationDate, Unfit, read_event
from profile_service.rules.timeline import TimelineEvent


@dataclass(frozen=True)
class Statement:
    """A customer gave a date, or (`given` None) took it back."""

    customer_id: UUID
    anchor_id: UUID
    event_id: UUID
    source_id: str
    given_at: datetime
    relation_id: UUID
    given: RelationDate | None


def ends_at(until: date | None, zone: ZoneInfo) -> datetime | None:
    """The moment from which a date must not be used: the midnight after its last day, in the customers' zone."""
    if until is None or until >= date.max:
        return None
    return datetime.combine(until + timedelta(days=1), time(), tzinfo=zone).astimezone(UTC)


def take_statements(events: Sequence[TimelineEvent]) -> tuple[list[TimelineEvent], list[Statement]]:
    """Take what is said of related persons out of events; they keep the purpose only.

    A timeline is read without a purpose, and its events' properties can be asked for in any condition: so there they
    would be readable for every purpose. So would the relation's id, which whoever guesses what was said can compute.
    An event whose statement cannot be taken says which field is to blame.
    """
    kept, statements = [], []
    for event in events:
        if event.kind != "track" or event.name not in FOR_ONE_PURPOSE:
            kept.append(event)
            continue
        try:
            statement = _statement(event)
        except Unfit as refusal:
            kept.append(replace(event, properties={"refused": {"field": refusal.field, "detail": refusal.detail}}))
            continue
        statements.append(statement)
        kept.append(replace(event, properties={"purpose": statement.given.purpose} if statement.given else {}))
    return kept, statements


def _statement(event: TimelineEvent) -> Statement:
    said = read_event(event.name, event.properties)
    return Statement(
        customer_id=event.customer_id,
        anchor_id=event.anchor_id,
        event_id=event.event_id,
        source_id=event.source_id,
        given_at=event.occurred_at,
        relation_id=said.relation_id,
        given=said.given,
    )
