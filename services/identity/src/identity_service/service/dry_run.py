"""The job behind `rules:dryRun`: what proposed rules would make of the whole base, part by part, changing nothing."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from identity_service.repository import dry_run as repository
from identity_service.repository.configuration import list_sources
from identity_service.repository.resolution import namespaces_of
from identity_service.repository.rules import list_namespaces
from identity_service.rules.identifiers import Identifier, Namespaces, identifier
from identity_service.rules.simulation import (
    Difference,
    Part,
    Trusted,
    WouldMerge,
    WouldSplit,
    changed_namespaces,
    compare,
)
from identity_service.service.jobs import RunningJob
from servicekit.database import Database, raw

SAMPLES = 100
_STREAMED = 10_000


class Parts:
    """Customers that share evidence with others, as sets that grow together; all others are parts of their own."""

    def __init__(self) -> None:
        self._parents: dict[UUID, UUID] = {}

    def first_of(self, customer_id: UUID) -> UUID:
        """Return the customer that stands for this one's part: the one with the smallest id."""
        root = customer_id
        while (parent := self._parents.get(root, root)) != root:
            root = parent
        while customer_id != root:
            following = self._parents[customer_id]
            self._parents[customer_id] = root
            customer_id = following
        return root

    def join(self, one: UUID, other: UUID) -> None:
        """Put two customers into one part."""
        first, second = sorted((self.first_of(one), self.first_of(other)))
        self._parents[first] = first
        self._parents[second] = first

    def members(self) -> dict[UUID, list[UUID]]:
        """Return the parts with more than one customer, by the customer that stands for each."""
        found: defaultdict[UUID, list[UUID]] = defaultdict(list)
        for customer_id in list(self._parents):
            found[self.first_of(customer_id)].append(customer_id)
        return found


class DryRun:
    """Goes through all customers in the order of their ids; the cursor holds the sums and samples so far."""

    def __init__(self, *, database: Database, stretch: int = 2000) -> None:
        self._database = database
        self._stretch = stretch

    async def __call__(self, job: RunningJob) -> dict[str, Any]:
        """Compare the present rules with those of the job's parameters; return what `rules:dryRun` documents."""
        proposed = namespaces_of(job.parameters["namespaces"])
        async with self._database.transaction() as session:
            rows = [one.model_dump() for one in await list_namespaces(session)]
            present = namespaces_of(rows)
            trusted: Trusted = {
                source.source_id: frozenset(source.trusted_namespaces) for source in await list_sources(session)
            }
            total = await repository.count_customers(await raw(session))
        names = {one["name"] for one in (*rows, *job.parameters["namespaces"])}
        changing = changed_namespaces(names, present, proposed)
        found = job.cursor or {"customers_before": total, "customers_after": total, **_NOTHING}
        if changing:
            parts = await self._find_parts(changing, present, proposed)
            found = await self._go_through(job, found, parts, total, changing, (present, proposed, trusted))
        return {name: found[name] for name in ("customers_before", "customers_after", *_NOTHING)}

    async def _go_through(
        self,
        job: RunningJob,
        found: dict[str, Any],
        parts: Parts,
        total: int,
        changing: Sequence[str],
        rules: tuple[Namespaces, Namespaces, Trusted],
    ) -> dict[str, Any]:
        members, done = parts.members(), job.done
        while True:
            after = UUID(found["after"]) if "after" in found else None
            async with self._database.transaction() as session:
                connection = await raw(session)
                stretch = await repository.find_stretch(connection, after=after, limit=self._stretch, changing=changing)
                if not stretch:
                    return found
                wanted = [
                    members.get(one, [one]) for one, may_change in stretch if _is_due(one, may_change, parts, members)
                ]
                evidence = await _load_parts(session, wanted, parts)
            differences = await asyncio.to_thread(_compare_all, evidence, *rules)
            found = _added(found, differences, after=stretch[-1][0])
            done += len(stretch)
            await job.report(min(done, total), total, found)

    async def _find_parts(self, changing: Sequence[str], present: Namespaces, proposed: Namespaces) -> Parts:
        parts = Parts()
        rewritten = [name for name in changing if present[name].normaliser != proposed[name].normaliser]
        async with self._database.transaction() as session:
            connection = await raw(session)
            last: tuple[str, str, UUID] | None = None
            async for names in repository.stream_shared_names(connection, stretch=_STREAMED):
                for name in names:
                    if last is not None and last[:2] == name[:2]:
                        parts.join(last[2], name[2])
                    last = name
            async for pairs in repository.stream_crossing_links(connection, stretch=_STREAMED):
                for one, other in pairs:
                    parts.join(one, other)
            holders: dict[Identifier, UUID] = {}
            async for values in repository.stream_values(connection, rewritten, stretch=_STREAMED):
                await asyncio.to_thread(_join_rewritten, values, proposed, holders, parts)
        return parts


