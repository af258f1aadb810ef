"""Identifiers: how values are written, which are blocked, which namespace outranks which.

Default limits, priorities and blocked values follow Segment Unify's identity resolution settings.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from importlib import import_module
from typing import Any, NamedTuple

from identity_service.rules.hashing import hashed_namespace
from identity_service.rules.normalisation import NORMALISERS

_parser: Any = import_module("re._parser")  # the standard library's own reader of patterns, without a public name

MAX_VALUE_LENGTH = 512
MAX_PATTERN_LENGTH = 200

NAMESPACE_PATTERN = r"[A-Za-z][A-Za-z0-9_.\-]{0,62}"
_NAMESPACE = re.compile(NAMESPACE_PATTERN)

DEFAULT_BLOCKED_VALUES: tuple[str, ...] = (
    "[0-]*",
    "-1",
    "null",
    "nil",
    "none",
    "undefined",
    "unknown",
    "anonymous",
    "guest",
    "nan",
    "n/?a",
    "true",
    "false",
    r"\[object object\]",
)
"""Values that developers' defaults leave behind; each pattern must match the whole value, whatever its case."""

DEFAULT_LIMIT = 5
UNRANKED_PRIORITY = 1000
"""Namespaces nobody configured rank after all configured ones, among themselves by name."""


class Identifier(NamedTuple):
    """What a source calls a customer, e.g. ("email", "hanako@example.jp")."""

    namespace: str
    value: str


@dataclass(frozen=True, kw_only=True)
class Namespace:
    """The rules of one kind of identifier. Priority 1 is the strongest."""

    name: str
    limit: int = DEFAULT_LIMIT
    priority: int = UNRANKED_PRIORITY
    is_unique: bool = False
    limit_window: str = "ever"
    """`ever`, `yearly`, `monthly` or `weekly`: the span in which the limit counts what was linked."""
    normaliser: str = "plain"
    verified_only: bool = False
    is_shared: bool = False
    is_restricted: bool = False
    blocked_values: tuple[str, ...] = DEFAULT_BLOCKED_VALUES
    _blocked: re.Pattern[str] | None = field(init=False, compare=False, repr=False, default=None)

    def __post_init__(self) -> None:
        if self.blocked_values:
            alternatives = "|".join(f"(?:{pattern})" for pattern in self.blocked_values)
            object.__setattr__(self, "_blocked", re.compile(alternatives, re.IGNORECASE))

    @property
    def most_values(self) -> int:
        """How many values of this namespace one customer may have."""
        return 1 if self.is_unique else self.limit

    def blocks(self, value: str) -> bool:
        """Tell whether this value identifies nobody."""
        return self._blocked is not None and self._blocked.fullmatch(value) is not None


DEFAULT_NAMESPACES: tuple[Namespace, ...] = (
    Namespace(name="user_id", limit=1, priority=1, is_unique=True),
    Namespace(name="email", limit=5, priority=2, normaliser="email"),
    Namespace(name="phone", limit=5, priority=3, normaliser="phone"),
    Namespace(name="anonymous_id", limit=5, priority=4, is_shared=True),
)

LIMIT_WINDOWS: Mapping[str, timedelta | None] = {
    "ever": None,
    "yearly": timedelta(days=365),
    "monthly": timedelta(days=30),
    "weekly": timedelta(days=7),
}
_HASHABLE = frozenset({"email", "email_gmail", "email_plus_tag", "phone"})
"""Normalisers of values that partners send hashed."""


_UNCONFIGURED = Namespace(name="*")


class Namespaces:
    """All namespaces' rules; an unknown namespace has the default rules."""

    def __init__(self, configured: Sequence[Namespace] = DEFAULT_NAMESPACES) -> None:
        self._known: dict[str, Namespace] = {namespace.name: namespace for namespace in configured}
        for namespace in configured:
            if namespace.normaliser in _HASHABLE:
                hashed = replace(
                    namespace, name=hashed_namespace(namespace.name), normaliser="plain", blocked_values=()
                )
                self._known.setdefault(hashed.name, hashed)
        self.normalisers = {namespace.name: namespace.normaliser for namespace in configured}
        self.windows = {
            namespace.name: span
            for namespace in configured
            if (span := LIMIT_WINDOWS[namespace.limit_window]) is not None and not namespace.is_unique
        }
        """Namespaces whose limit counts only what was linked within this span."""
        self.has_conditions = any(one.verified_only or one.is_restricted for one in self._known.values())
        """Whether an identifier may be refused for where it comes from."""

    def __getitem__(self, name: str) -> Namespace:
        return self._known.get(name, _UNCONFIGURED)

    def is_hashable(self, name: str) -> bool:
        """Tell whether partners may send values of this namespace hashed."""
        return self.normalisers.get(name) in _HASHABLE

    def usable(self, identifiers: Sequence[Identifier]) -> list[Identifier]:
        """Return the identifiers that are not blocked, each once, the strongest first."""
        kept = [name for name in dict.fromkeys(identifiers) if not self[name.namespace].blocks(name.value)]
        if len(kept) > 1:
            kept.sort(key=lambda identifier: (self[identifier.namespace].priority, identifier.namespace))
        return kept


_NORMALISER_OF: Mapping[str, str] = {"email": "email", "phone": "phone"}


def is_namespace(name: str) -> bool:
    """Tell whether a namespace may be called this."""
    return _NAMESPACE.fullmatch(name) is not None


def identifier(namespace: str, value: Any, *, normaliser: str | None = None) -> Identifier | None:  # free JSON
    """Return the identifier in its normal form, or None when the namespace or value cannot be one.

    `normaliser` is the namespace's (a name of `rules.normalisation.NORMALISERS`); without it e-mail addresses and
    telephone numbers have theirs, everything else is `plain`.
    """
    if not _NAMESPACE.fullmatch(namespace):
        return None
    text = NORMALISERS[normaliser or _NORMALISER_OF.get(namespace, "plain")](value)
    return None if text is None else Identifier(namespace, text)


def pattern_problem(pattern: str) -> str | None:
    """Say what is wrong with a blocked-value pattern; None when it may be used.

    Repeats inside repeats are refused: such a pattern can take exponential time on one crafted value.
    """
    if len(pattern) > MAX_PATTERN_LENGTH:
        return f"At most {MAX_PATTERN_LENGTH} characters."
    if "\x00" in pattern:
        return "Text cannot hold the character U+0000."
    try:
        parsed = _parser.parse(pattern, re.IGNORECASE)
        re.compile(pattern, re.IGNORECASE)
    except (re.error, OverflowError, RecursionError):
        return "Not a regular expression."
    return "A repeat inside a repeat is refused." if _has_nested_repeat(parsed, inside=False) else None


def _has_nested_repeat(node: Any, *, inside: bool) -> bool:  # the parser's untyped tree
    if isinstance(node, _parser.SubPattern):
        return any(_has_nested_repeat(item, inside=inside) for item in node)
    if isinstance(node, list | tuple):
        if len(node) == 2 and str(node[0]) in {"MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"}:
            low, high, repeated = node[1]
            is_repeat = high != low or high > 1
            return (inside and is_repeat) or _has_nested_repeat(repeated, inside=inside or is_repeat)
        return any(_has_nested_repeat(item, inside=inside) for item in node)
    return False
