"""Merge, split, undo; what was decided, by whom and why."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from identity_service.routes.dependencies import After, DecidedBy, First
from identity_service.schemas.decisions import (
    DecisionAnswer,
    DecisionKind,
    DecisionPage,
    DecisionsAnswer,
    DecisionsOfCustomer,
    DecisionsQuestion,
    MergeBody,
    SplitBody,
    UndoBody,
)
from identity_service.service import decisions as service
from identity_service.service import decisions_shown as shown
from servicekit.auth import require
from servicekit.http import Session, TransactionalRoute

READ = Depends(require("identity:read"))

router = APIRouter(prefix="/v1", route_class=TransactionalRoute, tags=["decisions"])


@router.post("/customers:merge", status_code=201)
async def merge_customers(body: MergeBody, session: Session, decider: DecidedBy) -> DecisionAnswer:
    """Make customers one; the oldest stays unless `into` says another. It can be undone."""
    return await service.merge_customers(session, body.customer_ids, decider, why=body.why, into=body.into)


@router.post("/customers/{customer_id}:split", status_code=201)
async def split_customer(customer_id: UUID, body: SplitBody, session: Session, decider: DecidedBy) -> DecisionAnswer:
    """Give some identifiers of a customer to a new one; no rule joins the two again. It can be undone."""
    return await service.split_customer(session, customer_id, body.anchor_ids, decider, why=body.why)


@router.post("/decisions/{decision_id}:undo", status_code=201)
async def undo_decision(decision_id: UUID, body: UndoBody, session: Session, decider: DecidedBy) -> DecisionAnswer:
    """Move back what a decision moved, as far as it still is where the decision put it."""
    return await service.undo_decision(session, decision_id, decider, why=body.why)


@router.get("/decisions", dependencies=[READ])
async def list_decisions(
    session: Session,
    customer_id: Annotated[UUID | None, Query(description="Only those that concern this customer.")] = None,
    kind: DecisionKind | None = None,
    first: First = 100,
    after: After = None,
) -> DecisionPage:
    """Return decisions, the newest first."""
    page = await shown.list_decisions(session, customer_id=customer_id, kind=kind, first=first, after=after)
    return DecisionPage.model_validate(page)


@router.post("/decisions:batchGet", dependencies=[READ])
async def get_decisions(body: DecisionsQuestion, session: Session) -> DecisionsAnswer:
    """Return the decisions that concern many customers, the newest first; a cursor continues after its decision."""
    found = await shown.list_decisions_of(session, body.customer_ids, first=body.first, after=body.after)
    customers = [
        DecisionsOfCustomer(customer_id=customer_id, items=page.items, next=page.next) for customer_id, page in found
    ]
    return DecisionsAnswer(customers=customers)


@router.get("/decisions/{decision_id}", dependencies=[READ])
async def get_decision(decision_id: UUID, session: Session) -> DecisionAnswer:
    """Return one decision."""
    return await shown.get_decision(session, decision_id)