_NOTHING: dict[str, Any] = {"merges_count": 0, "splits_count": 0, "merges": [], "splits": []}


def _is_due(customer_id: UUID, may_change: bool, parts: Parts, members: Mapping[UUID, list[UUID]]) -> bool:
    """A part is looked at with its first customer; a customer alone only when the change concerns it."""
    first = parts.first_of(customer_id)
    return first == customer_id and (may_change or first in members)


def _join_rewritten(
    values: Sequence[tuple[str, str, UUID]], proposed: Namespaces, holders: dict[Identifier, UUID], parts: Parts
) -> None:
    """Two values that a normaliser writes alike are one identifier."""
    for namespace, value, customer_id in values:
        name = identifier(namespace, value, normaliser=proposed[namespace].normaliser)
        if name is not None and (holder := holders.setdefault(name, customer_id)) != customer_id:
            parts.join(holder, customer_id)


async def _load_parts(session: AsyncSession, wanted: Sequence[Sequence[UUID]], parts: Parts) -> list[Part]:
    loaded: dict[UUID, Part] = {parts.first_of(customers[0]): Part() for customers in wanted}
    anchors, links, held, separations = await repository.find_evidence(
        await raw(session), [customer_id for customers in wanted for customer_id in customers]
    )
    part_of: dict[UUID, Part] = {}
    for anchor in anchors:
        part = part_of[anchor.anchor_id] = loaded[parts.first_of(anchor.customer_id)]
        part.anchors.append(anchor)
    for link in links:  # an anchor that moved between two of the reads is left out
        if link.anchor_id in part_of:
            part_of[link.anchor_id].links.append(link)
    for one in held:
        if one.anchor_id in part_of:
            part_of[one.anchor_id].held.append(one)
    for separation in separations:
        if separation.anchor_id in part_of:
            part_of[separation.anchor_id].separations.append(separation)
    return list(loaded.values())


def _compare_all(
    parts: Sequence[Part], present: Namespaces, proposed: Namespaces, trusted: Trusted
) -> list[Difference]:
    return [compare(part, present=present, proposed=proposed, trusted=trusted) for part in parts]


def _added(found: dict[str, Any], differences: Sequence[Difference], *, after: UUID) -> dict[str, Any]:
    """Add differences to what was found so far: all to the counts, the first ones to the samples."""
    merges = [merge for one in differences for merge in one.merges]
    splits = [split for one in differences for split in one.splits]
    growth = sum(one.customers_after - one.customers_before for one in differences)
    return {
        **found,
        "customers_after": found["customers_after"] + growth,
        "merges_count": found["merges_count"] + len(merges),
        "splits_count": found["splits_count"] + len(splits),
        "merges": (found["merges"] + [_merge_shown(one) for one in merges])[:SAMPLES],
        "splits": (found["splits"] + [_split_shown(one) for one in splits])[:SAMPLES],
        "after": str(after),
    }


def _merge_shown(merge: WouldMerge) -> dict[str, Any]:
    return {
        "customer_ids": [str(customer_id) for customer_id in merge.customer_ids],
        "through": [{"anchor_id": str(anchor_id), "namespace": namespace} for anchor_id, namespace in merge.through],
        "rule": merge.rule,
    }


def _split_shown(split: WouldSplit) -> dict[str, Any]:
    return {
        "customer_id": str(split.customer_id),
        "parts": [[str(anchor_id) for anchor_id in part] for part in split.parts],
    }
