"""Disclosure: everything a service holds on a customer, as one JSON document.

Rows are read with a cursor and sent as they come, so that a customer with 100,000 events takes no more memory than one
with ten. What is exported is what erasure deletes: the tables with a `customer_id`, and what the service adds.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Annotated
from uuid import UUID

import asyncpg
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import StreamingResponse
from sqlmodel import SQLModel

from servicekit.auth import require
from servicekit.database import Database, json_text, raw
from servicekit.erasure import owned_rows

_SENT_AT_ONCE = 64 * 1024

FormerIds = Annotated[
    list[UUID],
    Query(max_length=1000, description="Ids that lead to this customer as well, as identity says"),
]


def export_router(
    service: str,
    base: type[SQLModel],
    *,
    more: Mapping[str, str] | None = None,
    left_out: frozenset[str] = frozenset(),
) -> APIRouter:
    """Return the route `GET /v1/customers/{customer_id}/export`.

    `more` gives further tables' rows: by name a query with the customers' ids as $1 and one jsonb column `held`.
    """
    queries = {
        table: f'SELECT to_jsonb(t) AS held FROM "{table}" t WHERE {condition}'  # noqa: S608  # the models' own names
        for table, condition in owned_rows(base).items()
        if table not in left_out
    } | dict(more or {})
    router = APIRouter(prefix="/v1", tags=["privacy"])

    @router.get(
        "/customers/{customer_id}/export",
        dependencies=[Depends(require("privacy:read"))],
        response_class=StreamingResponse,
        responses={200: {"content": {"application/json": {"schema": EXPORT_SCHEMA}}}},
        summary="Everything held on a customer",
    )
    async def export_customer(
        request: Request,
        customer_id: UUID,
        former_customer_ids: FormerIds = [],  # noqa: B006  # read only
    ) -> StreamingResponse:
        """Give every row about the customer, by table. A customer nobody knows has none."""
        database: Database = request.app.state.service.database
        await database.ping()  # what is down says so before the answer begins
        document = stream_document(
            database, queries, service=service, customer_id=customer_id, former_customer_ids=former_customer_ids
        )
        return StreamingResponse(document, media_type="application/json", headers={"Cache-Control": "no-store"})

    return router


EXPORT_SCHEMA = {
    "type": "object",
    "required": ["service", "customer_id", "tables"],
    "properties": {
        "service": {"type": "string"},
        "customer_id": {"type": "string", "format": "uuid"},
        "tables": {"type": "object", "additionalProperties": {"type": "array", "items": {"type": "object"}}},
    },
}
"""JSON Schema of the document."""


async def stream_document(
    database: Database,
    queries: Mapping[str, str],
    *,
    service: str,
    customer_id: UUID,
    former_customer_ids: Sequence[UUID] = (),
) -> AsyncIterator[bytes]:
    """Yield the document `{service, customer_id, tables: {name: [row]}}` in pieces."""
    customer_ids = [customer_id, *former_customer_ids]
    async with database.transaction() as session:
        connection = await raw(session)
        pending = bytearray(f'{{"service":{json_text(service)},"customer_id":"{customer_id}","tables":{{'.encode())
        for number, (table, query) in enumerate(queries.items()):
            pending += f"{',' if number else ''}{json_text(table)}:[".encode()
            first = True
            async for row in _rows(connection, query, customer_ids):
                pending += (row if first else f",{row}").encode()
                first = False
                if len(pending) >= _SENT_AT_ONCE:
                    yield bytes(pending)
                    pending.clear()
            pending += b"]"
        yield bytes(pending) + b"}}"


async def _rows(connection: asyncpg.Connection, query: str, customer_ids: Sequence[UUID]) -> AsyncIterator[str]:
    statement = f"SELECT held::text FROM ({query}) AS rows"  # noqa: S608  # the service's own query
    async for record in connection.cursor(statement, list(customer_ids), prefetch=500):
        yield record["held"]
