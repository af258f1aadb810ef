"""Records of departments' systems: the event that one becomes, and what is refused of it, whichever way it comes.

A department knows its own ids, never ours. So a record says by whom it is meant - identifiers - and what happened (a
track event) or what is known (an identify event), and goes through the resolver like anything else.
"""

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple

import msgspec

from contracts.relations import FOR_ONE_PURPOSE, Unfit, read_event
from identity_service.rules.partners import Problem, identify_event
from identity_service.rules.tracking import MAX_EVENT_BYTES, MAX_NAME_LENGTH, RECORD

MAX_RECORD_ID_LENGTH = 200
EVENT, PROPERTIES, RECORD_ID = "event", "properties", "record_id"


class Happened(NamedTuple):
    """What a record says has happened."""

    event: str
    properties: Mapping[str, Any]  # free JSON


class Known(NamedTuple):
    """What a record says of its customer; an id sync says nothing but the identifiers."""

    traits: Mapping[str, Any]  # free JSON


def record_problem(said: Happened | Known, record_id: object) -> Problem | None:
    """Say what is wrong with a record, apart from its identifiers, or None.

    A date of a related person that profile would not take is refused here, where the department sees it.
    """
    if record_id is not None and record_id_problem(record_id) is not None:
        return RECORD_ID, record_id_problem(record_id) or ""
    if isinstance(said, Known):
        return (RECORD_ID, "What is known has no id: what is said later wins.") if record_id is not None else None
    problem = event_name_problem(said.event)
    if problem is not None:
        return EVENT, problem
    if said.event in FOR_ONE_PURPOSE:
        try:
            read_event(said.event, said.properties)
        except Unfit as refusal:
            return f"{PROPERTIES}.{refusal.field}", refusal.detail
    return None


def event_name_problem(name: object) -> str | None:
    """Say why a track event cannot have this name, or None."""
    if not isinstance(name, str) or not name.strip() or len(name) > MAX_NAME_LENGTH:
        return f"An event has a name of 1 to {MAX_NAME_LENGTH} characters."
    return "Text cannot hold the character U+0000." if "\x00" in name else None


def record_id_problem(record_id: object) -> str | None:
    """Say why a system's own id of a record cannot be one, or None."""
    if isinstance(record_id, int) and not isinstance(record_id, bool):
        record_id = str(record_id)
    if not isinstance(record_id, str) or not 0 < len(record_id.strip()) <= MAX_RECORD_ID_LENGTH:
        return f"A record's own id is text of 1 to {MAX_RECORD_ID_LENGTH} characters, or a whole number."
    return "Text cannot hold the character U+0000." if "\x00" in record_id else None


def record_message_id(event: str, record_id: str | int) -> str:
    """Return the message id of a record that has an id of its own, wherever and whenever its system says it.

    With the event's name: order 17 and visit 17, or order 17 and its return, are two records.
    """
    return f"{RECORD}{blake2b(event.encode(), digest_size=16).hexdigest()}:{str(record_id).strip()}"


def record_event(
    said: Happened | Known,
    *,
    message_id: str,
    timestamp: str,
    external_ids: Sequence[Mapping[str, Any]],
    purposes: Sequence[str],
    **ids: Any,  # userId, anonymousId
) -> bytes | Problem:
    """Return the event that a record becomes, as the event log holds it."""
    if isinstance(said, Known):
        fields = ids | ({"traits": said.traits} if said.traits else {})
        event = identify_event(
            message_id=message_id, timestamp=timestamp, external_ids=external_ids, purposes=purposes, **fields
        )
    else:
        context = {"externalIds": external_ids} | ({"purposes": list(purposes)} if purposes else {})
        body = {"type": "track", "event": said.event, "messageId": message_id, "timestamp": timestamp}
        event = msgspec.json.encode({**body, **ids, "properties": said.properties, "context": context})
    return event if len(event) <= MAX_EVENT_BYTES else ("", f"More than {MAX_EVENT_BYTES} bytes.")
