"""Arguments checked where they come in, so that a wrong one is named."""

import re
from collections.abc import Sequence
from typing import TypeGuard
from uuid import UUID, uuid5

from gateway.errors import bad_input

_NAMESPACE = re.compile(r"[A-Za-z][A-Za-z0-9_.\-]{0,62}")
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_CALLS = UUID("5f0c9a5e-3a0e-4c0b-9d43-6d1c0c6f8b57")
"""The namespace of keys that are derived from a key."""
MAX_TEXT = 512
MAX_PAGE_SIZE = 100
"""The services' largest page of a timeline or listing."""


def customer_id(text: str, *, field: str = "id") -> str:
    """A customer id in its canonical spelling. Raises GatewayError."""
    return uuid(text, field=field, kind="a customer id")


def uuid(text: str, *, field: str = "id", kind: str = "an id") -> str:
    """A UUID in its canonical spelling. Raises GatewayError."""
    try:
        return str(UUID(text))
    except ValueError:
        raise bad_input(f"{field} must be {kind} (a UUID)", field=field) from None


def uuids(texts: Sequence[str], *, field: str, kind: str) -> list[str]:
    """UUIDs in their canonical spelling. Raises GatewayError that names the wrong one by its index."""
    return [uuid(text, field=f"{field}.{index}", kind=kind) for index, text in enumerate(texts)]


def idempotency_key(value: str | None) -> str | None:
    """A key that is fit for a header, or None. Raises GatewayError."""
    if value is not None and not _KEY.fullmatch(value):
        raise bad_input("idempotencyKey must be 1 to 255 visible ASCII characters, e.g. a UUID", field="idempotencyKey")
    return value


def following_key(value: str | None, call: str) -> str | None:
    """The key of a further call that one change makes, or None: the same each time the change is repeated.

    The first call has the key as it was given: one that was used for another change is refused before anything happens.
    """
    return None if value is None else str(uuid5(_CALLS, f"{call} {value}"))


def page_size(first: int, *, field: str = "first", most: int = MAX_PAGE_SIZE) -> int:
    """A page size within the limit. Raises GatewayError."""
    if not 1 <= first <= most:
        raise bad_input(f"{field} must be between 1 and {most}", field=field)
    return first


def is_text(value: object) -> TypeGuard[str]:
    """Whether it is a short, not empty text."""
    return isinstance(value, str) and 0 < len(value) <= MAX_TEXT and "\x00" not in value


def text(value: str, *, field: str, most: int = MAX_TEXT) -> str:
    """A short, not empty text. Raises GatewayError."""
    if not is_text(value) or len(value) > most:
        raise bad_input(f"{field} must be a text of 1 to {most} characters", field=field)
    return value


def namespace(value: str) -> str:
    """A namespace's name. Raises GatewayError."""
    if not _NAMESPACE.fullmatch(value):
        raise bad_input("namespace must be the name of a kind of identifier, e.g. email", field="namespace")
    return value


def cursor(value: str | None) -> str | None:
    """A cursor, or None. Raises GatewayError."""
    return None if value is None else text(value, field="after")
