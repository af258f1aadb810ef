"""Shapes of the Segment tracking API: its kinds, its limits, its bodies and events.

They follow the specification and what its SDKs really send; RudderStack's differ in small ways that are taken too
(`context.traits` on identify, `context.externalId`, `originalTimestamp` instead of `timestamp`).
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

MAX_EVENT_BYTES = 32 * 1024
MAX_BODY_BYTES = 500 * 1024
MAX_EVENTS = 2500
MAX_LEVELS = 64
"""Of objects and lists in each other; libraries that read JSON stop at 200 and more."""
MAX_MESSAGE_ID_LENGTH = 255
MAX_NAME_LENGTH = 255

BATCH = "batch"
ID_SYNC = "id_sync"
"""A partner's signed id syncs: a batch of identify events, whose links have the rule `id_sync`."""
IMPORT = "import"
"""Records of a department's system, of an imported file or signed: a batch of identify or track events."""
RECORD = "record:"
"""How the message ids of records begin that have an id of their own in their system: they are remembered for good."""
BATCHES = frozenset({BATCH, ID_SYNC, IMPORT})
"""Kinds of requests that hold several events. All but `batch` are put into the event log by identity itself."""
EVENT_NAMES: Mapping[str, str] = {
    "identify": "Identified",
    "track": "",
    "page": "Page Viewed",
    "screen": "Screen Viewed",
    "group": "Grouped",
    "alias": "Aliased",
}
"""Kind -> name of the resolved event; a track event brings its own."""

DECODE_ERRORS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError)
_INDEX = re.compile(r"\[([^\]]*)\]")

Id = str | int | float | None


class Rejected(NamedTuple):
    """An event that cannot be taken: its place in the batch, the field, and what is wrong with it (never its value)."""

    index: int  # type: ignore[assignment]  # hides tuple.index, which nobody needs here
    field: str
    detail: str


class InvalidBody(Exception):
    """The body as a whole cannot be taken."""

    def __init__(self, detail: str, *, field: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.field = field


class ExternalId(Struct, gc=False):
    """An entry of `context.externalIds`."""

    id: Id = None
    type: str | None = None
    collection: str | None = None
    sha256: str | None = None
    """Instead of `id`: the SHA-256 of the value in its normal form, 64 hexadecimal digits."""


class EventFields(Struct, rename="camel", gc=False):
    """What an event says, besides its free JSON."""

    type: str | None = None
    event: str | None = None
    user_id: Id = None
    anonymous_id: Id = None
    previous_id: Id = None
    group_id: Id = None
    message_id: str | None = None
    timestamp: str | None = None
    original_timestamp: str | None = None
    sent_at: Any = None  # a wrong one is ignored: it only corrects the clock
    name: Any = None
    category: Any = None
    write_key: Any = None


class CheckedContext(Struct, rename="camel"):
    """The part of `context` that is used, validated through and through."""

    traits: dict[str, Any] | None = None
    external_ids: list[ExternalId] | None = None
    external_id: list[ExternalId] | None = None
    purposes: Any = None  # a list of texts, read by `purposes_of`; anybody may have put anything here


class CheckedEvent(EventFields):
    """An event read at the front door: free JSON is decoded, hence known to be good."""

    properties: dict[str, Any] | None = None
    traits: dict[str, Any] | None = None
    context: CheckedContext | None = None


class StoredContext(Struct, rename="camel", gc=False):
    """The part of `context` that is used, once checked."""

    traits: Raw | UnsetType = UNSET
    external_ids: list[ExternalId] | None = None
    external_id: list[ExternalId] | None = None
    purposes: Any = None  # see CheckedContext


class StoredEvent(EventFields):
    """An event read after the front door: its free JSON passes through byte by byte."""

    properties: Raw | UnsetType = UNSET
    traits: Raw | UnsetType = UNSET
    context: StoredContext | None = None


class ContactTraits(Struct, gc=False):
    """The traits that identify."""

    email: Any = None
    phone: Any = None


class Envelope(Struct, rename="camel"):
    """A batch: its events untouched, and what holds for all of them."""

    batch: list[Raw]
    sent_at: Any = None
    write_key: Any = None
    context: StoredContext | None = None


class SingleEnvelope(Struct, rename="camel"):
    """The envelope of a lone event is the event itself."""

    sent_at: Any = None
    write_key: Any = None


class Body(NamedTuple):
    """A request's body: raw events and what holds for all of them."""

    events: Sequence[bytes | Raw]
    sent_at: Any
    write_key: str | None
    context: StoredContext | None


def describe(error: msgspec.ValidationError) -> tuple[str, str]:
    """Return (field, detail) of a validation error; msgspec names types and places, never values."""
    detail, _, path = str(error).partition(" - at `$")
    return _INDEX.sub(r".\1", path.rstrip("`")).strip("."), f"{detail}."
