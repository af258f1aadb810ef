"""The graph, put together; and how one operation of it is executed."""

import sys
from collections.abc import AsyncGenerator, Iterator, Mapping
from functools import cache
from inspect import isawaitable
from typing import Any, cast

import strawberry
from graphql import DocumentNode, ExecutionResult, GraphQLError, GraphQLSchema, execute, specified_rules
from strawberry.execution import optimized_is_awaitable
from strawberry.extensions import SchemaExtension
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.schema import validate_document
from strawberry.types.execution import ExecutionContext, PreExecutionError
from strawberry.types.execution import ExecutionResult as StrawberryResult

from gateway.context import OperationContext
from gateway.documents import Document, Documents
from gateway.errors import present
from gateway.projection import ProjectingExecutor
from gateway.resolvers import shorten
from gateway.settings import Settings
from gateway.types.mutations import Mutation
from gateway.types.queries import Query
from gateway.types.scalars import SCALARS
from gateway.types.subscriptions import Subscription


class KnownDocument(SchemaExtension):
    """Gives Strawberry the document as it was read before; it is neither parsed nor validated again."""

    def on_parse(self) -> Iterator[None]:
        """Hand over the parsed document."""
        document: Document = self.execution_context.context.document
        self.execution_context.graphql_document = document.ast
        yield

    def on_validate(self) -> Iterator[None]:
        """Say that validation found nothing."""
        self.execution_context.pre_execution_errors = []
        yield


class QuietSchema(strawberry.Schema):
    """Strawberry's schema without its log of errors, which quotes documents and so what people search for."""

    def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:
        """Nothing: unexpected errors are logged where they are masked (gateway.errors)."""


@cache
def _schema(max_page_size: int) -> QuietSchema:
    """Put the types together: a tenth of a second, and nothing of it changes in use."""
    schema = QuietSchema(
        query=Query,
        mutation=Mutation,
        subscription=Subscription,
        config=StrawberryConfig(scalar_map=SCALARS, relay_max_results=max_page_size),
        execution_context_class=ProjectingExecutor,
        extensions=[KnownDocument],
    )
    shorten(_core_of(schema))
    return schema


def _core_of(schema: QuietSchema) -> GraphQLSchema:
    return schema._schema  # noqa: SLF001  # Strawberry has no public way to its graphql-core schema


class Graph:
    """The schema, the documents known, and the execution of operations."""

    def __init__(self, settings: Settings) -> None:
        self.schema = _schema(settings.max_page_size)
        self.documents = Documents(self._core, settings=settings, validate=self._validate)

    @property
    def _core(self) -> GraphQLSchema:
        return _core_of(self.schema)

    def _validate(self, ast: DocumentNode) -> list[GraphQLError]:
        return validate_document(self._core, ast, tuple(specified_rules))

    def sdl(self) -> str:
        """The schema in the schema definition language, as committed in schema.graphql."""
        return self.schema.as_str() + "\n"

    def read(self, query: str, *, operation_name: str | None, variables: Mapping[str, object]) -> Document:
        """Read a document and check that this operation of it may run; otherwise the document returned has errors."""
        document = self.documents.get(query)
        if document.errors:
            return document
        too_much = self.documents.check_cost(document, operation_name, variables)
        return document if too_much is None else Document(ast=document.ast, errors=[too_much])

    async def execute(
        self, query: str, *, operation_name: str | None, variables: dict[str, Any] | None, context: OperationContext
    ) -> ExecutionResult | StrawberryResult:
        """Execute a query or mutation whose document is good (`context.document`)."""
        assert context.document is not None
        assert context.document.ast is not None
        result = execute(
            self._core,
            context.document.ast,
            context_value=context,
            variable_values=variables,
            operation_name=operation_name,
            executor_class=ProjectingExecutor,
            is_awaitable=cast("Any", optimized_is_awaitable),  # Strawberry declares it bool, not TypeGuard
            operation_extensions=None,
        )
        return await result if isawaitable(result) else result


class Conversation:
    """The graph as one WebSocket's operations see it: every operation gets a context, and so loaders, of its own.

    It stands in for Strawberry's schema in its WebSocket handler, which would share one context among all of them.
    """

    def __init__(self, graph: Graph) -> None:
        self._graph = graph

    async def stream(
        self,
        query: str,
        variable_values: dict[str, Any] | None = None,
        context_value: Any = None,  # gateway.websocket.Connection
        root_value: object = None,
        operation_name: str | None = None,
    ) -> AsyncGenerator[StrawberryResult | PreExecutionError, None]:
        """Execute any operation; a subscription yields many results, the others one."""
        return self._results(query, variable_values, context_value.operation, operation_name)

    async def _results(
        self, query: str, variables: dict[str, Any] | None, context: OperationContext, operation_name: str | None
    ) -> AsyncGenerator[StrawberryResult | PreExecutionError, None]:
        document = self._graph.read(query, operation_name=operation_name, variables=variables or {})
        if document.errors:
            yield PreExecutionError(data=None, errors=document.errors)
            return
        results = await self._graph.schema.stream(
            query, variable_values=variables, operation_name=operation_name, context_value=context.renewed(document)
        )
        async for result in results:
            if isinstance(result, StrawberryResult):
                result.errors = [_presentable(error) for error in result.errors] if result.errors else None
                yield result


def _presentable(error: GraphQLError) -> GraphQLError:
    shown = present(error)
    return GraphQLError(
        shown["message"],
        nodes=error.nodes,
        path=shown.get("path"),
        extensions=shown["extensions"],
        positions=error.positions,
        source=error.source,
    )


def print_schema() -> None:
    """Print the schema as it is committed in schema.graphql."""
    sys.stdout.write(Graph(Settings.model_construct()).sdl())
