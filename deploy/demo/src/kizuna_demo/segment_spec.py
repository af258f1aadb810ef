"""Events in the form of the Segment specification, encoded for `POST /v1/batch`."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from typing import Literal

import msgspec

Json = dict[str, object]

MAXIMUM_BATCH_BYTES = 450_000
"""The specification allows 500 KB a batch; the rest is left for the envelope."""
MAXIMUM_BATCH_EVENTS = 1_000


class Product(msgspec.Struct, frozen=True):
    """One line of an order (Segment's e-commerce specification); `price` is of one piece."""

    product_id: str
    name: str
    quantity: int
    price: Decimal


class Event(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """One event. `message_id` is fixed, so sending it again is harmless."""

    type: Literal["identify", "track", "page"]
    message_id: str
    timestamp: datetime
    user_id: str | None = None
    anonymous_id: str | None = None
    event: str | None = None
    name: str | None = None
    properties: Json | None = None
    traits: Json | None = None
    context: Json | None = None


class Batch(msgspec.Struct, frozen=True):
    """A request body and how many events it holds."""

    body: bytes
    events: int


_encoder = msgspec.json.Encoder(decimal_format="number")


def batches(events: Iterable[Event]) -> Iterator[Batch]:
    """Request bodies of at most `MAXIMUM_BATCH_EVENTS` events and `MAXIMUM_BATCH_BYTES` bytes, in the events' order."""
    encoded: list[bytes] = []
    size = 0
    for event in events:
        text = _encoder.encode(event)
        if encoded and (len(encoded) == MAXIMUM_BATCH_EVENTS or size + len(text) > MAXIMUM_BATCH_BYTES):
            yield _batch(encoded)
            encoded, size = [], 0
        encoded.append(text)
        size += len(text) + 1
    if encoded:
        yield _batch(encoded)


def _batch(encoded: list[bytes]) -> Batch:
    return Batch(body=b'{"batch":[' + b",".join(encoded) + b"]}", events=len(encoded))
