"""GraphQL over WebSocket (graphql-transport-ws). The caller's credential, and the purpose if one is stated, come in
connection_init's payload."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, cast

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.exceptions import ConnectionRejectionError
from strawberry.schema.base import BaseSchema
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import BaseGraphQLTransportWSHandler
from strawberry.subscriptions.protocols.graphql_transport_ws.types import Message

from gateway.context import OperationContext
from gateway.errors import GatewayError
from gateway.schema import Conversation, Graph
from gateway.settings import Settings

_encoder = msgspec.json.Encoder()


@dataclass
class Connection:
    """One WebSocket: who speaks is known after connection_init."""

    connection_params: dict[str, object] = field(default_factory=dict)
    operation: OperationContext | None = None
    """What every operation's own context is made from."""


class Handler(BaseGraphQLTransportWSHandler[Connection, None]):
    """Strawberry's handler of the protocol, which trusts messages to have the right shape."""

    async def handle_message(self, message: Message) -> None:
        """Handle one message, or close with 4400 when it is none of the protocol's."""
        if _is_well_formed(message):
            await super().handle_message(message)
        else:
            await self.handle_invalid_message("Failed to parse message")


class LiveEndpoint(GraphQL[Connection, None]):
    """`WebSocket /graphql`."""

    graphql_transport_ws_handler_class = Handler

    def __init__(
        self, graph: Graph, *, context: Callable[[str, str | None], OperationContext], settings: Settings
    ) -> None:
        super().__init__(
            schema=cast("BaseSchema", Conversation(graph)),  # the handler only calls stream()
            graphql_ide=None,
            subscription_protocols=[GRAPHQL_TRANSPORT_WS_PROTOCOL],
            connection_init_wait_timeout=timedelta(seconds=settings.connection_init_seconds),
            max_subscriptions_per_connection=settings.max_subscriptions_per_connection,
            # no cookies here: a page on another origin has nothing it could act with but its own token
            allowed_origins=["*"],
        )
        self._context = context

    async def get_context(self, request: Request | WebSocket, response: Response | WebSocket) -> Connection:
        """A connection nobody has introduced themselves on."""
        return Connection()

    async def on_ws_connect(self, context: Connection) -> dict[str, object] | None:
        """Check the credential of connection_init; without a good one the connection is closed with 4403."""
        authorization = context.connection_params.get("authorization") or context.connection_params.get("Authorization")
        if not isinstance(authorization, str) or not authorization.lower().startswith("bearer "):
            raise ConnectionRejectionError
        try:
            operation = self._context(authorization, _purpose(context.connection_params))
            operation.authenticate()
        except (GatewayError, ValueError):
            raise ConnectionRejectionError from None
        context.operation = operation
        return None

    def encode_json(self, data: object) -> str:
        """JSON as text: the protocol allows no binary messages."""
        return _encoder.encode(data).decode()


def _purpose(parameters: dict[str, object]) -> str | None:
    """What the caller reads for. Raises ValueError for what is no line of text: it becomes a header."""
    purpose = parameters.get("purpose")
    if purpose is None:
        return None
    if not isinstance(purpose, str) or not purpose.isascii() or not purpose.isprintable():
        raise ValueError("a purpose is one line of text")
    return purpose


def _is_well_formed(message: Any) -> bool:  # Any: JSON
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        return False
    if message["type"] in {"subscribe", "complete"} and not (isinstance(message.get("id"), str) and message["id"]):
        return False
    if message["type"] != "subscribe":
        return True
    payload = message.get("payload")
    return (
        isinstance(payload, dict)
        and isinstance(payload.get("query"), str)
        and isinstance(payload.get("variables"), dict | None)
        and isinstance(payload.get("operationName"), str | None)
    )
