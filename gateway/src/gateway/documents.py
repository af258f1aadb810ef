"""Documents are read once: parsed, limited and validated, then kept, because frontends send the same few again and
again."""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    GraphQLSyntaxError,
    OperationDefinitionNode,
    OperationType,
    parse,
)
from graphql.language import DirectiveNode, VariableNode, Visitor, visit

from gateway.errors import request_error
from gateway.limits import CostModel, check_shape
from gateway.settings import Settings

Validate = Callable[[DocumentNode], list[GraphQLError]]


class Document:
    """A document as far as it could be read: either `errors`, or an `ast` that is valid and within the limits."""

    def __init__(self, *, ast: DocumentNode | None, errors: list[GraphQLError]) -> None:
        self.ast = ast
        self.errors = errors
        self.depends_on_variables = ast is not None and not errors and _has_conditions(ast)
        """Whether @skip or @include with a variable decide what is selected."""
        self.projections: dict[tuple[object, ...], Callable[[Any], Any]] = {}  # Any: records to JSON values
        """Compiled reads of records, by type and selection (gateway.projection)."""
        self._costs: dict[tuple[object, ...], int] = {}
        self._models: dict[str | None, CostModel] = {}

    def operation(self, name: str | None) -> OperationDefinitionNode | None:
        """The operation of that name, or the only one; None when that is not clear."""
        operations = (
            [node for node in self.ast.definitions if isinstance(node, OperationDefinitionNode)] if self.ast else []
        )
        if name is not None:
            operations = [node for node in operations if node.name is not None and node.name.value == name]
        return operations[0] if len(operations) == 1 else None

    def kind(self, name: str | None) -> OperationType | None:
        """Query, mutation or subscription."""
        operation = self.operation(name)
        return operation.operation if operation is not None else None

    def cost(self, schema: GraphQLSchema, name: str | None, variables: Mapping[str, object]) -> int:
        """The cost of one operation with these variables (0 when there is no such operation)."""
        operation = self.operation(name)
        if operation is None or self.ast is None:
            return 0
        model = self._models.get(name)
        if model is None:
            model = self._models[name] = CostModel(schema, self.ast, operation)
            model.cost(variables)  # finds out which variables matter
        key = (name, *(str(variables.get(variable)) for variable in sorted(model.page_variables)))
        if key not in self._costs:
            if len(self._costs) > 100:
                self._costs.clear()
            self._costs[key] = model.cost(variables)
        return self._costs[key]


class Documents:
    """The documents seen last."""

    def __init__(self, schema: GraphQLSchema, *, settings: Settings, validate: Validate) -> None:
        self._schema = schema
        self._settings = settings
        self._validate = validate
        self._known: OrderedDict[str, Document] = OrderedDict()

    def get(self, text: str) -> Document:
        """Read a document, or take the one known."""
        document = self._known.get(text)
        if document is None:
            document = self._read(text)
            self._known[text] = document
            if len(self._known) > self._settings.document_cache_size:
                self._known.popitem(last=False)
        else:
            self._known.move_to_end(text)
        return document

    def check_cost(self, document: Document, name: str | None, variables: Mapping[str, object]) -> GraphQLError | None:
        """The error of an operation that asks for too much."""
        cost = document.cost(self._schema, name, variables)
        if cost <= self._settings.max_cost:
            return None
        return request_error(
            f"The operation may answer {cost} objects; at most {self._settings.max_cost} are allowed. "
            "Ask for smaller pages.",
            code="LIMIT_EXCEEDED",
        )

    def _read(self, text: str) -> Document:
        if len(text) > self._settings.max_query_bytes:
            message = f"The document is longer than {self._settings.max_query_bytes} characters"
            return Document(ast=None, errors=[request_error(message, code="LIMIT_EXCEEDED")])
        try:
            ast = parse(text, max_tokens=self._settings.max_tokens)
        except GraphQLSyntaxError as error:
            extensions = {"code": "GRAPHQL_PARSE_FAILED"}
            # a plain error: Strawberry would close a WebSocket over a GraphQLSyntaxError, and with it other operations
            shown = GraphQLError(error.message, source=error.source, positions=error.positions, extensions=extensions)
            return Document(ast=None, errors=[shown])
        except RecursionError:
            return Document(
                ast=None, errors=[request_error("The document is nested too deeply", code="LIMIT_EXCEEDED")]
            )
        errors = check_shape(ast, self._settings)
        if not errors:
            errors = self._validate(ast)
            for found in errors:
                found.extensions = {"code": "GRAPHQL_VALIDATION_FAILED", **(found.extensions or {})}
        return Document(ast=ast, errors=errors)


def _has_conditions(ast: DocumentNode) -> bool:
    found = False

    class Conditions(Visitor):
        def enter_directive(self, node: DirectiveNode, *_: object) -> None:
            nonlocal found
            found = found or any(isinstance(argument.value, VariableNode) for argument in node.arguments or ())

    visit(ast, Conditions())
    return found
