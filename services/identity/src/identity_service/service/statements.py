"""What events state about persons and groups, besides whom they speak of: kept for comparison, review and the graph."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
import msgspec

from identity_service.repository import statements as repository
from identity_service.repository.statements import GroupMembership, GroupStatement, PersonStatement
from identity_service.rules.tracking import StoredEvent, group_id_of, group_traits_of, traits_of

_decoder = msgspec.json.Decoder(dict[str, Any])

NormalisePerson = Callable[[Mapping[str, Any]], tuple[dict[str, str], dict[str, str]]]  # free JSON by the specification


class PlacedEvent(NamedTuple):
    """An event whose anchor is known."""

    kind: str
    event: StoredEvent
    event_id: UUID
    source_id: str
    anchor_id: UUID
    occurred_at: datetime


class Statements(NamedTuple):
    """What a batch states."""

    persons: list[PersonStatement]
    groups: list[GroupStatement]
    members: list[GroupMembership]


def read_statements(placed: Iterable[PlacedEvent]) -> Statements:
    """Return what the events state, one per person record and per group: of each field what was said last."""
    persons: dict[tuple[UUID, str], PersonStatement] = {}
    groups: dict[str, GroupStatement] = {}
    members: dict[tuple[str, UUID], GroupMembership] = {}
    for one in placed:
        if one.kind == "group":
            _read_group(one, groups, members)
        else:
            _read_person(one, persons)
    return Statements(list(persons.values()), list(groups.values()), list(members.values()))


def _read_person(one: PlacedEvent, persons: dict[tuple[UUID, str], PersonStatement]) -> None:
    written, normal = _normalised(bytes(traits_of(one.event, kind=one.kind)))
    if not written:
        return
    key, at = (one.anchor_id, one.source_id), _text(one.occurred_at)
    known = persons.get(key)
    if known is None:
        known = persons[key] = PersonStatement(one.anchor_id, one.source_id, {}, {}, {}, one.occurred_at)
    for name in written.keys() | normal.keys():
        if (at, written.get(name, "")) > (known.stated_at.get(name, ""), known.written.get(name, "")):
            known.stated_at[name] = at
            _put(known.written, name, written)
            _put(known.normal, name, normal)
    persons[key] = known._replace(occurred_at=max(known.occurred_at, one.occurred_at))


def _put(kept: dict[str, str], name: str, said: Mapping[str, str]) -> None:
    if name in said:
        kept[name] = said[name]
    else:
        kept.pop(name, None)


@lru_cache(maxsize=1024)
def _normalised(traits: bytes) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """What the traits say of a person; people are identified again and again with the same ones."""
    return _normaliser()(_decoder.decode(traits))


@lru_cache(maxsize=1)
def _normaliser() -> NormalisePerson:
    """Loaded when the first person is read: its tables are large, and most events say nothing of persons."""
    from identity_service.rules.normalisation.person import normalise_person

    return normalise_person


def _read_group(
    one: PlacedEvent, groups: dict[str, GroupStatement], members: dict[tuple[str, UUID], GroupMembership]
) -> None:
    group_id = group_id_of(one.event, kind=one.kind)
    if group_id is None:
        return
    membership = GroupMembership(group_id, one.anchor_id, one.source_id, one.event_id, one.occurred_at)
    members.setdefault((group_id, one.anchor_id), membership)
    at = _text(one.occurred_at)
    known = groups.get(group_id)
    if known is None:
        known = groups[group_id] = GroupStatement(group_id, {}, {}, one.source_id, one.occurred_at)
    for name, value in _decoder.decode(group_traits_of(one.event)).items():
        if at >= known.stated_at.get(name, ""):
            known.traits[name] = value
            known.stated_at[name] = at
    if one.occurred_at > known.occurred_at:
        groups[group_id] = known._replace(source_id=one.source_id, occurred_at=one.occurred_at)


def _text(moment: datetime) -> str:
    """A moment as text that sorts like it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


async def save_statements(connection: asyncpg.Connection, statements: Statements, *, at: datetime) -> None:
    """Write what a batch states."""
    if statements.persons:
        await repository.save_persons(connection, statements.persons, at=at)
    if statements.groups:
        await repository.save_groups(connection, statements.groups)
        await repository.save_members(connection, statements.members)
