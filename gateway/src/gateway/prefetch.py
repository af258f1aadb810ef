"""Ask the services for a customer's fields while identity is still saying who the customer is.

`customer(id:)` needs identity first (is there such a customer, and under which id now?), everything else second.
Almost always the answer is "yes, under this id", so what the query selects is asked for at the same time; when the id
turns out to be a former one, the fields load again with the present one.
"""

import asyncio
from collections.abc import Awaitable, Iterator, Mapping
from typing import TypeGuard

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLResolveInfo,
    InlineFragmentNode,
    IntValueNode,
    SelectionSetNode,
    StringValueNode,
    ValueNode,
    VariableNode,
)
from strawberry.dataloader import DataLoader

from gateway.context import OperationContext
from gateway.loaders import CategoriesQuestion, CustomerPage, DatesForPurpose, Loaders, MessagePage
from gateway.types.arguments import MAX_PAGE_SIZE, is_text
from gateway.types.customer import (
    DEFAULT_CATEGORIES,
    DEFAULT_DECISIONS,
    DEFAULT_MESSAGES,
    DEFAULT_TIMELINE,
    MAX_CATEGORIES,
)

_PROFILE_FIELDS = frozenset(
    {
        "traits", "rfm", "rfmScores", "rank", "nextRank", "points", "lifecycle", "computed", "segments", "signs",
        "withheld",
    }
)  # fmt: skip
_WHOLE_FIELDS = frozenset({"permissions", "responses", "commitments", "journeys"})
"""Each has a loader of its own name."""
_GRAPH_FIELDS = frozenset({"identityGraph", "formerIds", "groups"})
_PAGED_FIELDS = {
    "decisions": DEFAULT_DECISIONS,
    "timeline": DEFAULT_TIMELINE,
    "messages": DEFAULT_MESSAGES,
    "nextCategories": DEFAULT_CATEGORIES,
}


def prefetch_customer(
    loaders: Loaders,
    customer_id: str,
    info: GraphQLResolveInfo[OperationContext],
    *,
    variables: Mapping[str, object],
) -> None:
    """Start loading what the operation selects below this customer field.

    Never raises: an error shows where the field is read.
    """
    for node in _fields(info.field_nodes[0].selection_set, info.fragments):
        load = _load(loaders, customer_id, node, variables=variables)
        if isinstance(load, asyncio.Future):
            load.add_done_callback(_look_away)


def _load(
    loaders: Loaders, customer_id: str, node: FieldNode, *, variables: Mapping[str, object]
) -> Awaitable[object] | None:
    name = node.name.value
    if node.directives:  # @skip, @include: the executor decides
        return None
    if name in _PROFILE_FIELDS:
        return loaders.profile.load(customer_id)
    if name in _GRAPH_FIELDS:
        return loaders.graph.load(customer_id)
    if name in _WHOLE_FIELDS:
        loader: DataLoader[str, object] = getattr(loaders, name)
        return loader.load(customer_id)
    if name in _PAGED_FIELDS or name == "relations":
        given = {argument.name.value: _value(argument.value, variables) for argument in node.arguments or ()}
        return _load_page(loaders, customer_id, name, given)
    return None


def _load_page(loaders: Loaders, customer_id: str, name: str, given: Mapping[str, object]) -> Awaitable[object] | None:
    if name == "relations":
        purpose = given.get("purpose")
        # another purpose than a text is refused where it is read
        return loaders.relations.load(DatesForPurpose(customer_id, purpose)) if is_text(purpose) else None
    first, after = given.get("first", _PAGED_FIELDS[name]), given.get("after")
    if not _is_page_size(first) or not isinstance(after, str | None):
        return None
    if name == "decisions":  # of the first page: an edge's cursor is not identity's
        return loaders.decisions.load(CustomerPage(customer_id, first, None)) if after is None else None
    if name == "timeline":
        return loaders.timeline.load(CustomerPage(customer_id, first, after))
    if name == "nextCategories":  # a larger page is refused where it is read
        wanted = CategoriesQuestion(customer_id, first)
        return loaders.next_categories.load(wanted) if first <= MAX_CATEGORIES else None
    return loaders.messages.load(MessagePage(customer_id, first))


def _is_page_size(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and 1 <= value <= MAX_PAGE_SIZE


def _value(node: ValueNode, variables: Mapping[str, object]) -> object:
    if isinstance(node, VariableNode):
        return variables.get(node.name.value)
    if isinstance(node, IntValueNode):
        return int(node.value)
    return node.value if isinstance(node, StringValueNode) else None


def _fields(
    selections: SelectionSetNode | None, fragments: Mapping[str, FragmentDefinitionNode]
) -> Iterator[FieldNode]:
    for selection in selections.selections if selections else ():
        if isinstance(selection, FieldNode):
            yield selection
        elif selection.directives:
            continue
        elif isinstance(selection, InlineFragmentNode):
            yield from _fields(selection.selection_set, fragments)
        elif isinstance(selection, FragmentSpreadNode):
            yield from _fields(fragments[selection.name.value].selection_set, fragments)


def _look_away(load: "asyncio.Future[object]") -> None:
    """An error of a load nobody waited for is nobody's; without this asyncio reports it."""
    if not load.cancelled():
        load.exception()
