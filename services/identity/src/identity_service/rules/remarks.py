"""Remarks: what partners say authors wrote on blogs and social networks, and the events that become of it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Raw, Struct

from identity_service.rules.partners import Problem, SourceRules, check_each, external_id, read_list, value_problem
from identity_service.rules.tracking import NO_MOMENT, Rejected, moment

REMARK = "Remark Made"
MAX_REMARKS = 1000
MAX_TEXT, MAX_URL, MAX_REMARK_ID = 10_000, 2000, 200
_LANGUAGE_LENGTHS = range(2, 36)  # BCP 47
_WEB = ("https://", "http://")


class Author(Struct, forbid_unknown_fields=True, gc=False):
    """Who wrote: a handle in a configured namespace."""

    namespace: str
    value: str | int


class Remark(Struct, forbid_unknown_fields=True):
    """What somebody wrote where and when. `remark_id` is the partner's: the same again is a repetition."""

    author: Author
    text: str
    url: str | None = None
    occurred_at: str | None = None
    language: str | None = None
    remark_id: str | None = None


class _Body(Struct, forbid_unknown_fields=True):
    remarks: list[Raw]


_body_decoder = msgspec.json.Decoder(_Body)
_remark_decoder = msgspec.json.Decoder(Remark)


def remark_events(
    body: bytes, rules: SourceRules, *, webhook_id: str, said_at: datetime
) -> tuple[list[bytes], list[Rejected]]:
    """Return the track events that a body of remarks says, and what is wrong with remarks that say none.

    Raises:
        InvalidBody: not JSON, not `{"remarks": [...]}`, or more than 1,000 remarks.
    """
    remarks = read_list(lambda: _body_decoder.decode(body).remarks, name="remarks", most=MAX_REMARKS)
    good, rejected = check_each(remarks, _remark_decoder, lambda remark: remark_problem(remark, rules))
    events = [
        remark_event(remark, message_id=f"remark:{webhook_id}:{index}", default_time=said_at)
        for index, remark in good.items()
    ]
    return events, rejected


def remark_problem(remark: Remark, rules: SourceRules) -> Problem | None:
    """Say what is wrong with a remark, or None."""
    problem = value_problem(remark.author.namespace, remark.author.value, rules)
    if problem is not None:
        return f"author.{problem[0]}", problem[1]
    if rules.blocks(remark.author.namespace, remark.author.value):
        return "author.value", "A blocked value: it identifies nobody."
    lengths: Mapping[str, tuple[str | None, range]] = {
        "text": (remark.text.strip(), range(1, MAX_TEXT + 1)),
        "url": (remark.url, range(1, MAX_URL + 1)),
        "language": (remark.language, _LANGUAGE_LENGTHS),
        "remark_id": (remark.remark_id, range(1, MAX_REMARK_ID + 1)),
    }
    for field, (value, allowed) in lengths.items():
        if value is not None and len(value) not in allowed:
            return field, f"{allowed.start} to {allowed.stop - 1} characters."
        if value is not None and "\x00" in value:
            return field, "Text cannot hold the character U+0000."
    if remark.url is not None and not remark.url.lower().startswith(_WEB):
        return "url", "An address that begins with https:// or http://: people follow it."
    if remark.occurred_at is not None and moment(remark.occurred_at) is None:
        return "occurred_at", NO_MOMENT
    return None


def remark_event(remark: Remark, *, message_id: str, default_time: datetime) -> bytes:
    """Return the track event that says what a remark says; who wrote it is in its context only."""
    said = {"text": remark.text, "url": remark.url, "language": remark.language, "site": remark.author.namespace}
    properties: dict[str, Any] = {name: value for name, value in said.items() if value is not None}
    author = external_id(remark.author.namespace, value=remark.author.value)
    event = {
        "type": "track",
        "event": REMARK,
        "messageId": message_id if remark.remark_id is None else f"remark:{remark.remark_id}",
        "timestamp": remark.occurred_at or default_time.isoformat(),
        "properties": properties,
        "context": {"externalIds": [author]},
    }
    return msgspec.json.encode(event)
