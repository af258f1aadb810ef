"""What identity answers on the rules of namespaces."""

from __future__ import annotations

from msgspec import Struct


class NamespaceRulesRow(Struct):
    """The rules of one namespace."""

    name: str
    limit: int
    priority: int
    unique: bool
    blocked_values: list[str]
    version: int
    limit_window: str = "ever"
    normaliser: str = "plain"
    verified_only: bool = False
    shared: bool = False
    outside: bool = False
    restricted: bool = False


class RulesRow(Struct):
    """All rules as they were from a moment on."""

    version: int
    changed_by: str
    why: str
    changed_at: str
    namespaces: list[NamespaceRulesRow]


class RulesPageAnswer(Struct):
    """GET /v1/rules/versions"""

    items: list[RulesRow]
    next: str | None = None
