"""Which identifiers a text may mention, however it is broken: what rejected events are searched by after an erasure."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from identity_service.rules.hashing import hashed_namespace, tombstone_digest
from identity_service.rules.identifiers import MAX_VALUE_LENGTH, Namespaces, identifier

_TEXT = re.compile(r'"((?:[^"\\]|\\.)*)"?')
_NUMBER = re.compile(r"-?\d+")
_NAMESPACE_FIELDS = frozenset({"type", "namespace"})


def mentioned_digests(payload: bytes, *, namespaces: Namespaces, secret: bytes) -> set[bytes]:
    """Return the tombstone digests that the event's texts and numbers would have, in every namespace they may be of.

    `payload` is an event as it came: JSON, perhaps broken.
    """
    values, named = _texts(payload)
    names = namespaces.normalisers.keys() | named
    return {
        tombstone_digest(found.namespace, found.value, secret=secret)
        for value in values
        for name in names
        for namespace in (name, hashed_namespace(name))
        if (found := identifier(namespace, value, normaliser=namespaces[namespace].normaliser)) is not None
    }


def _texts(payload: bytes) -> tuple[set[str], set[str]]:
    """Return the texts of an event, and those of them that stand where a namespace is named."""
    text = payload.decode(errors="replace")
    try:
        scalars = list(_scalars(json.loads(text), ""))
    except (ValueError, RecursionError):
        scalars = [("type", found) for pattern in (_TEXT, _NUMBER) for found in pattern.findall(text)]
    short = [(field, value) for field, value in scalars if 0 < len(value) <= MAX_VALUE_LENGTH]
    return {value for _, value in short}, {value for field, value in short if field in _NAMESPACE_FIELDS}


def _scalars(value: Any, field: str) -> Iterator[tuple[str, str]]:  # any JSON
    """Yield the texts and numbers in a value, each with the field it stands in."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _scalars(each, key)
    elif isinstance(value, list):
        for each in value:
            yield from _scalars(each, field)
    elif isinstance(value, str | int) and not isinstance(value, bool):
        yield field, str(value)


def digests_of(held: Iterable[tuple[str, str, bytes | None]], *, secret: bytes) -> set[bytes]:
    """Return the tombstone digests of identifiers (namespace, value, digest by which partners may know the value)."""
    digests = set()
    for namespace, value, digest in held:
        digests.add(tombstone_digest(namespace, value, secret=secret))
        if digest is not None:
            digests.add(tombstone_digest(hashed_namespace(namespace), digest.hex(), secret=secret))
    return digests
