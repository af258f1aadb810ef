"""What a condition must fulfil beyond its schema; every refusal names the path in the tree."""

from contracts.conditions import Condition, EventCount, EventRecency, EventSum, PropertyFilter, TraitCondition
from profile_service.conditions.reading import children_of
from servicekit.errors import Invalid

MAX_NODES = 200
MAX_LEVELS = 12


def check_condition(condition: Condition, *, field: str = "condition") -> None:
    """Refuse a tree that is too big or deep, or compares what has no order.

    Raises:
        Invalid: with the path of the node, e.g. `condition.conditions.2.where.0.value`.
    """
    count = 0
    pending = [(field, 1, condition)]
    while pending:
        path, level, node = pending.pop()
        count += 1
        if count > MAX_NODES:
            raise Invalid(f"A condition has at most {MAX_NODES} nodes.", field=field)
        if level > MAX_LEVELS:
            raise Invalid(f"A condition has at most {MAX_LEVELS} levels.", field=path)
        _check_leaf(node, path=path)
        pending.extend((f"{path}.{place}", level + 1, child) for place, child in children_of(node))


def _check_leaf(node: Condition, *, path: str) -> None:
    if isinstance(node, TraitCondition):
        _check_trait(node, path=path)
    elif isinstance(node, EventCount | EventSum | EventRecency):
        check_filters(node.where, field=f"{path}.where")


def _check_trait(node: TraitCondition, *, path: str) -> None:
    if node.comparison == "exists":
        if node.value is not None:
            raise Invalid("`exists` takes no value.", field=f"{path}.value")
    elif node.value is None:
        raise Invalid("This comparison needs a value.", field=f"{path}.value")
    else:
        _check_order(node.comparison, node.value, path=path)


def check_filters(filters: list[PropertyFilter], *, field: str = "where") -> None:
    """Refuse a property filter that orders booleans.

    Raises:
        Invalid: with the path of the filter's comparison.
    """
    for position, each in enumerate(filters):
        _check_order(each.comparison, each.value, path=f"{field}.{position}")


def _check_order(comparison: str, value: object, *, path: str) -> None:
    if isinstance(value, bool) and comparison not in {"eq", "ne"}:
        raise Invalid("true and false compare with `eq` and `ne` only.", field=f"{path}.comparison")
