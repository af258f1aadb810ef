"""Ranks: HTTP only."""

from typing import Any

from fastapi import APIRouter, Request, Response

from profile_service.repository.definitions import RankRow
from profile_service.routes.dependencies import reads, writes
from profile_service.schemas import ranks as schemas
from profile_service.service import configuring
from servicekit.http import ClockDependency, IfMatch, Session, TransactionalRoute, etag, resource

router = APIRouter(prefix="/v1", route_class=TransactionalRoute, tags=["profile"])


@router.get("/ranks/default", dependencies=reads)
async def get_ranks(session: Session, response: Response) -> schemas.RanksAnswer:
    """The ranks, lowest first, with their sizes."""
    ranks, version = await configuring.get_ranks(session)
    return _ranks(ranks, version, await configuring.get_measure(session), response)


@router.put("/ranks/default", dependencies=writes, responses={201: {"model": schemas.RanksAnswer}})
async def put_ranks(
    body: schemas.RanksBody,
    request: Request,
    session: Session,
    clock: ClockDependency,
    response: Response,
    demanded: IfMatch,
) -> schemas.RanksAnswer:
    """Replace the ranks; the highest fulfilled one wins. Everybody is evaluated anew."""
    ranks, version, is_new = await configuring.put_ranks(
        session,
        [(rank.key, rank.name, rank.takes) for rank in body.ranks],
        measure=body.measure,
        demanded_version=demanded,
        now=clock.now(),
    )
    resource(request, "wake_backfill")(session)
    response.status_code = 201 if is_new else 200
    return _ranks(ranks, version, await configuring.get_measure(session), response)


def _ranks(
    ranks: list[RankRow], version: int, measure: dict[str, Any] | None, response: Response
) -> schemas.RanksAnswer:
    etag(response, version)
    return schemas.RanksAnswer(
        ranks=[schemas.RankAnswer.model_validate(rank, from_attributes=True) for rank in ranks],
        measure=measure,
        version=version,
    )
