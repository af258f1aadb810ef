"""Health: alive (the process answers) and ready (its parts answer; what is missing is named)."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response

from servicekit.auth import require
from servicekit.relay import read_outbox


@dataclass(frozen=True)
class Check:
    """Something the service needs to be ready. `probe` raises when it is missing."""

    name: str
    probe: Callable[[], Awaitable[None]]


router = APIRouter(tags=["health"])


@router.get("/livez")
async def livez() -> dict[str, str]:
    """Say that the process answers."""
    return {"status": "alive"}


@router.get("/readyz")
async def readyz(request: Request) -> Response:
    """Say whether requests can be served; 503 names what is missing."""
    service = request.app.state.service
    missing = [] if service.accepting else ["shutting down"]
    results = await asyncio.gather(*(_probe(check) for check in service.checks))
    missing += [check.name for check, good in zip(service.checks, results, strict=True) if not good]
    return JSONResponse(
        {"status": "not ready" if missing else "ready", "missing": missing}, status_code=503 if missing else 200
    )


async def _probe(check: Check) -> bool:
    try:
        async with asyncio.timeout(2):
            await check.probe()
    except Exception:  # noqa: BLE001  # whatever it is, this part is missing
        return False
    return True


def metrics_router(service_name: str) -> APIRouter:
    """Return the router of `GET /metrics` (scope `<service>:read`)."""
    metrics = APIRouter(tags=["health"])

    @metrics.get("/metrics", dependencies=[Depends(require(f"{service_name}:read"))], response_class=Response)
    async def expose(request: Request) -> Response:
        """Return the metrics in Prometheus text format."""
        service = request.app.state.service
        if service.database is not None:
            await read_outbox(service.database, service.metrics, clock=service.clock)
        return Response(service.metrics.exposition(), media_type="text/plain; version=0.0.4")

    return metrics
