"""Records that a department's system sends signed, as they come about, and the events that become of them."""

from datetime import datetime
from typing import Any

import msgspec
from msgspec import Raw, Struct

from identity_service.rules.partners import (
    LinkedIdentifier,
    Problem,
    SourceRules,
    check_each,
    external_id,
    identifiers_problem,
    purposes_problem,
    read_list,
)
from identity_service.rules.records import Happened, Known, record_event, record_message_id, record_problem
from identity_service.rules.tracking import NO_MOMENT, Rejected, free_json_problem, moment

MAX_RECORDS = 1000


class SignedRecord(Struct, forbid_unknown_fields=True):
    """What happened (`event`, `properties`), or what is known (`traits`), and of whom. `record_id` is the system's."""

    identifiers: list[LinkedIdentifier]
    event: str | None = None
    properties: dict[str, Any] | None = None
    traits: dict[str, Any] | None = None
    record_id: str | int | None = None
    purposes: list[str] | None = None
    occurred_at: str | None = None

    @property
    def said(self) -> Happened | Known:
        """What it says, whichever it is."""
        return Known(self.traits or {}) if self.event is None else Happened(self.event, self.properties or {})


class _Body(Struct, forbid_unknown_fields=True):
    records: list[Raw]


_body_decoder = msgspec.json.Decoder(_Body)
_record_decoder = msgspec.json.Decoder(SignedRecord)


def signed_record_events(
    body: bytes, rules: SourceRules, *, webhook_id: str, said_at: datetime
) -> tuple[list[bytes], list[Rejected]]:
    """Return the events that a body of records says, and what is wrong with records that say none.

    Raises:
        InvalidBody: not JSON, not `{"records": [...]}`, or more than 1,000 records.
    """
    records = read_list(lambda: _body_decoder.decode(body).records, name="records", most=MAX_RECORDS)
    good, rejected = check_each(records, _record_decoder, lambda record: signed_record_problem(record, rules))
    events = []
    for index, record in good.items():
        made = _event(record, message_id=f"records:{webhook_id}:{index}", default_time=said_at)
        if isinstance(made, bytes):
            events.append(made)
        else:
            rejected.append(Rejected(index, *made))
    return events, sorted(rejected)


def signed_record_problem(record: SignedRecord, rules: SourceRules) -> Problem | None:
    """Say what is wrong with a record, or None."""
    if (record.event is None) == (record.traits is None):
        return "event", "Either an event, with its properties, or traits."
    if record.event is None and record.properties is not None:
        return "properties", "Only events have properties."
    problem = identifiers_problem(record.identifiers, rules, fewest=1, what="record")
    if problem is not None:
        return problem
    for field, value in (("properties", record.properties), ("traits", record.traits)):
        unfit = free_json_problem(value)
        if unfit is not None:
            return field, unfit
    problem = purposes_problem(record.purposes or (), rules)
    if problem is not None:
        return problem
    if record.occurred_at is not None and moment(record.occurred_at) is None:
        return "occurred_at", NO_MOMENT
    return record_problem(record.said, record.record_id)


def _event(record: SignedRecord, *, message_id: str, default_time: datetime) -> bytes | Problem:
    if record.event is not None and record.record_id is not None:
        message_id = record_message_id(record.event, record.record_id)
    return record_event(
        record.said,
        message_id=message_id,
        timestamp=record.occurred_at or default_time.isoformat(),
        external_ids=[external_id(one.namespace, value=one.value, sha256=one.sha256) for one in record.identifiers],
        purposes=record.purposes or (),
    )
