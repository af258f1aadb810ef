"""The review queue: pairs of customers that are probably one, seen side by side, accepted, rejected, taken back."""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from identity_service.repository import candidates as repository
from identity_service.repository import decisions as decisions_repository
from identity_service.repository.candidates import Evidence, Said
from identity_service.service.decisions import REVIEW, Decider, merge_customers, undo_decision
from identity_service.service.found_pairs import load_grounds
from identity_service.service.linking import get_settings
from servicekit.cursors import Page, cut_page, decode_cursor
from servicekit.database import raw
from servicekit.errors import Conflict, NotFound

_EVIDENCE_RULE = "review"
_NOT_IN_REVIEW: Mapping[str, str] = {
    "linked": "It was linked already, by its score. Undo that first.",
    "accepted": "It was accepted already. Undo that first.",
    "rejected": "It was rejected already. Undo that first.",
    "undone": "Its link was undone: the two are kept apart. Merge the customers themselves if they are one after all.",
    "stale": "It no longer holds: the customers became one, were divided or erased, or nothing speaks for it any more.",
}
_NOTHING_TO_UNDO: Mapping[str, str] = {
    "review": "Nothing was decided on it yet.",
    "stale": "Nothing was decided on it, and it no longer holds.",
}


async def list_candidates(
    session: AsyncSession,
    *,
    state: str | None,
    customer_id: UUID | None,
    run_id: UUID | None,
    first: int,
    after: str | None,
) -> Page[dict[str, Any]]:
    """Return a page of candidates, the best score first.

    Raises:
        Invalid: `after` is not a cursor of this listing.
    """
    connection = await raw(session)
    last = decode_cursor(after, float, UUID) if after else None
    found = await repository.list_candidates(
        connection, state=state, customer_id=customer_id, run_id=run_id, after=last, limit=first + 1
    )
    page = cut_page(found, first, lambda candidate: (candidate["score"], candidate["candidate_id"]))
    return Page(await _shown(connection, page.items), page.next)


async def get_candidate(session: AsyncSession, candidate_id: UUID) -> dict[str, Any]:
    """Return a candidate with everything that was decided on it.

    Raises:
        NotFound: there is no such candidate.
    """
    connection = await raw(session)
    [shown] = await _shown(
        connection, [_known(await repository.find_candidate(connection, candidate_id), candidate_id)]
    )
    history = await repository.list_decisions_on(connection, candidate_id)
    return {**shown, "history": [dict(decision) for decision in history]}


async def accept_candidate(session: AsyncSession, candidate_id: UUID, decider: Decider, *, why: str) -> dict[str, Any]:
    """Make the two customers one. Accepting what is accepted changes nothing.

    Raises:
        NotFound: there is no such candidate.
        Conflict: something else was decided, or it no longer holds.
    """
    connection = await raw(session)
    candidate = await _lock(connection, candidate_id)
    if candidate["state_now"] != "accepted":
        _demand_review(candidate)
        await _merge(session, connection, candidate, decider, why=why)
    return await get_candidate(session, candidate_id)


async def _merge(
    session: AsyncSession, connection: asyncpg.Connection, candidate: asyncpg.Record, decider: Decider, *, why: str
) -> None:
    customers = (candidate["customer_id"], candidate["other_customer_id"])
    decision = await merge_customers(
        session,
        customers,
        decider,
        why=why,
        rule=REVIEW,
        score=candidate["score"],
    )
    at = decider.clock.now()
    settings = await get_settings(session)
    grounds = await load_grounds(connection, clock=decider.clock, across_entities=settings.across_entities)
    uses = grounds.uses(candidate["record_source_id"], candidate["other_record_source_id"])
    anchors = candidate["record_anchor_id"], candidate["other_record_anchor_id"]
    evidence = [Evidence(*anchors, decision.decision_id, _EVIDENCE_RULE, candidate["score"], use) for use in uses]
    await repository.save_evidence(connection, evidence, at=at)
    await repository.decide(
        connection,
        candidate["candidate_id"],
        "accepted",
        action="accepted",
        by=decider.by,
        why=why,
        at=at,
        decision_id=decision.decision_id,
        customer_ids=customers,
    )


