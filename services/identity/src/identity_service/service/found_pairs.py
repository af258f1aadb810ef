"""What becomes of the pairs that a run of probabilistic linking has found: linked, put to review, or left alone."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from identity_service.repository import candidates as repository
from identity_service.repository import decisions as decisions_repository
from identity_service.repository import linking as linking_repository
from identity_service.repository import scoring as scoring_repository
from identity_service.repository.candidates import Evidence, ExistingCandidate, ScoredCandidate
from identity_service.repository.linking import FoundPair
from identity_service.rules.agreements import Permit
from identity_service.rules.linking import NO_COMMON_PURPOSE, LinkUse, RecordSource, Standing, uses_of_link
from identity_service.service.decisions import OURSELVES, Decider, merge_customers
from servicekit.clock import Clock
from servicekit.database import raw

RULE = "probabilistic"


class PairsOfRun(NamedTuple):
    """A stretch of what a run has found, the best first."""

    run_id: UUID
    across_entities: bool
    found: Sequence[FoundPair]


class Grounds(NamedTuple):
    """By what is decided who may use a link."""

    sources: Mapping[str, RecordSource]
    permits: Sequence[Permit]
    across_entities: bool

    def uses(self, source_id: str, other_source_id: str) -> list[LinkUse]:
        """Return who may use a link between records of these sources."""
        one, other = self.sources.get(source_id), self.sources.get(other_source_id)
        if one is None or other is None:
            return []
        return uses_of_link(one, other, self.permits, across_entities=self.across_entities)


class _Present(NamedTuple):
    """A found pair and whose it is now."""

    found: FoundPair
    customer_id: UUID
    other_customer_id: UUID

    @property
    def key(self) -> tuple[UUID, UUID]:
        return min(self.customer_id, self.other_customer_id), max(self.customer_id, self.other_customer_id)


async def load_grounds(connection: asyncpg.Connection, *, clock: Clock, across_entities: bool) -> Grounds:
    """Read by what is decided who may use a link now."""
    sources = await scoring_repository.find_record_sources(connection)
    permits = await scoring_repository.find_permits(connection, at=clock.now())
    return Grounds({source.source_id: source for source in sources}, permits, across_entities)


async def deal_with(
    session: AsyncSession, pairs: PairsOfRun, *, clock: Clock, new_id: Callable[[], UUID], partitions: int
) -> None:
    """Link what may be linked, put to review what a person must see, leave the rest; within the caller's transaction.

    A pair whose customers have changed since they were scored is left: they are scored again by the next run.
    """
    connection = await raw(session)
    present = await _present(connection, pairs.found)
    if not present:
        return
    customer_ids = sorted({customer for pair in present for customer in pair.key})
    limits = await repository.find_limits(connection)
    standing = Standing(
        apart=await scoring_repository.find_apart(connection, customer_ids),
        held=await repository.find_held(connection, customer_ids, limits),
        limits=limits,
    )
    grounds = await load_grounds(connection, clock=clock, across_entities=pairs.across_entities)
    existing = await repository.find_existing(connection, list({pair.key for pair in present}))
    decider = Decider(OURSELVES, clock, new_id, partitions)
    scored: list[ScoredCandidate] = []
    evidence: list[Evidence] = []
    for pair in present:
        verdict, contradiction = standing.verdict(pair.customer_id, pair.other_customer_id)
        if verdict == "leave":
            continue
        uses = grounds.uses(pair.found.record_source_id, pair.found.other_record_source_id)
        candidate = _in_review(pair, existing.get(pair.key), new_id=new_id)
        if pair.found.outcome == "link" and verdict == "link" and uses:
            customers = [standing.now(pair.customer_id), standing.now(pair.other_customer_id)]
            candidate, stays = await _linked(session, candidate, customers, decider)
            standing.join(stays, *customers)
            evidence += evidence_of(candidate.found, uses, decision_id=candidate.decision_id, rule=RULE)
        elif pair.found.outcome == "link":
            candidate = candidate._replace(contradiction=contradiction or NO_COMMON_PURPOSE)
        scored.append(candidate)
    await _save(connection, pairs.run_id, scored, existing, clock=clock)
    await repository.save_evidence(connection, evidence, at=clock.now())


async def _present(connection: asyncpg.Connection, found: Sequence[FoundPair]) -> list[_Present]:
    """Return the pairs that still are what was scored; their customers are locked in the order of their ids."""
    anchors = {
        anchor
        for pair in found
        for anchor in (pair.anchor_id, pair.other_anchor_id, pair.record_anchor_id, pair.other_record_anchor_id)
    }
    before = await linking_repository.find_holders(connection, list(anchors))
    locked = await decisions_repository.lock_customers(connection, set(before.values()))
    holders = await linking_repository.find_holders(connection, list(anchors))
    present = []
    for pair in found:
        one, other = holders.get(pair.anchor_id), holders.get(pair.other_anchor_id)
        if one is None or other is None or one == other or not {one, other} <= locked.keys():
            continue
        if holders.get(pair.record_anchor_id) == one and holders.get(pair.other_record_anchor_id) == other:
            present.append(_Present(pair, one, other))
    return present


def _in_review(pair: _Present, known: ExistingCandidate | None, *, new_id: Callable[[], UUID]) -> ScoredCandidate:
    return ScoredCandidate(
        candidate_id=known.candidate_id if known else new_id(),
        customer_id=pair.customer_id,
        other_customer_id=pair.other_customer_id,
        found=pair.found,
        state="review",
        contradiction=pair.found.contradiction,
        decided_by=None,
        why=None,
        decision_id=None,
    )


async def _linked(
    session: AsyncSession, candidate: ScoredCandidate, customer_ids: Sequence[UUID], decider: Decider
) -> tuple[ScoredCandidate, UUID]:
    """Make two customers one; return what that makes of their candidate, and who stays."""
    why = _why(candidate.found)
    decision = await merge_customers(session, customer_ids, decider, why=why, rule=RULE, score=candidate.found.score)
    linked = candidate._replace(
        state="linked", contradiction=None, decided_by=OURSELVES, why=why, decision_id=decision.decision_id
    )
    return linked, decision.customer_id


def _why(found: FoundPair) -> str:
    """Say in words, without values, what speaks for the link most."""
    strongest = sorted((field for field in found.fields if field["weight"] > 0), key=lambda field: -field["weight"])
    agreements = ", ".join(f"{field['field']} ({field['agreement']})" for field in strongest[:4])
    return f"Probably one person ({found.score:.4f}): {agreements or 'by all fields together'}."


def evidence_of(found: FoundPair, uses: Sequence[LinkUse], *, decision_id: UUID | None, rule: str) -> list[Evidence]:
    """Return the links that rest on the two records that were compared."""
    assert decision_id is not None
    return [
        Evidence(found.record_anchor_id, found.other_record_anchor_id, decision_id, rule, found.score, use)
        for use in uses
    ]


async def _save(
    connection: asyncpg.Connection,
    run_id: UUID,
    scored: Sequence[ScoredCandidate],
    existing: Mapping[tuple[UUID, UUID], ExistingCandidate],
    *,
    clock: Clock,
) -> None:
    anchors = {known.candidate_id: known.anchors for known in existing.values()}
    elsewhere = [
        one.candidate_id
        for one in scored
        if one.candidate_id in anchors and anchors[one.candidate_id] != (one.found.anchor_id, one.found.other_anchor_id)
    ]
    await repository.release_candidates(connection, elsewhere)
    await repository.save_candidates(connection, run_id, scored, at=clock.now())
