"""The condition language: checked, read for what it depends on, and compiled to SQL over profile's tables.

ONE compiler serves the live evaluation (restricted to a batch's customers), the backfill and the preview.
"""

from profile_service.conditions.checking import check_condition
from profile_service.conditions.compiler import CompiledConditions, CompiledPredicate, Compiler
from profile_service.conditions.reading import Dependencies, dependencies_of, holds_for_stranger

__all__ = [
    "CompiledConditions",
    "CompiledPredicate",
    "Compiler",
    "Dependencies",
    "check_condition",
    "dependencies_of",
    "holds_for_stranger",
]