async def reject_candidate(session: AsyncSession, candidate_id: UUID, decider: Decider, *, why: str) -> dict[str, Any]:
    """Remember that these are two: no run proposes or links them again. Rejecting what is rejected changes nothing.

    Raises:
        NotFound: there is no such candidate.
        Conflict: something else was decided, or it no longer holds.
    """
    connection = await raw(session)
    candidate = await _lock(connection, candidate_id)
    if candidate["state_now"] != "rejected":
        _demand_review(candidate)
        await repository.decide(
            connection,
            candidate_id,
            "rejected",
            action="rejected",
            by=decider.by,
            why=why,
            at=decider.clock.now(),
            customer_ids=(candidate["customer_id"], candidate["other_customer_id"]),
        )
    return await get_candidate(session, candidate_id)


async def undo_candidate(session: AsyncSession, candidate_id: UUID, decider: Decider, *, why: str) -> dict[str, Any]:
    """Take back what was decided: a link comes apart and stays so, a rejected pair is in review again.

    Undoing what is undone changes nothing.

    Raises:
        NotFound: there is no such candidate.
        Conflict: nothing was decided, or the merge cannot be undone any more.
    """
    connection = await raw(session)
    candidate = await _lock(connection, candidate_id)
    state = candidate["state_now"]
    if state in {"linked", "accepted"}:
        await undo_decision(session, candidate["decision_id"], decider, why=why)
        await _note_undo(connection, candidate_id, "undone", decider, why=why)
    elif state == "rejected":
        await _note_undo(connection, candidate_id, "review", decider, why=why)
    elif state != "undone" and candidate["decided_at"] is None:
        raise Conflict(_NOTHING_TO_UNDO[state], field="candidate_id")
    return await get_candidate(session, candidate_id)


async def _note_undo(
    connection: asyncpg.Connection, candidate_id: UUID, state: str, decider: Decider, *, why: str
) -> None:
    await repository.decide(
        connection,
        candidate_id,
        state,
        action="undone",
        by=decider.by,
        why=why,
        at=decider.clock.now(),
    )


async def _lock(connection: asyncpg.Connection, candidate_id: UUID) -> asyncpg.Record:
    """Lock a candidate and before it, in the order in which runs do it, its customers."""
    seen = _known(await repository.find_candidate(connection, candidate_id), candidate_id)
    await decisions_repository.lock_customers(connection, {seen["customer_id"], seen["other_customer_id"]})
    return _known(await repository.lock_candidate(connection, candidate_id), candidate_id)


def _known(candidate: asyncpg.Record | None, candidate_id: UUID) -> asyncpg.Record:
    if candidate is None:
        raise NotFound(f"There is no candidate {candidate_id}.", field="candidate_id")
    return candidate


def _demand_review(candidate: asyncpg.Record) -> None:
    problem = _NOT_IN_REVIEW.get(candidate["state_now"])
    if problem is not None:
        raise Conflict(problem, field="candidate_id")


async def _shown(connection: asyncpg.Connection, rows: Sequence[asyncpg.Record]) -> list[dict[str, Any]]:
    """Fill in what the person records say now: candidates hold no values of their own."""
    records = {record for row in rows for record in _records(row)}
    said = await repository.find_values(connection, list(records))
    return [
        {
            **row,
            "state": row["state_now"],
            "fields": [_field(field, *(said.get(one) for one in _records(row))) for field in json.loads(row["fields"])],
        }
        for row in rows
    ]


def _records(candidate: asyncpg.Record) -> tuple[tuple[UUID, str], tuple[UUID, str]]:
    return (
        (candidate["record_anchor_id"], candidate["record_source_id"]),
        (candidate["other_record_anchor_id"], candidate["other_record_source_id"]),
    )


def _field(field: dict[str, Any], record: Said | None, other_record: Said | None) -> dict[str, Any]:
    """Put a field of two records side by side: as it is compared, and as it was written. Null: not there any more."""
    parts = field["parts"]
    return {
        "field": field["field"],
        "value": _together(record.normal if record else {}, parts),
        "other_value": _together(other_record.normal if other_record else {}, parts),
        "written": _together(record.written if record else {}, parts),
        "other_written": _together(other_record.written if other_record else {}, parts),
        "agreement": field["agreement"],
        "weight": field["weight"],
    }


def _together(said: Mapping[str, str], parts: Sequence[str]) -> str | None:
    return " ".join(said[part] for part in parts if said.get(part)) or None
