"""What the gateway reads is what the services say they answer: compared with their committed OpenAPI documents."""

import json
import types
import typing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.answers import campaign, delivery, identity, profile, survey

SERVICES = Path(__file__).parents[3] / "services"
ANSWERS: list[tuple[str, str, str, type]] = [
    ("identity", "post", "/v1/customers:batchGet", identity.IdentityAnswer),
    ("identity", "post", "/v1/identifiers:batchLookup", identity.LookupAnswer),
    ("identity", "get", "/v1/customers", identity.CustomerListAnswer),
    ("identity", "get", "/v1/coverage", identity.LinkCoverageAnswer),
    ("profile", "post", "/v1/customers:batchGet", profile.ProfileAnswer),
    ("profile", "post", "/v1/timelines:batchGet", profile.TimelineAnswer),
    ("profile", "get", "/v1/customers", identity.CustomerListAnswer),
    ("profile", "get", "/v1/segments", profile.SegmentListAnswer),
    ("profile", "get", "/v1/segments/{key}", profile.SegmentRow),
    ("campaign", "post", "/v1/journeys:batchGet", campaign.JourneysAnswer),
    ("campaign", "get", "/v1/campaigns", campaign.CampaignListAnswer),
    ("campaign", "get", "/v1/campaigns/{key}", campaign.CampaignRow),
    ("campaign", "get", "/v1/campaigns/{key}/results", campaign.ResultsRow),
    ("campaign", "get", "/v1/journeys/{key}", campaign.JourneyRow),
    ("delivery", "post", "/v1/messages:batchGet", delivery.MessagesAnswer),
    ("delivery", "post", "/v1/permissions:batchGet", delivery.PermissionsAnswer),
    ("survey", "post", "/v1/responses:batchGet", survey.ResponsesAnswer),
    ("survey", "post", "/v1/commitments:batchGet", survey.CommitmentsAnswer),
    ("survey", "get", "/v1/questionnaires", survey.QuestionnaireListAnswer),
    ("survey", "get", "/v1/questionnaires/{key}", survey.QuestionnaireRow),
    ("survey", "get", "/v1/coverage", survey.CoverageRow),
    ("survey", "get", "/v1/nps", survey.NpsRow),
]
CHANGES = [
    ("profile", "put", "/v1/segments/{key}"),
    ("profile", "post", "/v1/segments/{key}:publish"),
    ("campaign", "put", "/v1/journeys/{key}"),
    ("campaign", "post", "/v1/journeys/{key}:publish"),
    ("delivery", "post", "/v1/permissions:withdraw"),
]


def document(service: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((SERVICES / service / "openapi.json").read_text(encoding="utf-8"))
    return content


def find_operation(service: str, method: str, path: str) -> dict[str, Any]:
    """The operation, whatever its path parameters are called."""
    for known, operations in document(service)["paths"].items():
        if _without_names(known) == _without_names(path) and method in operations:
            operation: dict[str, Any] = operations[method]
            return operation
    raise AssertionError(f"{service} has no {method.upper()} {path}")


def _without_names(path: str) -> str:
    return "/".join(
        part.partition("{")[0] + "{}" + part.partition("}")[2] if "{" in part else part for part in path.split("/")
    )


@pytest.mark.parametrize(("service", "method", "path", "answer"), ANSWERS)
def test_an_answer_has_what_is_read(service: str, method: str, path: str, answer: type) -> None:
    operation = find_operation(service, method, path)
    content = operation["responses"]["200"]["content"]["application/json"]["schema"]
    schemas = document(service)["components"]["schemas"]
    compare(answer, content, schemas, at=answer.__name__)


@pytest.mark.parametrize(("service", "method", "path"), CHANGES)
def test_a_change_is_where_it_is_sent(service: str, method: str, path: str) -> None:
    find_operation(service, method, path)


def compare(kind: Any, schema: dict[str, Any], schemas: dict[str, Any], *, at: str) -> None:
    """Every value the schema allows must be one the type takes."""
    choices = [resolve(choice, schemas) for choice in resolve(schema, schemas).get("anyOf", [schema])]
    may_be_null = any(choice.get("type") == "null" for choice in choices)
    options = typing.get_args(kind) if isinstance(kind, types.UnionType) else (kind,)
    if msgspec.Raw in options:
        return
    assert not may_be_null or type(None) in options, f"{at} may be null"
    (option, *_) = [each for each in options if each is not type(None)]
    for choice in choices:
        if typing.get_origin(option) is list and choice.get("type") == "array":
            compare(typing.get_args(option)[0], choice["items"], schemas, at=f"{at}[]")
        elif isinstance(option, type) and issubclass(option, msgspec.Struct) and choice.get("type") == "object":
            compare_struct(option, choice, schemas, at=at)


def compare_struct(kind: type[msgspec.Struct], schema: dict[str, Any], schemas: dict[str, Any], *, at: str) -> None:
    hints = typing.get_type_hints(kind)
    for field in msgspec.structs.fields(kind):
        properties = schema["properties"]
        assert field.encode_name in properties, f"{at} has no {field.encode_name}"
        if field.required:
            assert field.encode_name in schema.get("required", []) or "default" in properties[field.encode_name], (
                f"{at}.{field.encode_name} may be absent"
            )
        compare(hints[field.name], properties[field.encode_name], schemas, at=f"{at}.{field.encode_name}")


def resolve(schema: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        schema = schemas[schema["$ref"].rsplit("/", 1)[1]]
    return schema
