"""Compiled reads answer exactly what field by field execution answers."""

import json
from typing import Any, cast

import msgspec
import pytest
from fake_services import FakeServices, customer
from graphql import execute
from hypothesis import given, settings
from hypothesis import strategies as st
from strawberry.execution import optimized_is_awaitable
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from gateway.clients import ServiceClient, Services
from gateway.context import OperationContext
from gateway.live import LiveUpdates
from gateway.projection import ProjectingExecutor
from gateway.schema import Graph
from gateway.settings import Settings

URLS = {f"{name}_url": f"http://{name}" for name in ("identity", "profile", "campaign", "delivery", "survey")}
SETTINGS = Settings(nats_url="nats://none", jwks_file="none", **URLS)  # type: ignore[arg-type]
FIELDS: dict[str, list[str]] = {
    "identifiers": ["anchorId", "namespace", "value", "source", "linkedAt", "__typename"],
    "traits": ["name", "value", "source", "observedAt"],
    "rfm": ["recencyDays", "frequency", "monetary", "currency", "__typename"],
    "rank": ["key", "name", "since"],
    "segments": ["id", "key", "name", "since"],
    "messages": ["id", "state", "campaignKey", "subject", "clickedAt", "failureReason"],
    "permissions": ["anchorId", "channel", "topic", "status", "basis", "recordedAt"],
    "responses": ["id", "npsScore", "answers { questionKey value }", "answers { __typename value }"],
    "commitments": ["id", "kind", "dueOn", "ownerDepartment"],
    "journeys": ["id", "journeyKey", "arm", "endedAt"],
    "timeline(first: 3)": [
        "totalCount",
        "pageInfo { hasNextPage startCursor endCursor __typename }",
        "edges { cursor }",
        "edges { cursor node { id name properties } }",
        "edges { node { kind occurredAt source __typename } }",
    ],
}


@st.composite
def selections(draw: st.DrawFn) -> str:
    parts = []
    for field in draw(st.lists(st.sampled_from(sorted(FIELDS)), min_size=1, max_size=5)):
        inner = " ".join(draw(st.lists(st.sampled_from(FIELDS[field]), min_size=1, max_size=4)))
        if "{" not in inner and draw(st.booleans()):
            inner += f" again_{inner.split()[0]}: {inner.split()[0]}"
        if draw(st.booleans()) and "(" not in field:
            inner = (
                f"... @include(if: {draw(st.sampled_from(['true', 'false', '$yes', '$no']))}) {{ {inner} }} __typename"
            )
        parts.append(f"{field} {{ {inner} }}")
    return " ".join(parts)


class Answering(ServiceClient):
    """A service whose answers are at hand."""

    async def _call(self, method: str, path: str, answer: type[Any], **arguments: Any) -> Any:
        body = json.loads(arguments["body"])
        entries = [FakeServices()._entry(self.name, path, one, body, "") for one in body["customer_ids"]]
        return msgspec.json.decode(json.dumps({"customers": entries}), type=answer)


@pytest.fixture(scope="module")
def graph() -> Graph:
    return Graph(SETTINGS)


def context(graph: Graph, query: str) -> OperationContext:
    services = Services(SETTINGS)
    for name in ("identity", "profile", "campaign", "delivery", "survey"):
        setattr(services, name, Answering(name, "", deadline_seconds=1))  # type: ignore[arg-type]
    document = graph.documents.get(query)
    assert document.errors == []
    return OperationContext(services, LiveUpdates(None, max_watchers=1), {}, lambda: None, document=document)  # type: ignore[arg-type]


@settings(max_examples=60, deadline=None)
@given(selection=selections(), data=st.data())
async def test_projected_and_executed_answers_are_equal(graph: Graph, selection: str, data: st.DataObject) -> None:
    query = f"""query($yes: Boolean! = true, $no: Boolean! = false) {{
      customer(id: "{customer(1)}") {{ {selection} }} __typename @include(if: $yes) __typename @skip(if: $no) }}"""
    answers = []
    for executor in (ProjectingExecutor, StrawberryGraphQLCoreExecutionContext):
        given_context = context(graph, query)
        assert given_context.document is not None
        parsed: Any = given_context.document.ast  # graphql-core types neither this nor the test of awaitables so
        given_context.document.depends_on_variables = "$yes" in selection or "$no" in selection
        result = await execute(  # type: ignore[misc]
            graph.schema._schema, parsed, context_value=given_context,
            executor_class=executor, is_awaitable=cast("Any", optimized_is_awaitable), operation_extensions=None,
        )  # fmt: skip
        assert result.errors is None
        answers.append(json.loads(msgspec.json.encode(result.data)))
    assert answers[0] == answers[1]


def test_documents_with_conditions_are_not_compiled(graph: Graph) -> None:
    assert graph.documents.get("query($a: Boolean!) { segments { key @include(if: $a) } }").depends_on_variables
    assert not graph.documents.get("{ segments { key @include(if: true) } }").depends_on_variables
