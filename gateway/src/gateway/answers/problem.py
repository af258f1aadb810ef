"""Refusals, and answers whose content does not matter."""

from __future__ import annotations

from msgspec import Struct


class Anything(Struct):
    """An answer whose content does not matter."""


class Nothing(Struct):
    """An answer without content (204)."""


class ProblemField(Struct):
    """What is wrong with one field."""

    field: str
    detail: str = ""


class Problem(Struct):
    """RFC 9457 problem+json."""

    title: str = ""
    detail: str = ""
    errors: list[ProblemField] = []
