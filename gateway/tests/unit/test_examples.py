"""What the page and the README show is a document the gateway takes."""

import re
from pathlib import Path

import pytest
from graphql import OperationDefinitionNode

import gateway.graphiql
from gateway.schema import Graph
from gateway.settings import Settings

PAGE = Path(gateway.graphiql.__file__).parent / "assets" / "page.js"
README = Path(__file__).parents[2] / "README.md"


def examples() -> list[str]:
    page = re.findall(r"`(#[^`]*)`", PAGE.read_text(encoding="utf-8"))
    readme = re.findall(r"```graphql\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.DOTALL)
    return [*page, *(part for text in readme for part in re.split(r"(?m)^(?=query|subscription)", text) if part)]


@pytest.mark.parametrize("example", examples())
def test_an_example_may_be_asked(example: str) -> None:
    graph = Graph(Settings.model_construct())
    known = graph.documents.get(example)
    assert known.errors == []
    assert known.ast is not None
    operations = [node for node in known.ast.definitions if isinstance(node, OperationDefinitionNode)]
    assert operations
    for operation in operations:
        name = operation.name.value if operation.name else None
        assert graph.read(example, operation_name=name, variables={}).errors == []


def test_there_are_examples_of_both() -> None:
    assert len(examples()) >= 3
