"""The Segment tracking API's bodies: what a good event is, who it speaks of, when it happened, what it becomes.

Shapes follow the specification and what its SDKs really send; RudderStack's differ in small ways that are taken too
(`context.traits` on identify, `context.externalId`, `originalTimestamp` instead of `timestamp`).
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from identity_service.rules.identifiers import Identifier, identifier, is_namespace

MAX_EVENT_BYTES = 32 * 1024
MAX_BODY_BYTES = 500 * 1024
MAX_EVENTS = 2500
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

_EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)
_LATEST = datetime(2200, 1, 1, tzinfo=UTC)
_NO_MOMENT = "An ISO 8601 date and time between 1901 and 2198."
_NO_OBJECT = Raw(b"{}")
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
_INDEX = re.compile(r"\[([^\]]*)\]")
_NUL = b"\\u0000"

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


_envelope_decoder = msgspec.json.Decoder(Envelope)
_single_decoder = msgspec.json.Decoder(SingleEnvelope)
_checked_decoder = msgspec.json.Decoder(CheckedEvent)
_stored_decoder = msgspec.json.Decoder(StoredEvent)
_contact_decoder = msgspec.json.Decoder(ContactTraits)
_object_decoder = msgspec.json.Decoder(dict[str, Raw])
_encode = msgspec.json.encode

_DECODE_ERRORS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError)


def repair(body: bytes) -> bytes | None:
    """Replace halves of surrogate pairs, which browsers' JSON.stringify lets through, by `?`.

    None when that is not the trouble."""
    if b"\\ud" not in body.lower():
        return None
    try:
        return json.dumps(json.loads(body), ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    except (ValueError, RecursionError):
        return None


def read_body(body: bytes, *, kind: str) -> Body:
    """Split a request's body into raw events.

    Raises:
        InvalidBody: not JSON, not the shape of this endpoint, or more than 2,500 events.
    """
    try:
        if kind not in BATCHES:
            single = _single_decoder.decode(body)
            return Body([body], single.sent_at, _text(single.write_key), None)
        envelope = _envelope_decoder.decode(body)
    except msgspec.ValidationError as error:
        field, detail = describe(error)
        raise InvalidBody(detail, field=field or ("batch" if kind in BATCHES else None)) from None
    except _DECODE_ERRORS:
        raise InvalidBody("The body is not valid JSON.") from None
    if len(envelope.batch) > MAX_EVENTS:
        raise InvalidBody(f"A batch holds at most {MAX_EVENTS} events.", field="batch")
    return Body(envelope.batch, envelope.sent_at, _text(envelope.write_key), envelope.context)


def check_events(body: Body, *, kind: str) -> list[Rejected]:
    """Check every event of a body; return those that cannot be taken."""
    rejected: list[Rejected] = []
    for index, raw in enumerate(body.events):
        problem = _check(raw, kind)
        if problem is not None:
            rejected.append(Rejected(index, *problem))
    return rejected


def _check(raw: bytes | Raw, kind: str) -> tuple[str, str] | None:
    """Return (field, detail) of what is wrong with one event, or None."""
    text = bytes(raw)
    if len(text) > MAX_EVENT_BYTES:
        return "", f"An event is at most {MAX_EVENT_BYTES} bytes."
    try:
        event = _checked_decoder.decode(text)
    except msgspec.ValidationError as error:
        return describe(error)
    except _DECODE_ERRORS:
        return "", "Not valid JSON."
    if _NUL in text and has_nul(msgspec.json.decode(text)):
        return "", "Text cannot hold the character U+0000."
    return _check_meaning(event, (event.type or "") if kind in BATCHES else kind)


def _check_meaning(event: CheckedEvent, kind: str) -> tuple[str, str] | None:
    if kind not in EVENT_NAMES:
        return "type", "One of identify, track, page, screen, group, alias."
    if kind == "track" and not (event.event and event.event.strip() and len(event.event) <= MAX_NAME_LENGTH):
        return "event", f"A track event has a name of 1 to {MAX_NAME_LENGTH} characters."
    if event.message_id is not None and not 0 < len(event.message_id) <= MAX_MESSAGE_ID_LENGTH:
        return "messageId", f"1 to {MAX_MESSAGE_ID_LENGTH} characters."
    if event.timestamp is not None and not _is_moment(event.timestamp):
        return "timestamp", _NO_MOMENT
    if event.original_timestamp is not None and not _is_moment(event.original_timestamp):
        return "originalTimestamp", _NO_MOMENT
    if event.user_id is None and event.anonymous_id is None and not _speaks_of_somebody(event, kind=kind):
        return "userId", "One of userId, anonymousId or context.externalIds is required."
    return None


def _speaks_of_somebody(event: CheckedEvent, *, kind: str) -> bool:
    """The rare event without userId and anonymousId: does it identify at all?"""
    context = event.context or CheckedContext()
    traits: list[dict[str, Any]] = [context.traits or {}, (event.traits or {}) if kind == "identify" else {}]
    contact = any(identifier(name, one.get(name)) for one in traits for name in ("email", "phone"))
    external = (context.external_ids, context.external_id)
    return contact or any(_external_identifiers(*external)) or any(_hashed_identifiers(*external))


def describe(error: msgspec.ValidationError) -> tuple[str, str]:
    """Return (field, detail) of a validation error; msgspec names types and places, never values."""
    detail, _, path = str(error).partition(" - at `$")
    return _INDEX.sub(r".\1", path.rstrip("`")).strip("."), f"{detail}."


def _is_moment(text: str) -> bool:
    """Tell whether `moment` reads this; faster, for the front door reads every time."""
    try:
        return _EARLIEST.year < datetime.fromisoformat(text).year < _LATEST.year - 1
    except ValueError:
        return False


def moment(text: str) -> datetime | None:
    """Read an ISO 8601 date and time (UTC where no offset is given), or None."""
    try:
        parsed = datetime.fromisoformat(text)
        instant = parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return instant if _EARLIEST <= instant <= _LATEST else None


def occurred_at(event: EventFields, *, received_at: datetime, sent_at: Any) -> datetime:
    """Return when the event happened by our clock: `timestamp = receivedAt - (sentAt - originalTimestamp)`.

    Without `sentAt` the source's own time is taken as it is; without any time, the moment of receipt. Nothing happens
    after it was received: a clock that runs ahead is set back to that moment.
    """
    text = event.original_timestamp or event.timestamp
    original = moment(text) if text else None
    if original is None:
        return received_at
    sent = event.sent_at if event.sent_at is not None else sent_at
    sent_moment = moment(sent) if isinstance(sent, str) else None
    skew = timedelta() if sent_moment is None else received_at - sent_moment
    return min(original + skew, received_at)


def read_event(raw: bytes | Raw) -> StoredEvent:
    """Read an event that passed the front door."""
    return _stored_decoder.decode(raw)


Normalisers = Mapping[str, str]
"""Namespace -> the name of its normaliser; a namespace that is not in it has the default one."""

_DEFAULT_NORMALISERS: Normalisers = {}


def identifiers_of(
    event: StoredEvent, *, kind: str, context: StoredContext | None, normalisers: Normalisers = _DEFAULT_NORMALISERS
) -> list[Identifier]:
    """Return every identifier an event carries, in normal form. `context` is the batch's: it holds for each event."""
    found: list[Identifier | None] = []
    if event.user_id is not None:
        found.append(identifier("user_id", event.user_id, normaliser=normalisers.get("user_id")))
    if event.anonymous_id is not None:
        found.append(identifier("anonymous_id", event.anonymous_id, normaliser=normalisers.get("anonymous_id")))
    if kind == "identify" and isinstance(event.traits, Raw):
        found.extend(_contact_identifiers(event.traits, normalisers))
    for one in (event.context, context):
        if one is None:
            continue
        if isinstance(one.traits, Raw):
            found.extend(_contact_identifiers(one.traits, normalisers))
        if one.external_ids or one.external_id:
            found.extend(_external_identifiers(one.external_ids, one.external_id, normalisers=normalisers))
    return [one for one in found if one is not None]


