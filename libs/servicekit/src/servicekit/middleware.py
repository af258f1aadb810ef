"""What every request passes on its way in: measure and trace, cap the body, know who asks."""

import re
from collections.abc import Mapping, Sequence
from time import perf_counter
from typing import Any

import structlog
from opentelemetry import propagate, trace
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from servicekit.auth import Authenticator
from servicekit.errors import ServiceError, TooLarge, Unauthorized, problem, render
from servicekit.metrics import Metrics
from servicekit.workers import describe

log = structlog.get_logger(__name__)
tracer = trace.get_tracer(__name__)

ALWAYS_PUBLIC = (r"GET /livez", r"GET /readyz")
"""Health is open in every service; everything else public is listed by the service itself."""


class TelemetryMiddleware:
    """One span and one observation per request; an unforeseen exception becomes a problem without details."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 500
        started = False

        async def note(message: Message) -> None:
            nonlocal status, started
            if message["type"] == "http.response.start":
                status, started = message["status"], True
            await send(message)

        begin = perf_counter()
        carrier = {
            name.decode("latin-1"): value.decode("latin-1")
            for name, value in scope["headers"]
            if name == b"traceparent"
        }
        context = propagate.extract(carrier) if carrier else None
        with tracer.start_as_current_span(scope["method"], context=context, kind=trace.SpanKind.SERVER) as span:
            try:
                await self._app(scope, receive, note)
            except Exception as error:  # the last line of defence: say nothing of the inside
                log.error("request_failed", path=_route(scope), error=describe(error))
                if started:
                    raise
                await _internal_error(scope)(scope, receive, note)
            route = _route(scope)
            span.update_name(f"{scope['method']} {route}")
            span.set_attributes(
                {"http.request.method": scope["method"], "http.route": route, "http.response.status_code": status}
            )
            if status >= 500:
                span.set_status(trace.StatusCode.ERROR)
        self._metrics.requests.labels(scope["method"], route, str(status)).observe(perf_counter() - begin)


def _internal_error(scope: Scope) -> ASGIApp:
    return problem(
        status=500,
        code="internal",
        title="Internal error",
        detail="Something went wrong here. Try again; if it stays, see the service's log.",
        instance=scope["path"],
    )


def note_route(route: BaseRoute) -> BaseRoute:
    """Let a plain route say that it was taken, as FastAPI's own routes do: spans and metrics name the route."""
    if isinstance(route, Route):
        inner = route.app

        async def noted(scope: Scope, receive: Receive, send: Send) -> None:
            scope["route"] = route
            await inner(scope, receive, send)

        route.app = noted
    return route


def _route(scope: Scope) -> str:
    route: Any = scope.get("route")
    return str(getattr(route, "path", "unmatched"))


class BodyLimitMiddleware:
    """Refuses bodies over `limit` bytes, by Content-Length or while they stream in.

    `limits` are of the routes that take larger ones, by `METHOD /path` pattern.
    """

    def __init__(self, app: ASGIApp, *, limit: int, limits: Mapping[str, int] | None = None) -> None:
        self._app = app
        self._limit = limit
        self._limits = limits or {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = body_limit(scope["method"], scope["path"], default=self._limit, limits=self._limits)
        declared = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        if declared.isdigit() and int(declared) > limit:
            await self._refuse(limit)(scope, receive, send)
            return
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > limit:
                # FastAPI lets only this kind of exception through while it reads a body
                raise HTTPException(TooLarge.status, f"The body is larger than {limit} bytes. Send it in parts.")
            return message

        await self._app(scope, counted, send)

    def _refuse(self, limit: int) -> ASGIApp:
        async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
            error = TooLarge(f"The body is larger than {limit} bytes. Send it in parts.")
            await render(error, instance=scope["path"])(scope, receive, send)

        return refuse


def body_limit(method: str, path: str, *, default: int, limits: Mapping[str, int]) -> int:
    """How many bytes the body of a request may have."""
    endpoint = f"{method} {path}"
    return next((limit for pattern, limit in limits.items() if re.fullmatch(pattern, endpoint)), default)


class AuthenticationMiddleware:
    """Secure by default: every path needs a valid token, except those listed as public (`METHOD /path` patterns)."""

    def __init__(self, app: ASGIApp, *, authenticator: Authenticator, public: Sequence[str]) -> None:
        self._app = app
        self._authenticator = authenticator
        self._public = re.compile("|".join(f"(?:{pattern})" for pattern in (*ALWAYS_PUBLIC, *public)))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] == "http" and not self._is_public(scope):
            try:
                scope["principal"] = self._verify(Request(scope))
            except ServiceError as error:
                await render(error, instance=scope["path"])(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _is_public(self, scope: Scope) -> bool:
        return self._public.fullmatch(f"{scope['method']} {scope['path']}") is not None

    def _verify(self, request: Request) -> object:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Unauthorized("Pass `Authorization: Bearer <token>`. `kizuna token` makes one.")
        return self._authenticator.verify(token.strip())
