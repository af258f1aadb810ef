"""A service as a value: what its composition root built. The chassis serves it, runs its workers, ends it in order."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from fastapi import APIRouter, FastAPI
from starlette.routing import BaseRoute

from servicekit import health
from servicekit.auth import Authenticator
from servicekit.clock import Clock
from servicekit.database import Database, raw
from servicekit.errors import PROBLEM_RESPONSES, document_problems, install_error_handlers
from servicekit.health import Check
from servicekit.metrics import Metrics
from servicekit.middleware import AuthenticationMiddleware, BodyLimitMiddleware, TelemetryMiddleware, note_route
from servicekit.nats import NatsConnection
from servicekit.settings import ServiceSettings
from servicekit.workers import PeriodicWorker, Worker

Closer = Callable[[], Awaitable[None]]
Build = Callable[..., "Service"]
"""A service's composition root: `build(settings, clock=...) -> Service`."""


@dataclass
class Service:
    """Everything a service is made of. `public` lists the paths that need no token, as `METHOD /path` patterns."""

    settings: ServiceSettings
    clock: Clock
    metrics: Metrics
    nats: NatsConnection | None = None
    database: Database | None = None
    routers: Sequence[APIRouter] = ()
    routes: Sequence[BaseRoute] = ()
    """Plain Starlette routes, for hot paths."""
    workers: Sequence[Worker] = ()
    checks: Sequence[Check] = ()
    public: Sequence[str] = ()
    body_limits: Mapping[str, int] = field(default_factory=dict)
    """How many bytes a body may have where it is not `MAX_BODY_BYTES`, by `METHOD /path` pattern; see `uploads`."""
    resources: dict[str, object] = field(default_factory=dict)
    starters: Sequence[Closer] = ()
    closers: Sequence[Closer] = ()
    customize: Callable[[FastAPI], None] | None = None
    """Called with the app once it is built (say, to mount GraphQL)."""
    ready_without_database: bool = False
    """Requests are answered while the database is down (identity's front door): readiness asks it of workers alone."""
    accepting: bool = True

    @property
    def name(self) -> str:
        """The service's name, e.g. `profile`."""
        return self.settings.service

    async def start(self) -> None:
        """Open connections. None of them must succeed now: a part that is down is named by /readyz."""
        if self.nats is not None:
            await self.nats.start()
        for starter in self.starters:
            await starter()

    async def close(self) -> None:
        """Close what start opened, last first."""
        for closer in reversed(self.closers):
            await closer()
        if self.nats is not None:
            await self.nats.close()
        if self.database is not None:
            await self.database.close()


def create_app(service: Service) -> FastAPI:
    """Build the HTTP application of a service; its lifespan opens and closes the connections."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await service.start()
        try:
            yield
        finally:
            await service.close()

    app = FastAPI(
        title=f"Kizuna {service.name}",
        version="1",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        separate_input_output_schemas=False,
        responses=PROBLEM_RESPONSES,
        # FastAPI's own spans hold paths and query strings, and with them identifiers and signed links: ours do not
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    app.state.service = service
    install_error_handlers(app)
    document_problems(app)
    app.include_router(health.router)
    app.include_router(health.metrics_router(service.name))
    for router in service.routers:
        app.include_router(router)
    app.router.routes.extend(note_route(route) for route in service.routes)
    if service.customize is not None:
        service.customize(app)
    # added last = outermost
    app.add_middleware(
        AuthenticationMiddleware,
        authenticator=Authenticator(service.settings.jwks_file, clock=service.clock),
        public=service.public,
    )
    app.add_middleware(BodyLimitMiddleware, limit=service.settings.max_body_bytes, limits=service.body_limits)
    app.add_middleware(TelemetryMiddleware, metrics=service.metrics)
    return app


def janitor(database: Database, clock: Clock, *, inbox_days: int = 8) -> Worker:
    """A worker that removes inbox rows older than any stream keeps messages, and idempotency keys after a day."""

    async def sweep() -> bool:
        now = clock.now()
        async with database.transaction() as session:
            connection = await raw(session)
            await connection.execute("DELETE FROM inbox WHERE received_at < $1", now - timedelta(days=inbox_days))
            await connection.execute("DELETE FROM idempotency_keys WHERE created_at < $1", now - timedelta(days=1))
        return False

    return PeriodicWorker("janitor", 3600, sweep)


async def database_is_migrated(database: Database, head: str, known: frozenset[str]) -> None:
    """Raise unless the database stands at this code's newest migration, or at one newer than this code knows."""
    async with database.transaction() as session:
        present = await (await raw(session)).fetchval("SELECT version_num FROM alembic_version")
    if present is None or (present in known and present != head):
        raise RuntimeError("migrations are pending")
