"""The gateway, put together. Read it from top to bottom."""

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import BaseRoute, Route, WebSocketRoute

from gateway.clients import Services
from gateway.graphiql import graphiql_routes
from gateway.live import LiveUpdates
from gateway.routes import GraphQLEndpoint
from gateway.schema import Graph
from gateway.settings import Settings
from gateway.websocket import LiveEndpoint
from servicekit.auth import Authenticator
from servicekit.clock import Clock, SystemClock
from servicekit.metrics import Metrics
from servicekit.nats import NatsConnection
from servicekit.service import Service

PUBLIC = (r"GET /", r"GET /graphiql(/.*)?", r"OPTIONS /graphql")
"""What needs no token: GraphiQL's page, which holds no data, and the question browsers ask before they send a token."""


def build(settings: Settings, clock: Clock = SystemClock()) -> Service:
    """Build the gateway from its settings."""
    nats = NatsConnection(settings.nats_url, name="gateway")
    services = Services(settings)
    live = LiveUpdates(nats, max_watchers=settings.max_subscribers)
    graph = Graph(settings)
    authenticator = Authenticator(settings.jwks_file, clock=clock)
    endpoint = GraphQLEndpoint(graph, services=services, live=live, authenticator=authenticator, settings=settings)
    websocket = LiveEndpoint(graph, context=endpoint.context, settings=settings)

    routes: list[BaseRoute] = [
        Route("/graphql", endpoint.handle, methods=["GET", "POST"], name="graphql"),
        WebSocketRoute("/graphql", websocket, name="graphql-live"),
        *graphiql_routes(),
    ]
    return Service(
        settings=settings,
        clock=clock,
        metrics=Metrics(),
        nats=nats,
        routes=routes,
        # queries need no NATS, and any service may be down: the gateway is ready as soon as it runs
        checks=[],
        public=PUBLIC,
        resources={"live": live},
        closers=[services.close, live.close],
        customize=lambda app: _allow_origins(app, settings),
    )


def _allow_origins(app: FastAPI, settings: Settings) -> None:
    if settings.allowed_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.allowed_origins,
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type", "traceparent"],
        )
