"""What an event says, as it goes on: properties, traits, purposes. It has passed the front door."""

from typing import Any

import msgspec
from msgspec import UNSET, Raw, UnsetType

from identity_service.rules.tracking.shapes import BATCH, BATCHES, StoredContext, StoredEvent

_NO_OBJECT = Raw(b"{}")
_stored_decoder = msgspec.json.Decoder(StoredEvent)
_object_decoder = msgspec.json.Decoder(dict[str, Raw])
_encode = msgspec.json.encode


def read_event(raw: bytes | Raw) -> StoredEvent:
    """Read an event that passed the front door."""
    return _stored_decoder.decode(raw)


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