def previous_id_of(event: StoredEvent, *, kind: str) -> str | None:
    """Return the id that an alias event says its others replace."""
    previous = identifier("user_id", event.previous_id) if kind == "alias" and event.previous_id is not None else None
    return None if previous is None else previous.value


def group_id_of(event: StoredEvent, *, kind: str) -> str | None:
    """Return the group that a group event says its customer belongs to."""
    group = identifier("group_id", event.group_id) if kind == "group" and event.group_id is not None else None
    return None if group is None else group.value


def _contact_identifiers(traits: Raw, normalisers: Normalisers) -> Iterator[Identifier | None]:
    if bytes(traits) == b"null":
        return
    contact = _contact_decoder.decode(traits)
    if contact.email is not None:
        yield identifier("email", contact.email, normaliser=normalisers.get("email"))
    if contact.phone is not None:
        yield identifier("phone", contact.phone, normaliser=normalisers.get("phone"))


def _external_identifiers(
    *lists: list[ExternalId] | None, normalisers: Normalisers = _DEFAULT_NORMALISERS
) -> Iterator[Identifier]:
    for entry in (entry for entries in lists for entry in entries or ()):
        if entry.type is None or entry.id is None or entry.collection not in {None, "user", "users"}:
            continue
        found = identifier(entry.type, entry.id, normaliser=normalisers.get(entry.type))
        if found is not None:
            yield found


