"""The schema as it is published, and that records promise no more than the services' answers hold."""

import types
import typing
from pathlib import Path

import pytest
from graphql import is_leaf_type, is_list_type, is_non_null_type
from graphql.type import GraphQLObjectType, get_named_type, get_nullable_type

from gateway.schema import Graph
from gateway.settings import Settings
from gateway.types.record import ANSWERS

COMMITTED = Path(__file__).parents[2] / "schema.graphql"


@pytest.fixture(scope="module")
def graph() -> Graph:
    return Graph(Settings.model_construct())


def test_the_committed_schema_is_the_schema(graph: Graph) -> None:
    assert graph.sdl() == COMMITTED.read_text(encoding="utf-8"), (
        "run: python -m gateway schema > gateway/schema.graphql"
    )


def kind_of(answer: type, attribute: str) -> object:
    hints = typing.get_type_hints(answer)
    if attribute in hints:
        return hints[attribute]
    return typing.get_type_hints(getattr(answer, attribute).fget)["return"]


@pytest.mark.parametrize("name", sorted(ANSWERS))
def test_a_record_reads_what_its_answer_has(graph: Graph, name: str) -> None:
    record = graph.schema._schema.type_map[name]
    assert isinstance(record, GraphQLObjectType)
    for field_name, field in record.fields.items():
        definition = field.extensions["strawberry-definition"]
        assert not field.args
        assert definition.base_resolver is None, f"{name}.{field_name} has a resolver: {name} is no record"
        kind = kind_of(ANSWERS[name], definition.python_name)
        may_be_null = isinstance(kind, types.UnionType) and type(None) in typing.get_args(kind)
        assert not (may_be_null and is_non_null_type(field.type)), f"{name}.{field_name} may be null"
        nullable = get_nullable_type(field.type)
        assert is_list_type(nullable) == (typing.get_origin(kind) is list), f"{name}.{field_name}"
        if is_list_type(nullable):
            assert is_non_null_type(nullable.of_type)
        if not is_leaf_type(get_named_type(field.type)):
            assert get_named_type(field.type).name in ANSWERS, f"{name}.{field_name} must be a record, too"


def test_what_comes_from_a_service_may_be_null(graph: Graph) -> None:
    """A service that is down must not take the whole answer with it."""
    schema = graph.schema._schema
    for name in ("Query", "Mutation", "Customer"):
        described = schema.type_map[name]
        assert isinstance(described, GraphQLObjectType)
        for field_name, field in described.fields.items():
            if (name, field_name) != ("Customer", "id"):
                assert not is_non_null_type(field.type), f"{name}.{field_name}"


def test_the_fields_of_a_customer_are_resolved_directly(graph: Graph) -> None:
    """They are the hot ones: a view of 20 customers resolves hundreds."""
    customer = graph.schema._schema.type_map["Customer"]
    assert isinstance(customer, GraphQLObjectType)
    for name, field in customer.fields.items():
        if name != "id":
            assert field.resolve is not None
            assert field.resolve.__module__ == "gateway.resolvers", name
