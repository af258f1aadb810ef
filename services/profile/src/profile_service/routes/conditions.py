"""The condition language, for whoever writes conditions: HTTP only."""

from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from profile_service.repository.library import CONDITION
from profile_service.routes.dependencies import reads

router = APIRouter(prefix="/v1", tags=["conditions"])


class SchemaResponse(JSONResponse):
    """A JSON Schema."""

    media_type = "application/schema+json"


@router.get("/conditions/schema", dependencies=reads, response_class=SchemaResponse)
async def get_schema() -> dict[str, Any]:  # a JSON Schema
    """The JSON Schema of a condition; docs/conditions.md shows every node."""
    return CONDITION.json_schema()
