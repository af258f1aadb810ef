"""What a node comes to in SQL: an expression, and when time alone can change it.

`and` stays true until the first child changes, and stays false as long as ANY child that is false now does, hence until
the last of those; `or` the other way round; `not` has its child's.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from profile_service.conditions import nodes as n
from profile_service.conditions.aggregates import NEVER


@dataclass(frozen=True)
class Term:
    """An expression, when time alone can change it, and the level whose columns it looks at (-1: none)."""

    sql: str
    until: str = NEVER
    level: int = -1
    may_be_null: bool = True
    may_come: bool = True
    """Whether, where it does not hold, time alone can make it hold; of no meaning where time changes nothing."""


def combined(node: n.And | n.Or, children: Sequence[Term]) -> Term:
    """What `and` or `or` comes to, with its time."""
    level = max(child.level for child in children)
    every = " AND ".join(child.sql for child in children)
    some = " OR ".join(child.sql for child in children)
    matches = f"({every})" if isinstance(node, n.And) else f"({some})"
    if all(child.until == NEVER for child in children):
        return Term(matches, NEVER, level)
    may_come = any(child.may_come for child in children if child.until != NEVER)
    first = f"LEAST({', '.join(child.until for child in children)})"
    if isinstance(node, n.And):
        deciding = ", ".join(f"CASE WHEN NOT {child.sql} THEN {child.until} END" for child in children)
        return Term(matches, f"CASE WHEN {every} THEN {first} ELSE GREATEST({deciding}) END", level, may_come=may_come)
    deciding = ", ".join(f"CASE WHEN {child.sql} THEN {child.until} END" for child in children)
    return Term(matches, f"CASE WHEN {some} THEN GREATEST({deciding}) ELSE {first} END", level, may_come=may_come)
