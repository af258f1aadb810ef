"""Keyset cursors: opaque text that names the last row seen; and the pages they lead through."""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Generic, NamedTuple, TypeVar
from uuid import UUID

from servicekit.errors import Invalid

RowT = TypeVar("RowT")


def encode_cursor(*values: object) -> str:
    """Encode the last row's sort values (text, int, UUID, datetime, Decimal) as URL-safe text."""
    parts = [
        value.isoformat() if isinstance(value, datetime) else value if isinstance(value, int) else str(value)
        for value in values
    ]
    return base64.urlsafe_b64encode(json.dumps(parts, separators=(",", ":")).encode()).decode().rstrip("=")


def decode_cursor(text: str, *types: type) -> list[Any]:
    """Decode a cursor into values of the given types.

    Raises:
        Invalid: the text is not a cursor of this listing (field `after`).
    """
    try:
        parts = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        if not isinstance(parts, list) or len(parts) != len(types):
            raise ValueError
        return [_read(part, kind) for part, kind in zip(parts, types, strict=True)]
    except (ValueError, TypeError, ArithmeticError, binascii.Error):
        raise Invalid("This is not a cursor of this listing. Pass a cursor as it was given.", field="after") from None


def _read(part: object, kind: type) -> object:
    if kind is datetime:
        moment = datetime.fromisoformat(str(part))
        if moment.tzinfo is None:
            raise ValueError
        return moment.astimezone(UTC)  # what cannot be said in UTC, no database can keep
    if kind is int and not isinstance(part, int):
        raise ValueError
    if kind in {UUID, Decimal}:
        return kind(str(part))
    if kind is str:
        text = str(part)
        if "\0" in text:
            raise ValueError
        text.encode()
        return text
    return kind(part)


class Page(NamedTuple, Generic[RowT]):
    """Part of a listing; `next` is the cursor of the following part."""

    items: list[RowT]
    next: str | None


def cut_page(found: Sequence[RowT], first: int, place: Callable[[RowT], object]) -> Page[RowT]:
    """Make a page of the first rows found. Ask for one row more than that: it says whether another page follows.

    `place` gives what the listing is sorted by, which the cursor names: one value, or a tuple of them.
    """
    items = list(found[:first])
    if len(found) <= first:
        return Page(items, None)
    last = place(items[-1])
    return Page(items, encode_cursor(*(last if isinstance(last, tuple) else (last,))))
