"""Who may read what: an ordered list of rules, of which the first that matches decides, else the default.

A rule says who (`who`), what (`what`) and whether it is allowed. Everything a rule leaves out matches everybody and
everything. In all its texts `*` stands for any characters.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from contracts.relations import plain_label

Kind = Literal["trait", "event", "segment", "sign", "remark", "relation"]
KINDS: tuple[Kind, ...] = ("trait", "event", "segment", "sign", "remark", "relation")
Effect = Literal["allow", "deny"]

REMARK = "Remark Made"
"""The event that a remark is on the timeline: rules of the kind `remark` are about events of this name."""

Pattern = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^*\x00]*(\*[^*\x00]*){0,3}$")]
"""At most three `*`, so that no pattern takes long."""
Patterns = Annotated[list[Pattern], Field(min_length=1, max_length=200)]
Note = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"^[^\x00]*$")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Who(_Part):
    """Who reads; all that is said must fit. Of a caller's brands one must.

    `services` are Kizuna's own, which have no department: a rule that names departments is not about them.
    """

    departments: Patterns | None = None
    purposes: Patterns | None = None
    brands: Patterns | None = None
    legal_entities: Patterns | None = None
    services: Patterns | None = None


class From(_Part):
    """The department, brand and legal entity that the source belonged to then. Kizuna's own facts have none of them."""

    departments: Patterns | None = None
    brands: Patterns | None = None
    legal_entities: Patterns | None = None


class What(_Part):
    """Which things: `names` are traits, events, keys of segments or signs, or relations such as `wife`.

    `labels` are those of a trait's definition, any of which must fit; `from` is where an event came from.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    kind: Literal["trait", "event", "segment", "sign", "remark", "relation", "*"] = "*"
    names: Patterns | None = None
    labels: Patterns | None = None
    origin: From | None = Field(default=None, alias="from")

    @model_validator(mode="after")
    def _fits_kind(self) -> Self:
        if self.labels is not None and self.kind != "trait":
            raise ValueError("only traits have `labels`")
        if self.origin is not None and self.kind not in {"event", "remark"}:
            raise ValueError("only events and remarks are told apart by `from`")
        if self.names is not None and self.kind == "remark":
            raise ValueError("remarks have no `names`: they are events named Remark Made")
        return self


class Rule(_Part):
    """Whoever it is about may read what it is about, or may not."""

    effect: Effect
    who: Who = Who()
    what: What = What()
    note: Note | None = None


class PolicyDocument(_Part):
    """The rules in their order, and what holds where none matches."""

    default: Effect = "allow"
    rules: Annotated[list[Rule], Field(max_length=500)] = []


EVERYBODY_READS_ALL = PolicyDocument()
"""What holds until somebody puts a policy."""


@dataclass(frozen=True)
class Caller:
    """Who reads: as the token says, and the purpose that is stated."""

    department: str | None = None
    purpose: str | None = None
    brands: tuple[str, ...] = ()
    legal_entity: str | None = None
    service: str | None = None
    allowed_purposes: tuple[str, ...] = ()
    """The only purposes that the token may state; empty: any."""

    @property
    def label(self) -> str:
        """The department, or `service:<name>`, or `-` for a token of neither."""
        return self.department or (f"service:{self.service}" if self.service else "-")


@dataclass(frozen=True)
class Origin:
    """Whose a source was; all None for Kizuna's own and for one identity has not told of."""

    department: str | None = None
    brand: str | None = None
    legal_entity: str | None = None


@dataclass(frozen=True)
class Thing:
    """What is read."""

    kind: Kind
    name: str
    labels: frozenset[str] = frozenset()
    origin: Origin = Origin()


@dataclass(frozen=True)
class Decision:
    """Whether it may be read, and by which rule (counted from 0; None: by the default)."""

    effect: Effect
    position: int | None
    rule: Rule | None

    @property
    def is_about_kind(self) -> bool:
        """A rule of that very kind decided: not the default, and not a rule about everything."""
        return self.rule is not None and self.rule.what.kind != "*"


class View:
    """A policy as it is for one caller: the rules that are about the caller, in order."""

    def __init__(self, policy: PolicyDocument, caller: Caller) -> None:
        self.default = policy.default
        self.rules: tuple[tuple[int, Rule], ...] = tuple(
            (position, rule) for position, rule in enumerate(policy.rules) if _is_about(rule.who, caller)
        )
        self._restricted = {kind: self._restricts(kind) for kind in KINDS}

    def _restricts(self, kind: Kind) -> bool:
        for _, rule in self.about(kind):
            if rule.effect == "deny":
                return True
            if rule.what in (What(), What(kind=kind)):
                return False
        return self.default == "deny"

    @property
    def is_whole(self) -> bool:
        """Whether the caller may read everything."""
        return not any(self._restricted.values())

    @property
    def asks_for_origins(self) -> bool:
        """Whether it matters where an event came from."""
        return any(rule.what.origin is not None for _, rule in self.rules)

    def restricts(self, kind: Kind) -> bool:
        """Whether some things of a kind may be hidden; a remark is an event."""
        return self._restricted[kind] or (kind == "event" and self._restricted["remark"])

    def about(self, kind: Kind) -> Iterator[tuple[int, Rule]]:
        """The rules that can be about things of a kind, in order."""
        kinds = {kind, "*"} | ({"remark"} if kind == "event" else set())
        return ((position, rule) for position, rule in self.rules if rule.what.kind in kinds)

    def decide(self, thing: Thing) -> Decision:
        """Find the first rule that is about it."""
        for position, rule in self.about(thing.kind):
            if _fits(rule.what, thing):
                return Decision(rule.effect, position, rule)
        return Decision(self.default, None, None)


def _is_about(who: Who, caller: Caller) -> bool:
    return (
        _any(who.departments, [caller.department])
        and _any(who.purposes, [caller.purpose])
        and _any(who.brands, caller.brands)
        and _any(who.legal_entities, [caller.legal_entity])
        and _any(who.services, [caller.service])
    )


def _fits(what: What, thing: Thing) -> bool:
    if what.kind == "remark" and thing.kind == "event" and thing.name != REMARK:
        return False
    origin = what.origin or From()
    names, name = what.names, thing.name
    if thing.kind == "relation" and names is not None:  # as relations are kept
        names, name = [plain_label(pattern) for pattern in names], plain_label(name)
    return (
        _any(names, [name])
        and _any(what.labels, thing.labels)
        and _any(origin.departments, [thing.origin.department])
        and _any(origin.brands, [thing.origin.brand])
        and _any(origin.legal_entities, [thing.origin.legal_entity])
    )


def _any(patterns: Sequence[str] | None, values: Sequence[str | None] | frozenset[str]) -> bool:
    if patterns is None:
        return True
    return any(value is not None and _expression(pattern).fullmatch(value) for pattern in patterns for value in values)


@lru_cache(maxsize=4096)
def _expression(pattern: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(part) for part in pattern.split("*")), re.DOTALL)


def as_like(pattern: str) -> str:
    r"""A pattern as SQL's LIKE understands it, with `\` before what it would read otherwise."""
    return re.sub(r"([\\%_])", r"\\\1", pattern).replace("*", "%")
