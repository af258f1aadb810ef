"""The Segment tracking API's events: `shapes` says what they look like, `checking` which are taken, `subjects` of whom
they speak, `moments` when they happened, `contents` what becomes of the rest."""

from identity_service.rules.tracking.checking import check_events, free_json_problem, read_body, repair
from identity_service.rules.tracking.contents import group_traits_of, properties_of, purposes_of, read_event, traits_of
from identity_service.rules.tracking.moments import NO_MOMENT, moment, occurred_at
from identity_service.rules.tracking.shapes import (
    BATCH,
    BATCHES,
    DECODE_ERRORS,
    EVENT_NAMES,
    ID_SYNC,
    IMPORT,
    MAX_BODY_BYTES,
    MAX_EVENT_BYTES,
    MAX_EVENTS,
    MAX_NAME_LENGTH,
    RECORD,
    Body,
    InvalidBody,
    Rejected,
    StoredEvent,
    describe,
)
from identity_service.rules.tracking.subjects import (
    group_id_of,
    hashed_identifiers_of,
    identifiers_of,
    previous_id_of,
)

__all__ = [
    "BATCH",
    "BATCHES",
    "DECODE_ERRORS",
    "EVENT_NAMES",
    "ID_SYNC",
    "IMPORT",
    "MAX_BODY_BYTES",
    "MAX_EVENTS",
    "MAX_EVENT_BYTES",
    "MAX_NAME_LENGTH",
    "NO_MOMENT",
    "RECORD",
    "Body",
    "InvalidBody",
    "Rejected",
    "StoredEvent",
    "check_events",
    "describe",
    "free_json_problem",
    "group_id_of",
    "group_traits_of",
    "hashed_identifiers_of",
    "identifiers_of",
    "moment",
    "occurred_at",
    "previous_id_of",
    "properties_of",
    "purposes_of",
    "read_body",
    "read_event",
    "repair",
    "traits_of",
]
