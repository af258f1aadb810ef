"""Customers' graphs."""

from fastapi import APIRouter, Depends

from identity_service.schemas.graph import GraphsAnswer
from identity_service.service import graph as service
from servicekit.auth import require
from servicekit.http import BatchGet, Session, TransactionalRoute

router = APIRouter(
    prefix="/v1", route_class=TransactionalRoute, tags=["customers"], dependencies=[Depends(require("identity:read"))]
)


@router.post("/customers:batchGraph")
async def get_graphs(body: BatchGet, session: Session) -> GraphsAnswer:
    """Return customers' identifiers, the evidence between them, what was held apart, former ids and groups."""
    return GraphsAnswer.model_validate({"customers": await service.get_graphs(session, body.customer_ids)})
