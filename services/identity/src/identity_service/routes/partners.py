"""What partners send, signed, and the secrets they sign with."""

from typing import Annotated, Any, cast

from fastapi import APIRouter, Depends, Header, Request
from pydantic import BaseModel

from identity_service.routes.configuration import UnstoredRoute
from identity_service.rules.tracking import MAX_BODY_BYTES
from identity_service.schemas.partners import (
    IdSyncsBody,
    IdSyncsTaken,
    RecordsBody,
    RecordsTaken,
    RejectedLink,
    RemarksBody,
    RemarksTaken,
    SigningSecretAnswer,
)
from identity_service.service import partners as service
from identity_service.service.partners import PartnerDoor, Signature, StatementsTaken
from identity_service.signing_secrets import SecretBox
from servicekit.auth import require
from servicekit.errors import TooLarge
from servicekit.http import ClockDependency, Key, Session, resource

PUBLIC = (r"POST /v1/partners/[^/]+/(id-syncs|remarks|records)",)
"""Reached with a signature instead of a token."""

secrets = APIRouter(prefix="/v1", route_class=UnstoredRoute, tags=["sources"])
router = APIRouter(prefix="/v1", tags=["partners"])


def _in_one(schema: Any, definitions: dict[str, Any]) -> Any:  # JSON Schema
    """Put definitions where they are referred to: the body is read raw, so FastAPI does not know its models."""
    if isinstance(schema, dict):
        if "$ref" in schema:
            return _in_one(definitions[schema["$ref"].rsplit("/", 1)[-1]], definitions)
        return {key: _in_one(value, definitions) for key, value in schema.items() if key != "$defs"}
    return [_in_one(item, definitions) for item in schema] if isinstance(schema, list) else schema


def _documented(model: type[BaseModel]) -> dict[str, Any]:
    schema = model.model_json_schema()
    content = {"application/json": {"schema": _in_one(schema, schema.get("$defs", {}))}}
    return {"security": [], "requestBody": {"required": True, "content": content}}


def _box(request: Request) -> SecretBox:
    return cast(SecretBox, resource(request, "secret_box"))


def _door(request: Request) -> PartnerDoor:
    return cast(PartnerDoor, resource(request, "partner_door"))


async def _body(request: Request) -> bytes:
    body = await request.body()
    if len(body) > MAX_BODY_BYTES:
        raise TooLarge(f"The body is larger than {MAX_BODY_BYTES} bytes. Send it in parts.")
    return body


SignatureHeader = Annotated[str, Header(max_length=2000)]


def _signature(
    webhook_id: SignatureHeader = "", webhook_timestamp: SignatureHeader = "", webhook_signature: SignatureHeader = ""
) -> Signature:
    return Signature(webhook_id, webhook_timestamp, webhook_signature)


def _rejected(taken: StatementsTaken) -> list[RejectedLink]:
    return [RejectedLink.model_validate(one._asdict()) for one in taken.rejected]


@secrets.post("/sources/{source_id}:rotateSigningSecret", dependencies=[Depends(require("identity:write"))])
async def rotate_signing_secret(
    source_id: Key, session: Session, clock: ClockDependency, box: Annotated[SecretBox, Depends(_box)]
) -> SigningSecretAnswer:
    """Give the source a new secret for its signatures (said this once); the former one stops working.

    To change it without a gap, let the partner sign with both for a while: several signatures in one header are tried.
    """
    secret = await service.rotate_signing_secret(session, source_id, box=box, clock=clock)
    return SigningSecretAnswer(source_id=source_id, signing_secret=secret)


@router.post("/partners/{source_id}/id-syncs", openapi_extra=_documented(IdSyncsBody))
async def take_id_syncs(
    source_id: Key,
    request: Request,
    door: Annotated[PartnerDoor, Depends(_door)],
    signature: Annotated[Signature, Depends(_signature)],
) -> IdSyncsTaken:
    """Take links between identifiers of a partner's system and others, signed by Standard Webhooks.

    Bad links inside a good body are named in `rejected`; the others are in the event log when this answers.
    """
    taken = await door.take_id_syncs(source_id, await _body(request), signature)
    return IdSyncsTaken(accepted=taken.accepted, rejected=_rejected(taken))


@router.post("/partners/{source_id}/remarks", openapi_extra=_documented(RemarksBody))
async def take_remarks(
    source_id: Key,
    request: Request,
    door: Annotated[PartnerDoor, Depends(_door)],
    signature: Annotated[Signature, Depends(_signature)],
) -> RemarksTaken:
    """Take remarks of blogs and social networks by their authors' handles, signed by Standard Webhooks.

    Each becomes an event `Remark Made` of whoever has the handle. Bad ones are named in `rejected`.
    """
    taken = await door.take_remarks(source_id, await _body(request), signature)
    return RemarksTaken(accepted=taken.accepted, rejected=_rejected(taken))


@router.post("/partners/{source_id}/records", openapi_extra=_documented(RecordsBody))
async def take_records(
    source_id: Key,
    request: Request,
    door: Annotated[PartnerDoor, Depends(_door)],
    signature: Annotated[Signature, Depends(_signature)],
) -> RecordsTaken:
    """Take records of a department's system - events, or traits - by identifiers, signed by Standard Webhooks.

    What an import of the same records would refuse is refused here, and named in `rejected`; the others are in the
    event log when this answers.
    """
    taken = await door.take_records(source_id, await _body(request), signature)
    return RecordsTaken(accepted=taken.accepted, rejected=_rejected(taken))
