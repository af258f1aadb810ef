"""The rules of identifiers: changed one namespace or all at once, each change the next version, with who and why."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from identity_service.models import Namespace, RulesVersion
from identity_service.repository import rules as repository
from identity_service.repository.configuration import lock_key
from identity_service.schemas.rules import AllRules, NamespaceAnswer, NamespaceRules, RulesBody
from identity_service.service.jobs import enqueue
from servicekit.clock import Clock
from servicekit.cursors import Page, cut_page, decode_cursor
from servicekit.errors import NotFound
from servicekit.http import check_version

DRY_RUN = "rules.dry_run"

_SHIPPED_NORMALISERS = {"email": "email", "phone": "phone"}
_SHIPPED_SHARED = frozenset({"anonymous_id"})


class RulesChange(NamedTuple):
    """Who changes the rules, why, and by which clock."""

    by: str
    why: str
    clock: Clock


def named_rules(name: str, rules: NamespaceRules) -> dict[str, Any]:
    """Return the columns of a namespace; what was not said is as shipped for it."""
    return {
        "value_limit": rules.limit,
        "limit_window": rules.limit_window,
        "priority": rules.priority,
        "is_unique": rules.unique,
        "blocked_values": rules.blocked_values,
        "normaliser": rules.normaliser or _SHIPPED_NORMALISERS.get(name, "plain"),
        "verified_only": rules.verified_only,
        "is_shared": (name in _SHIPPED_SHARED and not rules.unique) if rules.shared is None else rules.shared,
        "is_outside": rules.outside,
        "is_restricted": rules.restricted,
    }


def shown(namespace: Namespace) -> NamespaceAnswer:
    """Return a namespace as the API shows it, and as versions keep it."""
    return NamespaceAnswer(
        name=namespace.name,
        limit=namespace.value_limit,
        limit_window=namespace.limit_window,
        priority=namespace.priority,
        unique=namespace.is_unique,
        blocked_values=namespace.blocked_values,
        normaliser=namespace.normaliser,
        verified_only=namespace.verified_only,
        shared=namespace.is_shared,
        outside=namespace.is_outside,
        restricted=namespace.is_restricted,
        version=namespace.version,
    )


async def put_namespace(
    session: AsyncSession, name: str, rules: NamespaceRules, *, version: int | None, change: RulesChange
) -> tuple[Namespace, bool]:
    """Make a namespace's rules, or change them; for events resolved from then on. Return it, and if it is new.

    Raises:
        PreconditionFailed: it has another version than demanded.
    """
    await _lock_rules(session)
    namespace = await repository.find_namespace(session, name)
    check_version(namespace.version if namespace else None, version)
    is_new = namespace is None
    namespace, has_changed = await _put(session, name, namespace, rules, change)
    if has_changed:
        await _write_version(session, change)
    return namespace, is_new


async def put_rules(
    session: AsyncSession, body: RulesBody, *, version: int | None, change: RulesChange
) -> RulesVersion:
    """Replace all rules at once, for events resolved from then on; the same again changes nothing.

    Raises:
        PreconditionFailed: the rules have another version than demanded.
    """
    await _lock_rules(session)
    check_version(await repository.find_last_number(session), version)
    known = {one.name: one for one in await repository.list_namespaces(session)}
    gone = known.keys() - {one.name for one in body.namespaces}
    has_changed = bool(gone)
    await repository.remove_namespaces(session, gone)
    for rules in body.namespaces:
        _, is_other = await _put(session, rules.name, known.get(rules.name), rules, change)
        has_changed = has_changed or is_other
    return await _write_version(session, change) if has_changed else await get_rules(session)


async def _lock_rules(session: AsyncSession) -> None:
    await lock_key(session, "rules", "all")


async def _put(
    session: AsyncSession, name: str, namespace: Namespace | None, rules: NamespaceRules, change: RulesChange
) -> tuple[Namespace, bool]:
    values = named_rules(name, rules)
    if namespace is None:
        namespace = Namespace.model_validate({"name": name, "version": 1, "updated_at": change.clock.now(), **values})
        await repository.add_namespace(session, namespace)
        return namespace, True
    if all(getattr(namespace, field) == value for field, value in values.items()):
        return namespace, False
    namespace.sqlmodel_update({**values, "version": namespace.version + 1, "updated_at": change.clock.now()})
    await session.flush()
    return namespace, True


async def _write_version(session: AsyncSession, change: RulesChange) -> RulesVersion:
    namespaces = [shown(one).model_dump(mode="json") for one in await repository.list_namespaces(session)]
    version = RulesVersion(
        version=await repository.find_last_number(session) + 1,
        namespaces=namespaces,
        changed_by=change.by,
        why=change.why,
        changed_at=change.clock.now(),
    )
    await repository.add_version(session, version)
    return version


async def get_namespace(session: AsyncSession, name: str) -> Namespace:
    """Return a namespace.

    Raises:
        NotFound: it is not configured.
    """
    namespace = await repository.find_namespace(session, name)
    if namespace is None:
        raise NotFound(f"The namespace {name} is not configured: default rules hold.")
    return namespace


async def list_namespaces(session: AsyncSession) -> Sequence[Namespace]:
    """Return all configured namespaces, the strongest first."""
    return await repository.list_namespaces(session)


async def get_rules(session: AsyncSession) -> RulesVersion:
    """Return the rules in force.

    Raises:
        NotFound: no version was ever written (the migrations write the first).
    """
    version = await repository.find_last_version(session)
    if version is None:
        raise NotFound("There is no version of the rules yet.")
    return version


async def list_versions(session: AsyncSession, *, first: int, after: str | None) -> Page[RulesVersion]:
    """Return a page of versions, the newest first.

    Raises:
        Invalid: `after` is not a cursor of this listing.
    """
    before = decode_cursor(after, int)[0] if after else None
    found = await repository.list_versions(session, before=before, limit=first + 1)
    return cut_page(found, first, lambda rules: rules.version)


async def ask_for_dry_run(
    session: AsyncSession, body: AllRules, *, by: str, clock: Clock, new_id: Callable[[], UUID]
) -> UUID:
    """Queue a dry run of these rules over what is stored; return the job's id."""
    proposed = [{"name": rules.name, **named_rules(rules.name, rules)} for rules in body.namespaces]
    return await enqueue(session, DRY_RUN, {"namespaces": proposed}, by=by, clock=clock, new_id=new_id)
