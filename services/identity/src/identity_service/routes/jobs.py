"""Long work: how far is it, what came of it, stop it."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from identity_service.routes.dependencies import After, First
from identity_service.schemas.jobs import JobAnswer, JobPage
from identity_service.service import jobs as service
from servicekit.auth import require
from servicekit.http import ClockDependency, Session, TransactionalRoute

READ, WRITE = Depends(require("identity:read")), Depends(require("identity:write"))

router = APIRouter(prefix="/v1", route_class=TransactionalRoute, tags=["jobs"])

Kind = Annotated[str | None, Query(max_length=100, pattern=r"^[^\x00]*$")]


@router.get("/jobs", dependencies=[READ])
async def list_jobs(session: Session, kind: Kind = None, first: First = 100, after: After = None) -> JobPage:
    """Return jobs, the newest first."""
    return JobPage.model_validate(await service.list_jobs(session, kind=kind, first=first, after=after))


@router.get("/jobs/{job_id}", dependencies=[READ])
async def get_job(job_id: UUID, session: Session) -> JobAnswer:
    """Return how far a job is and what came of it."""
    return JobAnswer.model_validate(await service.get_job(session, job_id))


@router.post("/jobs/{job_id}:cancel", dependencies=[WRITE])
async def cancel_job(job_id: UUID, session: Session, clock: ClockDependency) -> JobAnswer:
    """Cancel a job; what it has done so far stays done."""
    return JobAnswer.model_validate(await service.cancel_job(session, job_id, clock=clock))
