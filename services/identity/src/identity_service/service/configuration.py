"""Sources with their write keys."""

import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from contracts.identity import OWN_SOURCES
from identity_service.errors import UNAVAILABLE
from identity_service.events import source_changed
from identity_service.models import Source
from identity_service.repository import configuration as repository
from identity_service.schemas.configuration import SourceBody
from identity_service.write_keys import KeyHasher, KeyHolder, KeyMirror
from servicekit.clock import Clock
from servicekit.database import Database, after_commit
from servicekit.errors import Invalid, NotFound
from servicekit.http import check_version
from servicekit.outbox import publish
from servicekit.workers import describe

log = structlog.get_logger(__name__)

_TOLD_AT_ONCE = 500


class SavedSource(NamedTuple):
    """A source after the change, with its write key if one was made."""

    source: Source
    is_new: bool
    write_key: str | None


def new_write_key() -> str:
    """Return a key nobody can guess (192 bits)."""
    return secrets.token_urlsafe(24)


async def put_source(
    session: AsyncSession,
    source_id: str,
    body: SourceBody,
    *,
    version: int | None,
    clock: Clock,
    hasher: KeyHasher,
    mirror: KeyMirror,
) -> SavedSource:
    """Make a source, or change it; the same again changes nothing.

    Raises:
        Invalid: a new one takes the id of one of Kizuna's own services.
        PreconditionFailed: it has another version than demanded.
    """
    await repository.lock_key(session, "source", source_id)
    source = await repository.find_source(session, source_id)
    check_version(source.version if source else None, version)
    values = body.model_dump()
    if source is None:
        return await _add_source(session, source_id, values, clock=clock, hasher=hasher, mirror=mirror)
    if any(getattr(source, name) != value for name, value in values.items()):
        source.sqlmodel_update(values)
        await touch_source(session, source, at=clock.now())
        _mirror_later(session, source, mirror)
    return SavedSource(source, False, None)


async def _add_source(
    session: AsyncSession,
    source_id: str,
    values: dict[str, object],
    *,
    clock: Clock,
    hasher: KeyHasher,
    mirror: KeyMirror,
) -> SavedSource:
    if source_id in OWN_SOURCES:
        raise Invalid("This is the id of one of Kizuna's own services. Choose another.", field="source_id")
    write_key, now = new_write_key(), clock.now()
    source = Source.model_validate(
        {
            **values,
            "source_id": source_id,
            "key_hash": hasher(write_key),
            "version": 1,
            "created_at": now,
            "updated_at": now,
        }
    )
    await repository.add_source(session, source)
    await _tell(session, [source])
    _mirror_later(session, source, mirror)
    return SavedSource(source, True, write_key)


async def rotate_key(
    session: AsyncSession, source_id: str, *, clock: Clock, hasher: KeyHasher, mirror: KeyMirror
) -> SavedSource:
    """Give a source a new write key; the former one is unknown from then on.

    Raises:
        NotFound: there is no such source.
    """
    await repository.lock_key(session, "source", source_id)
    source = await get_source(session, source_id)
    write_key, former_hash = new_write_key(), source.key_hash
    source.key_hash = hasher(write_key)
    await touch_source(session, source, at=clock.now())
    _mirror_later(session, source, mirror, former_hash=former_hash)
    return SavedSource(source, False, write_key)


async def touch_source(session: AsyncSession, source: Source, *, at: datetime) -> None:
    """Write a changed source as its next version, and tell other services."""
    await repository.touch_source(session, source, at=at)
    await _tell(session, [source])


async def tell_untold(session: AsyncSession) -> bool:
    """Tell other services of sources made before anybody heard of them; True while there may be more."""
    sources = await repository.take_untold(session, limit=_TOLD_AT_ONCE)
    await _tell(session, sources)
    return len(sources) == _TOLD_AT_ONCE


async def _tell(session: AsyncSession, sources: Sequence[Source]) -> None:
    for source in sources:
        source.told_version = source.version
    await session.flush()
    await publish(session, [source_changed(source) for source in sources])


async def get_source(session: AsyncSession, source_id: str) -> Source:
    """Return a source.

    Raises:
        NotFound: there is no such source.
    """
    source = await repository.find_source(session, source_id)
    if source is None:
        raise NotFound(f"There is no source {source_id}.")
    return source


def holder_of(source: Source) -> KeyHolder:
    """Return what the front door is told of a source."""
    return KeyHolder(
        source_id=source.source_id,
        department=source.department,
        brand=source.brand,
        legal_entity=source.legal_entity,
        purposes=tuple(source.purposes),
    )


def _mirror_later(session: AsyncSession, source: Source, mirror: KeyMirror, *, former_hash: str | None = None) -> None:
    """Tell the front door once the change is committed. If that fails, the reconciler makes good for it."""
    key_hash, holder = source.key_hash, holder_of(source)

    async def tell() -> None:
        try:
            await mirror.put(key_hash, holder, former_hash=former_hash)
        except UNAVAILABLE as error:
            log.warning("write_key_not_mirrored", source_id=holder.source_id, error=describe(error))

    after_commit(session, tell)


async def reconcile_write_keys(database: Database, mirror: KeyMirror) -> None:
    """Make the front door's mirror equal to the sources, whatever happened in between."""

    async def load_holders() -> dict[str, KeyHolder]:
        async with database.transaction() as session:
            return {source.key_hash: holder_of(source) for source in await repository.list_sources(session)}

    changed = await mirror.reconcile(load_holders)
    if changed:
        log.info("write_keys_reconciled", entries=changed)


async def list_sources(session: AsyncSession) -> Sequence[Source]:
    """Return all sources by id."""
    return await repository.list_sources(session)