class HashedIdentifier(NamedTuple):
    """An identifier whose value only its SHA-256 is told of (64 hexadecimal digits in lower case)."""

    namespace: str
    sha256: str


def hashed_identifiers_of(event: StoredEvent, *, context: StoredContext | None) -> list[HashedIdentifier]:
    """Return every identifier that an event carries hashed. `context` is the batch's: it holds for each event."""
    return [
        found
        for one in (event.context, context)
        if one is not None and (one.external_ids or one.external_id)
        for found in _hashed_identifiers(one.external_ids, one.external_id)
    ]


def _hashed_identifiers(*lists: list[ExternalId] | None) -> Iterator[HashedIdentifier]:
    for entry in (entry for entries in lists for entry in entries or ()):
        if entry.type is None or entry.sha256 is None or entry.collection not in {None, "user", "users"}:
            continue
        if is_namespace(entry.type) and _SHA256.fullmatch(entry.sha256):
            yield HashedIdentifier(entry.type, entry.sha256.lower())


def purposes_of(event: StoredEvent, *, request_kind: str, context: StoredContext | None) -> tuple[str, ...]:
    """Return the purposes that an id sync or an import narrows its links to; () = all of its source's.

    They were held against the source's when they were taken in. Events of other kinds of requests narrow nothing.
    """
    if request_kind not in BATCHES or request_kind == BATCH:
        return ()
    for one in (event.context, context):
        if one is not None and isinstance(one.purposes, list):
            return tuple(str(purpose) for purpose in one.purposes)
    return ()


def properties_of(event: StoredEvent, *, kind: str) -> Raw:
    """Return the resolved event's properties: with a page's name, a group's id and traits, an alias' former id."""
    properties = _object(event.properties)
    added: dict[str, Any] = {}
    if kind in {"page", "screen"}:
        added = {key: value for key, value in (("name", event.name), ("category", event.category)) if value is not None}
    elif kind == "group":
        added = {"group_id": event.group_id, "traits": _object(event.traits)}
    elif kind == "alias":
        added = {"previous_id": event.previous_id}
    if not added:
        return properties
    return Raw(_encode({**_object_decoder.decode(properties), **added}))


def group_traits_of(event: StoredEvent) -> Raw:
    """Return the traits a group event states about its group."""
    return _object(event.traits)


def traits_of(event: StoredEvent, *, kind: str) -> Raw:
    """Return the traits an identify event states about its customer; RudderStack sends them in the context."""
    if kind != "identify":
        return _NO_OBJECT
    traits = _object(event.traits)
    if traits is _NO_OBJECT and event.context is not None:
        return _object(event.context.traits)
    return traits


def _object(raw: Raw | UnsetType) -> Raw:
    return _NO_OBJECT if raw is UNSET or bytes(raw) in {b"null", b"{}"} else raw


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def has_nul(value: Any) -> bool:
    """Tell whether a text somewhere in free JSON holds the character U+0000, which the database does not take."""
    if isinstance(value, str):
        return "\x00" in value
    if isinstance(value, dict):
        return any("\x00" in key or has_nul(item) for key, item in value.items())
    return isinstance(value, list) and any(has_nul(item) for item in value)
