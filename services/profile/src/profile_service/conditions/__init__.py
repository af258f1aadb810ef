"""The condition language: checked, its references expanded, read for what it depends on, and compiled to SQL.

contracts.conditions -> `checking` (whatever is published) -> `expanding` (with what is published: `library`) -> nodes
-> `reading` (what it depends on), `compiler` (ONE: for live evaluation, backfill, preview and computed values).
"""

from profile_service.conditions.checking import check_condition, check_filters, check_value, check_window
from profile_service.conditions.compiler import CompiledConditions, CompiledPredicate, Compiler
from profile_service.conditions.expanding import expand, expand_value
from profile_service.conditions.library import (
    LIFECYCLE,
    CutPoints,
    Library,
    PublishedSign,
    RankEntry,
    RankTable,
    Reference,
    dependents_of,
    references_of,
)
from profile_service.conditions.nodes import Expression, Predicate
from profile_service.conditions.reading import Dependencies, dependencies_of, holds_for_stranger

__all__ = [
    "LIFECYCLE",
    "CompiledConditions",
    "CompiledPredicate",
    "Compiler",
    "CutPoints",
    "Dependencies",
    "Expression",
    "Library",
    "Predicate",
    "PublishedSign",
    "RankEntry",
    "RankTable",
    "Reference",
    "check_condition",
    "check_filters",
    "check_value",
    "check_window",
    "dependencies_of",
    "dependents_of",
    "expand",
    "expand_value",
    "holds_for_stranger",
    "references_of",
]
