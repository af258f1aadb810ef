"""What a batch reads of the link graph before anything is decided: a few statements, whatever its size."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg

from identity_service.repository import resolution as repository
from identity_service.repository.changes import ChangedMeanwhile
from identity_service.repository.resolution import Circumstances, Rules
from identity_service.rules.admission import Admission, Permissions
from identity_service.rules.agreements import Agreements
from identity_service.rules.changes import Anchor, Customer
from identity_service.rules.hashing import digest_of_value, hashed_namespace, tombstone_digest
from identity_service.rules.identifiers import Identifier
from identity_service.rules.resolution import Graph
from identity_service.service.resolution.arrivals import FreshEvent, SortedOut


class Run(NamedTuple):
    """One attempt at a batch."""

    connection: asyncpg.Connection
    at: datetime
    new_id: Callable[[], UUID]
    secret: bytes
    """The key of the digests of identifiers."""


class Look(NamedTuple):
    """What was found of the identifiers that a batch names."""

    anchors: list[Anchor]
    circumstances: Circumstances
    erased: dict[Identifier, datetime]
    """When those were erased that ever were."""
    plain_forms: dict[Identifier, Identifier]
    """Hashed form -> the identifier in plain, which may be known or not."""
    digests: dict[Identifier, bytes]
    """Of identifiers in plain that are new."""


async def look_up(run: Run, rules: Rules, sorted_out: SortedOut) -> Look:
    """Find the current anchors of what fresh events name, in plain and hashed, and which of the names were erased."""
    named = {(name, one.arrived.request.source_id): None for one in sorted_out.fresh for name in one.all_names}
    plain_forms: dict[Identifier, Identifier] = {}
    if sorted_out.digests:
        plain_forms = await _plain_forms(run, sorted_out.digests)
        for name, source_id in list(named):
            if name in plain_forms:
                named[plain_forms[name], source_id] = None
    customers: dict[UUID, Customer] = {}
    found = await repository.find_named_anchors(run.connection, named, customers)
    circumstances = await repository.load_circumstances(run.connection)
    known = {anchor.identifier for anchor in found.anchors}
    unknown = {name for name, _ in named if name not in known}
    digests = {
        name: digest_of_value(name.value, secret=run.secret)
        for name in unknown
        if rules.namespaces.is_hashable(name.namespace)
    }
    hashed = {Identifier(hashed_namespace(name.namespace), digest.hex()): name for name, digest in digests.items()}
    anchors = found.anchors
    if hashed and (circumstances.has_hashed or sorted_out.digests):
        plain_forms |= hashed
        naming = dict(iter(named))
        twins = [(form, naming[name]) for form, name in hashed.items()]
        more = await repository.find_named_anchors(run.connection, twins, customers)
        anchors = anchors + [anchor for anchor in more.anchors if anchor.identifier not in known]
    erased = found.not_before
    if unknown and circumstances.has_tombstones:
        erased |= await _tombstones(run, unknown, hashed)
    return Look(anchors, circumstances, erased, plain_forms, digests)


async def _plain_forms(run: Run, arrived: Mapping[Identifier, tuple[str, bytes]]) -> dict[Identifier, Identifier]:
    found = await repository.find_plain_forms(run.connection, [digest for _, digest in arrived.values()])
    return {
        hashed: Identifier(namespace, found[namespace, digest])
        for hashed, (namespace, digest) in arrived.items()
        if (namespace, digest) in found
    }


async def _tombstones(
    run: Run, unknown: Iterable[Identifier], hashed: Mapping[Identifier, Identifier]
) -> dict[Identifier, datetime]:
    """When the unknown ones were erased, in plain or by their hashed form."""
    stones = {name: [tombstone_digest(*name, secret=run.secret)] for name in unknown}
    for form, name in hashed.items():
        stones[name].append(tombstone_digest(*form, secret=run.secret))
    erased_at = await repository.find_tombstones(
        run.connection, {one for digests in stones.values() for one in digests}
    )
    return {
        name: max(erased_at[one] for one in digests if one in erased_at)
        for name, digests in stones.items()
        if not erased_at.keys().isdisjoint(digests)
    }


async def prepare(run: Run, rules: Rules, look: Look, graph: Graph, fresh: Sequence[FreshEvent]) -> Admission:
    """Load what the rules ask of the customers that may change: few, for most events change nothing."""
    customers: dict[UUID, Customer] = {}
    shared: dict[Identifier, None] = {}
    for one in fresh:
        has_other_forms = any(name in look.plain_forms or name in look.digests for name in one.names)
        is_plain = one.previous is None and not has_other_forms
        if is_plain and graph.is_settled(one.names, one.arrived.request.source_id):
            continue
        for name in _forms_of(one.all_names, look):
            anchor = graph.anchor_of(name)
            if anchor is not None:
                customers[anchor.customer.customer_id] = anchor.customer
                if rules.namespaces[name.namespace].is_shared:
                    shared[name] = None
    if customers:
        await repository.load_customers(
            run.connection,
            customers,
            namespaces=rules.namespaces,
            circumstances=look.circumstances,
            shared=list(shared),
            at=run.at,
        )
    permissions = Permissions({}, Agreements())
    if rules.namespaces.has_conditions:
        permissions = await repository.find_permissions(
            run.connection, look.anchors, namespaces=rules.namespaces, at=run.at
        )
    return Admission(graph, namespaces=rules.namespaces, permissions=permissions, plain_forms=look.plain_forms)


def _forms_of(names: Iterable[Identifier], look: Look) -> Iterator[Identifier]:
    """The names and, of those that came hashed, the plain ones; of those that are new in plain, the hashed ones."""
    for name in names:
        yield name
        if look.plain_forms:
            if name in look.plain_forms:
                yield look.plain_forms[name]
            if name in look.digests:
                yield Identifier(hashed_namespace(name.namespace), look.digests[name].hex())


async def refuse_unseen_forms(run: Run, look: Look, sorted_out: SortedOut, new: set[Identifier]) -> None:
    """One resolver may add a value in plain while another adds its hashed form: the later one looks again.

    Raises:
        ChangedMeanwhile: the other form is known by now.
    """
    plain = [name for name in look.digests if name in new]
    hashed = [name for name in sorted_out.digests if name in new]
    if not plain and not hashed:
        return
    unseen = {Identifier(hashed_namespace(name.namespace), look.digests[name].hex()) for name in plain}
    unseen -= {anchor.identifier for anchor in look.anchors}
    await repository.lock_forms(run.connection, exclusive=bool(hashed))
    if await repository.is_any_known(run.connection, unseen):
        raise ChangedMeanwhile
    if hashed:
        found = await _plain_forms(run, {name: sorted_out.digests[name] for name in hashed})
        if any(look.plain_forms.get(name) != plain_name for name, plain_name in found.items()):
            raise ChangedMeanwhile
