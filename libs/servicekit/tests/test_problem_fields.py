"""A problem names the field as it was sent, whatever pydantic puts in between."""

import json
from typing import Annotated, Any, Literal

import httpx
import pytest
from fastapi import FastAPI
from pydantic import Field

from servicekit.errors import install_error_handlers
from servicekit.http import Body


class Wait(Body):
    kind: Literal["wait"]
    days: int


class Send(Body):
    kind: Literal["send"]
    template: str


class Gate(Body):
    kind: Literal["gate"]
    gate: str
    open_to: bool | Annotated[list[str], Field(max_length=2)]


class Journey(Body):
    name: str
    steps: list[Annotated[Wait | Send | Gate, Field(discriminator="kind")]]


def app() -> FastAPI:
    application = FastAPI()
    install_error_handlers(application)

    @application.put("/")
    async def put(journey: Journey) -> None:
        """Take a journey."""

    return application


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"name": "n", "steps": [{"kind": "wait", "days": "x"}]}, ["steps.0.days"]),
        ({"name": "n", "steps": [{"kind": "wait", "days": 1}, {"kind": "send"}]}, ["steps.1.template"]),
        ({"name": "n", "steps": [{"kind": "send", "template": "t", "wait": 1}]}, ["steps.0.wait"]),
        ({"name": "n", "steps": [{"kind": "jump"}]}, ["steps.0"]),
        ({"name": "n", "steps": [{"kind": "gate", "gate": 1, "open_to": True}]}, ["steps.0.gate"]),
        ({"name": "n", "steps": [{"kind": "gate", "gate": "g", "open_to": list("abc")}]}, ["steps.0.open_to"] * 2),
        (
            {"name": "n", "steps": [{"kind": "gate", "gate": "g", "open_to": ["a", 2]}]},
            ["steps.0.open_to", "steps.0.open_to.1"],
        ),
        ({"name": "n", "steps": [{"kind": "gate", "gate": "g", "open_to": {"a": 1}}]}, ["steps.0.open_to"] * 2),
        ({"steps": []}, ["name"]),
        ([], ["body"]),
        ({"name": "n", "steps": [], "\ud800": 1}, ["body"]),  # not Unicode: refused, never a 500
    ],
)
async def test_the_field_is_named_as_it_was_sent(body: Any, fields: list[str]) -> None:
    transport = httpx.ASGITransport(app=app(), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        refused = await client.put("/", content=_json(body), headers={"Content-Type": "application/json"})
    assert refused.status_code == 422, refused.text
    assert [error["field"] for error in refused.json()["errors"]] == fields


def _json(body: object) -> bytes:
    return json.dumps(body).encode()  # lone surrogates travel as escapes
