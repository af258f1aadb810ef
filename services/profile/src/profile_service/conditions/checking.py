"""What a condition must fulfil beyond its schema; every refusal names the path in the tree."""

from collections.abc import Iterator

from contracts.conditions import (
    AnniversaryCondition,
    AnyWindow,
    Condition,
    DateCondition,
    PropertyFilter,
    RelationDate,
    Value,
)
from contracts.relations import Unfit, read_label, read_purpose
from profile_service.conditions import translating
from profile_service.conditions.expanding import check_leaves, check_value_leaves
from profile_service.conditions.reading import children_of
from servicekit.errors import Invalid

MAX_NODES = 200
MAX_LEVELS = 12


def check_condition(condition: Condition, *, field: str = "condition") -> None:
    """Refuse a tree that is too big or deep, that compares what does not compare, or asks for what nobody can give.

    Raises:
        Invalid: with the path of the node, e.g. `condition.conditions.2.where.0.value`.
    """
    _check_nodes(condition, field=field)
    check_leaves(condition, field=field)


def check_value(value: Value, *, field: str = "value") -> None:
    """The same for a Value."""
    _check_nodes(value, field=field)
    check_value_leaves(value, field=field)


def check_filters(filters: list[PropertyFilter], *, field: str = "where") -> None:
    """Refuse a property filter that orders booleans.

    Raises:
        Invalid: with the path of the filter's comparison.
    """
    translating.filters(filters, field=field)


def check_window(window: AnyWindow | None, *, field: str = "window") -> None:
    """Refuse a window that ends before it starts or whose time zone there is not.

    Raises:
        Invalid: with the path in the window.
    """
    translating.window(window, field=field)


def _check_nodes(tree: Condition | Value, *, field: str) -> None:
    for count, (path, level, node) in enumerate(_placed(tree, field), start=1):
        if count > MAX_NODES:
            raise Invalid(f"A condition has at most {MAX_NODES} nodes.", field=field)
        if level > MAX_LEVELS:
            raise Invalid(f"A condition has at most {MAX_LEVELS} levels.", field=path)
        if isinstance(node, DateCondition | AnniversaryCondition) and isinstance(node.of, RelationDate):
            _check_relation(node.of, field=f"{path}.of")


def _placed(tree: Condition | Value, field: str) -> Iterator[tuple[str, int, Condition | Value]]:
    """Every node with its path and level."""
    pending = [(field, 1, tree)]
    while pending:
        path, level, node = pending.pop()
        yield path, level, node
        pending.extend((f"{path}.{place}", level + 1, child) for place, child in children_of(node))


def _check_relation(of: RelationDate, *, field: str) -> None:
    """Refuse labels and a purpose for which nobody's date can have been given: it would never be fulfilled."""
    try:
        read_label(of.relation, "relation")
        read_label(of.occasion, "occasion")
        read_purpose(of.purpose)
    except Unfit as refusal:
        raise Invalid(refusal.detail, field=f"{field}.{refusal.field}") from None
