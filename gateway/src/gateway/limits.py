"""How much one operation may ask for: tokens, fields, aliases, depth, and cost with every page counted as full."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLField,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
    get_named_type,
    get_nullable_type,
    is_list_type,
)

from gateway.errors import request_error
from gateway.settings import Settings
from gateway.types.arguments import MAX_PAGE_SIZE

LIST_SIZE = 10
"""How long a list without a page size is taken to be."""
CALL_COST = 10
"""A field answered by a call of its own, not by a batch."""
GRAPH_COST = 200
"""An identity graph: up to 1,000 identifiers and the evidence between them, usually a few."""
SCAN_COST = 2000
"""A field for which everybody may be read."""
DISCLOSURE_COST = 5000
"""Everything all services hold on one customer."""
_OWN_COST = {
    ("Campaign", "results"): CALL_COST,
    ("Questionnaire", "coverage"): CALL_COST,
    ("Questionnaire", "nps"): CALL_COST,
    ("Candidate", "history"): CALL_COST,
    ("StartedJob", "job"): CALL_COST,
    ("Segment", "versions"): CALL_COST,
    ("Segment", "sizeHistory"): CALL_COST,
    ("Segment", "members"): CALL_COST,
    ("Segment", "insights"): CALL_COST,
    ("Sign", "versions"): CALL_COST,
    ("Sign", "customers"): CALL_COST,
    ("CutPointSchedule", "versions"): CALL_COST,
    ("Sign", "precision"): SCAN_COST // 10,
    ("Query", "circulation"): SCAN_COST,
    ("Query", "previewSegment"): SCAN_COST,
    ("Query", "segmentOverlap"): SCAN_COST,
    ("Customer", "identityGraph"): GRAPH_COST,
    ("Mutation", "discloseCustomer"): DISCLOSURE_COST,
}


@dataclass
class _Shape:
    """What a selection holds, counted over fragments once each."""

    depth: int = 0
    aliases: int = 0
    names: Counter[str] = field(default_factory=Counter)
    """How often each name stands in the response's place."""

    @property
    def fields(self) -> int:
        """Fields as written."""
        return self.names.total()

    @property
    def pairs(self) -> int:
        """Pairs of fields of the same name: validation compares each ("overlapping fields can be merged")."""
        return sum(times * (times - 1) // 2 for times in self.names.values())


def check_shape(document: DocumentNode, settings: Settings) -> list[GraphQLError]:
    """Refuse documents that are too large to validate or execute. Fragment cycles are left for validation to report."""
    fragments = _fragments(document)
    measured: dict[str, _Shape | None] = {}
    errors: list[GraphQLError] = []
    total = _Shape()
    for definition in document.definitions:
        if isinstance(definition, OperationDefinitionNode | FragmentDefinitionNode):
            written = _written(definition.selection_set)
            total.names += written.names
            total.aliases += written.aliases
        if isinstance(definition, OperationDefinitionNode):
            total.depth = max(total.depth, _depth(definition.selection_set, fragments, measured))
    for name, value, limit in (
        ("fields", total.fields, settings.max_fields),
        ("pairs of fields of the same name", total.pairs, settings.max_pairs),
        ("aliases", total.aliases, settings.max_aliases),
        ("levels", total.depth, settings.max_depth),
    ):
        if value > limit:
            errors.append(
                request_error(f"The document has {value} {name}; at most {limit} are allowed", code="LIMIT_EXCEEDED")
            )
    return errors


def _written(selections: SelectionSetNode) -> _Shape:
    """Fields and aliases as written, fragments not followed."""
    shape = _Shape()
    for selection in selections.selections:
        if isinstance(selection, FieldNode):
            shape.names[(selection.alias or selection.name).value] += 1
            shape.aliases += selection.alias is not None
        inner = selection.selection_set if isinstance(selection, FieldNode | InlineFragmentNode) else None
        if inner is not None:
            below = _written(inner)
            shape.names += below.names
            shape.aliases += below.aliases
    return shape


def _depth(
    selections: SelectionSetNode, fragments: Mapping[str, FragmentDefinitionNode], measured: dict[str, _Shape | None]
) -> int:
    deepest = 0
    for selection in selections.selections:
        if isinstance(selection, FieldNode):
            if selection.name.value.startswith("__"):  # introspection has its own rule
                continue
            below = _depth(selection.selection_set, fragments, measured) if selection.selection_set else 0
            deepest = max(deepest, 1 + below)
        elif isinstance(selection, InlineFragmentNode):
            deepest = max(deepest, _depth(selection.selection_set, fragments, measured))
        elif isinstance(selection, FragmentSpreadNode):
            deepest = max(deepest, _fragment_depth(selection.name.value, fragments, measured))
    return deepest


def _fragment_depth(
    name: str, fragments: Mapping[str, FragmentDefinitionNode], measured: dict[str, _Shape | None]
) -> int:
    if name not in measured:
        measured[name] = None  # under way: a cycle counts nothing
        fragment = fragments.get(name)
        measured[name] = _Shape(depth=_depth(fragment.selection_set, fragments, measured) if fragment else 0)
    shape = measured[name]
    return shape.depth if shape is not None else 0


def _fragments(document: DocumentNode) -> dict[str, FragmentDefinitionNode]:
    return {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}


class CostModel:
    """The cost of one valid operation: the number of objects it may answer, each page taken as full."""

    def __init__(self, schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode) -> None:
        self._schema = schema
        self._fragments = _fragments(document)
        self._operation = operation
        self._fragment_costs: dict[tuple[str, str], int] = {}
        self._variables: Mapping[str, object] = {}
        self.page_variables: set[str] = set()
        """Variables that set a page size: the cost depends on their values."""

    def cost(self, variables: Mapping[str, object]) -> int:
        """The cost with these variables as given by the client."""
        defaults = {
            node.variable.name.value: int(node.default_value.value)
            for node in self._operation.variable_definitions or ()
            if isinstance(node.default_value, IntValueNode)
        }
        self._variables = {**defaults, **variables}
        self._fragment_costs.clear()
        root = self._schema.get_root_type(self._operation.operation)
        return self._selections(self._operation.selection_set, root) if root else 0

    def _selections(self, selections: SelectionSetNode, parent: GraphQLObjectType) -> int:
        total = 0
        for selection in selections.selections:
            if isinstance(selection, FieldNode):
                total += self._field(selection, parent)
            elif isinstance(selection, InlineFragmentNode):
                total += self._selections(selection.selection_set, parent)
            elif isinstance(selection, FragmentSpreadNode):
                total += self._fragment(selection.name.value, parent)
        return total

    def _fragment(self, name: str, parent: GraphQLObjectType) -> int:
        key = (name, parent.name)
        if key not in self._fragment_costs:
            self._fragment_costs[key] = self._selections(self._fragments[name].selection_set, parent)
        return self._fragment_costs[key]

    def _field(self, node: FieldNode, parent: GraphQLObjectType) -> int:
        definition = parent.fields.get(node.name.value)
        if definition is None or node.selection_set is None:  # introspection, or a leaf
            return 0
        kind = get_named_type(definition.type)
        assert isinstance(kind, GraphQLObjectType)
        own = _OWN_COST.get((parent.name, node.name.value), 1)
        return own + self._size(node, definition, parent) * self._selections(node.selection_set, kind)

    def _size(self, node: FieldNode, definition: GraphQLField, parent: GraphQLObjectType) -> int:
        if "first" in definition.args:
            return self._page_size(node, definition)
        if is_list_type(get_nullable_type(definition.type)) and not parent.name.endswith("Connection"):
            return LIST_SIZE
        return 1

    def _page_size(self, node: FieldNode, definition: GraphQLField) -> int:
        value: object = definition.args["first"].default_value
        for argument in node.arguments or ():
            if argument.name.value != "first":
                continue
            if isinstance(argument.value, VariableNode):
                name = argument.value.name.value
                self.page_variables.add(name)
                value = self._variables.get(name, value)
            elif isinstance(argument.value, IntValueNode):
                value = int(argument.value.value)
        return max(1, value) if isinstance(value, int) else MAX_PAGE_SIZE
