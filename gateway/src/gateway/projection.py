"""Read records in one compiled function per selection.

graphql-core resolves every field of every object by itself: for a page of 20 events with 6 fields that is 120 rounds
of argument handling, resolving, type checks and path keeping, none of which can matter for a record
(`gateway.types.record`): its fields are plain attributes of an answer whose types were checked when it was decoded.
So for a record the selection is compiled, once per document, into a Python expression such as

    {'id': x0.id, 'name': x0.name, 'occurredAt': x0.occurred_at}

and the rest of the execution (arguments, loaders, errors, nulls) stays graphql-core's.
"""

from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

from graphql import (
    GraphQLList,
    GraphQLObjectType,
    GraphQLOutputType,
    get_named_type,
    get_nullable_type,
    is_leaf_type,
    is_list_type,
    is_object_type,
)
from graphql.execution.collect_fields import FieldDetails
from graphql.pyutils import Path
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from gateway.types.record import ANSWERS

Projection = Callable[[Any], Any]  # Any: a decoded record in, JSON values out
_NAMES = {"text": lambda value: None if value is None else str(value)}
_AS_TEXT = "Decimal"
"""The scalar whose value may come as a number."""


class ProjectingExecutor(StrawberryGraphQLCoreExecutionContext):
    """graphql-core's executor that reads records by compiled functions."""

    def complete_object_value(
        self,
        return_type: GraphQLObjectType,
        field_details_list: list[FieldDetails],
        info: Any,  # as in graphql-core
        path: Path,
        result: Any,
        position_context: Any,
    ) -> Any:
        """Read a record, or execute the object's fields."""
        if return_type.name in ANSWERS:
            project = self._projection(return_type, field_details_list)
            if project is not None:
                return project(result)
        return super().complete_object_value(return_type, field_details_list, info, path, result, position_context)

    def complete_list_value(
        self,
        return_type: GraphQLList[GraphQLOutputType],
        field_details_list: list[FieldDetails],
        info: Any,  # as in graphql-core
        path: Path,
        result: Any,
        position_context: Any,
    ) -> Any:
        """Read a list of records, or complete the list's items."""
        item_type = get_nullable_type(return_type.of_type)
        if is_object_type(item_type) and item_type.name in ANSWERS:
            project = self._projection(item_type, field_details_list)
            if project is not None:
                return [project(item) for item in result]
        return super().complete_list_value(return_type, field_details_list, info, path, result, position_context)

    def _projection(self, record: GraphQLObjectType, details: list[FieldDetails]) -> Projection | None:
        document = self.context_value.document
        if document is None or document.depends_on_variables:
            return None
        key = (record.name, *(id(detail.node) for detail in details))
        project: Projection | None = document.projections.get(key)
        if project is None:
            project = document.projections[key] = compile_projection(self, record, details)
        return project


def compile_projection(
    executor: StrawberryGraphQLCoreExecutionContext, record: GraphQLObjectType, details: list[FieldDetails]
) -> Projection:
    """Compile the selection below `details` into a function of the record. Names in it are ours or GraphQL names."""
    names = (f"x{number}" for number in count())
    variable = next(names)
    body = _object(executor, record, details, variable=variable, names=names)
    source = f"lambda {variable}: {body}"
    project: Projection = eval(source, dict(_NAMES))  # noqa: S307  # of our attribute names and quoted GraphQL names only
    return project


def _object(
    executor: StrawberryGraphQLCoreExecutionContext,
    record: GraphQLObjectType,
    details: Sequence[FieldDetails],
    *,
    variable: str,
    names: Any,  # an iterator of names
) -> str:
    selected = executor.collect_subfields(record, list(details)).grouped_field_set
    parts = []
    for response_name, below in selected.items():
        field_name = below[0].node.name.value
        if field_name == "__typename":
            parts.append(f"{response_name!r}: {record.name!r}")
            continue
        field = record.fields[field_name]
        attribute = f"{variable}.{field.extensions['strawberry-definition'].python_name}"
        parts.append(f"{response_name!r}: {_value(executor, field.type, below, attribute=attribute, names=names)}")
    return "{" + ", ".join(parts) + "}"


def _value(
    executor: StrawberryGraphQLCoreExecutionContext,
    kind: GraphQLOutputType,
    details: Sequence[FieldDetails],
    *,
    attribute: str,
    names: Any,  # an iterator of names
) -> str:
    named = get_named_type(kind)
    if is_leaf_type(named):
        return f"text({attribute})" if named.name == _AS_TEXT else attribute
    assert is_object_type(named)
    inner = next(names)
    body = _object(executor, named, details, variable=inner, names=names)
    if is_list_type(get_nullable_type(kind)):
        return f"[{body} for {inner} in {attribute}]"
    return f"(None if ({inner} := {attribute}) is None else {body})"
