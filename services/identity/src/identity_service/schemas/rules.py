"""Namespaces and their rules, one by one and all at once, by version."""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from identity_service.rules.identifiers import DEFAULT_BLOCKED_VALUES, pattern_problem
from identity_service.rules.normalisation import NORMALISERS
from identity_service.schemas.decisions import Why
from identity_service.schemas.fields import NamespaceName
from servicekit.http import Answer, Body

LimitWindow = Literal["ever", "yearly", "monthly", "weekly"]


class NamespaceRules(Body):
    """The rules of one kind of identifier."""

    limit: Annotated[int, Field(ge=1, le=1000, description="How many values one customer may have.")] = 5
    limit_window: Annotated[LimitWindow, Field(description="The span in which that many values may be linked.")] = (
        "ever"
    )
    priority: Annotated[int, Field(ge=1, le=10_000, description="1 is the strongest.")]
    unique: Annotated[
        bool, Field(description="Two different values are two different customers, whatever the limit.")
    ] = False
    blocked_values: Annotated[
        list[str],
        Field(
            max_length=200,
            default_factory=lambda: list(DEFAULT_BLOCKED_VALUES),
            description="Patterns that must match a whole value, whatever its case. Default: developers' leftovers.",
        ),
    ]
    normaliser: Annotated[
        str | None,
        Field(
            description=f"How values are written before they are compared: {', '.join(NORMALISERS)}. "
            "Null: as shipped for this namespace (`email`, `phone`), else `plain`."
        ),
    ] = None
    verified_only: Annotated[
        bool, Field(description="Links only when it comes from a source that lists it in `trusted_namespaces`.")
    ] = False
    shared: Annotated[
        bool | None,
        Field(
            description="A device several people use: it goes to who was last verified on it, and joins nobody. "
            "Null: as shipped (true for `anonymous_id`)."
        ),
    ] = None
    outside: Annotated[
        bool, Field(description="An id of somebody else's system (a DMP, a retailer, a social network).")
    ] = False
    restricted: Annotated[
        bool, Field(description="Used only by the legal entity that brought it, unless an agreement says otherwise.")
    ] = False

    @field_validator("blocked_values")
    @classmethod
    def _patterns_can_be_used(cls, patterns: list[str]) -> list[str]:
        for index, pattern in enumerate(patterns):
            problem = pattern_problem(pattern)
            if problem is not None:
                raise ValueError(f"Pattern {index}: {problem}")
        return patterns

    @field_validator("normaliser")
    @classmethod
    def _normaliser_exists(cls, name: str | None) -> str | None:
        if name is not None and name not in NORMALISERS:
            raise ValueError(f"There is no such normaliser; there are {', '.join(NORMALISERS)}.")
        return name

    @field_validator("shared")
    @classmethod
    def _shared_is_not_unique(cls, is_shared: bool | None, info: object) -> bool | None:
        if is_shared and getattr(info, "data", {}).get("unique"):
            raise ValueError("A shared identifier cannot be unique to one customer.")
        return is_shared


class NamespaceBody(NamespaceRules):
    """The rules of one kind of identifier, and why they are changed."""

    why: Why | None = None


class NamedRules(NamespaceRules):
    """A namespace with its rules, in a list of all."""

    name: NamespaceName


class AllRules(Body):
    """The rules of all namespaces; one that is not listed has the default rules."""

    namespaces: Annotated[list[NamedRules], Field(max_length=500)]

    @model_validator(mode="after")
    def _named_once(self) -> Self:
        names = [one.name for one in self.namespaces]
        if len(set(names)) < len(names):
            raise ValueError("A namespace is listed twice.")
        return self


class RulesBody(AllRules):
    """All rules at once, and why they are changed."""

    why: Why


class NamespaceAnswer(Answer):
    """A namespace and its rules."""

    name: str
    limit: int
    limit_window: LimitWindow = "ever"
    priority: int
    unique: bool
    blocked_values: list[str]
    normaliser: str = "plain"
    verified_only: bool = False
    shared: bool = False
    outside: bool = False
    restricted: bool = False
    version: int


class NamespaceList(Answer):
    """All configured namespaces, the strongest first."""

    items: list[NamespaceAnswer]


class RulesAnswer(Answer):
    """All rules as they were from a moment on."""

    version: int
    changed_by: str
    why: str
    changed_at: datetime
    namespaces: list[NamespaceAnswer]


class RulesPage(Answer):
    """Versions of the rules, the newest first; `next` is the cursor of the following page."""

    items: list[RulesAnswer]
    next: str | None
