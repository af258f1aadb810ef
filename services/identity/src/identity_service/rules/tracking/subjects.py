"""Of whom an event speaks: its identifiers, in normal form."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec
from msgspec import Raw

from identity_service.rules.identifiers import Identifier, identifier, is_namespace
from identity_service.rules.tracking.shapes import (
    CheckedContext,
    CheckedEvent,
    ContactTraits,
    ExternalId,
    StoredContext,
    StoredEvent,
)

_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
_contact_decoder = msgspec.json.Decoder(ContactTraits)

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


def speaks_of_somebody(event: CheckedEvent, *, kind: str) -> bool:
    """The rare event without userId and anonymousId: does it identify at all?"""
    context = event.context or CheckedContext()
    traits: list[dict[str, Any]] = [context.traits or {}, (event.traits or {}) if kind == "identify" else {}]
    contact = any(identifier(name, one.get(name)) for one in traits for name in ("email", "phone"))
    external = (context.external_ids, context.external_id)
    return contact or any(_external_identifiers(*external)) or any(_hashed_identifiers(*external))
