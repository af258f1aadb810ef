"""What a condition must fulfil beyond its schema; every refusal names the path in the tree."""

from contracts.conditions import AnyWindow, Condition, PropertyFilter, Value
from profile_service.conditions import translating
from profile_service.conditions.expanding import check_leaves, check_value_leaves
from profile_service.conditions.reading import children_of
from servicekit.errors import Invalid

MAX_NODES = 200
MAX_LEVELS = 12


def check_condition(condition: Condition, *, field: str = "condition") -> None:
    """Refuse a tree that is too big or deep, or that compares what does not compare, whatever is published.

    Raises:
        Invalid: with the path of the node, e.g. `condition.conditions.2.where.0.value`.
    """
    _check_size(condition, field=field)
    check_leaves(condition, field=field)


def check_value(value: Value, *, field: str = "value") -> None:
    """The same for a Value."""
    _check_size(value, field=field)
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


def _check_size(tree: Condition | Value, *, field: str) -> None:
    count = 0
    pending = [(field, 1, tree)]
    while pending:
        path, level, node = pending.pop()
        count += 1
        if count > MAX_NODES:
            raise Invalid(f"A condition has at most {MAX_NODES} nodes.", field=field)
        if level > MAX_LEVELS:
            raise Invalid(f"A condition has at most {MAX_LEVELS} levels.", field=path)
        pending.extend((f"{path}.{place}", level + 1, child) for place, child in children_of(node))
