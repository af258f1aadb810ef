"""The front door's check: what can be taken of a request's body, and what is wrong with the rest."""

import json
from typing import Any

import msgspec
from msgspec import Raw

from identity_service.rules.tracking.moments import NO_MOMENT, is_moment
from identity_service.rules.tracking.shapes import (
    BATCHES,
    DECODE_ERRORS,
    EVENT_NAMES,
    MAX_EVENT_BYTES,
    MAX_EVENTS,
    MAX_LEVELS,
    MAX_MESSAGE_ID_LENGTH,
    MAX_NAME_LENGTH,
    Body,
    CheckedEvent,
    Envelope,
    InvalidBody,
    Rejected,
    SingleEnvelope,
    describe,
)
from identity_service.rules.tracking.subjects import speaks_of_somebody

_NUL = b"\\u0000"
_envelope_decoder = msgspec.json.Decoder(Envelope)
_single_decoder = msgspec.json.Decoder(SingleEnvelope)
_checked_decoder = msgspec.json.Decoder(CheckedEvent)


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
    except DECODE_ERRORS:
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
    except DECODE_ERRORS:
        return "", "Not valid JSON."
    if _NUL in text or text.count(b"{") + text.count(b"[") > MAX_LEVELS:
        problem = free_json_problem(msgspec.json.decode(text), levels=MAX_LEVELS)
        if problem is not None:
            return "", problem
    return _check_meaning(event, (event.type or "") if kind in BATCHES else kind)


def _check_meaning(event: CheckedEvent, kind: str) -> tuple[str, str] | None:
    if kind not in EVENT_NAMES:
        return "type", "One of identify, track, page, screen, group, alias."
    if kind == "track" and not (event.event and event.event.strip() and len(event.event) <= MAX_NAME_LENGTH):
        return "event", f"A track event has a name of 1 to {MAX_NAME_LENGTH} characters."
    if event.message_id is not None and not 0 < len(event.message_id) <= MAX_MESSAGE_ID_LENGTH:
        return "messageId", f"1 to {MAX_MESSAGE_ID_LENGTH} characters."
    if event.timestamp is not None and not is_moment(event.timestamp):
        return "timestamp", NO_MOMENT
    if event.original_timestamp is not None and not is_moment(event.original_timestamp):
        return "originalTimestamp", NO_MOMENT
    if event.user_id is None and event.anonymous_id is None and not speaks_of_somebody(event, kind=kind):
        return "userId", "One of userId, anonymousId or context.externalIds is required."
    return None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def free_json_problem(value: Any, *, levels: int = MAX_LEVELS - 2) -> str | None:
    """Say what keeps free JSON from being taken, or None. `levels`: of objects and lists in each other; as a rule it
    will stand in an event's properties or traits."""
    if _is_deeper(value, levels):
        return f"Objects and lists stand in each other at most {MAX_LEVELS} levels deep."
    return "Text cannot hold the character U+0000." if _has_nul(value) else None


def _is_deeper(value: Any, levels: int) -> bool:
    pending = [(value, 1)]
    while pending:
        each, level = pending.pop()
        if isinstance(each, dict | list):
            if level > levels:
                return True
            inside = each.values() if isinstance(each, dict) else each
            pending.extend((item, level + 1) for item in inside)
    return False


def _has_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\x00" in value
    if isinstance(value, dict):
        return any("\x00" in key or _has_nul(item) for key, item in value.items())
    return isinstance(value, list) and any(_has_nul(item) for item in value)
