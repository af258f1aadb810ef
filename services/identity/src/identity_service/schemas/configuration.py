"""Sources and namespaces."""

from datetime import datetime
from typing import Annotated

from pydantic import Field, field_validator

from identity_service.rules.identifiers import DEFAULT_BLOCKED_VALUES, pattern_problem
from identity_service.schemas.fields import Label, Slug
from servicekit.http import Answer, Body


class SourceBody(Body):
    """A system of a department or partner that sends events."""

    name: Label
    department: Slug
    brand: Slug
    legal_entity: Label
    purposes: Annotated[list[Slug], Field(max_length=50, default_factory=list)]


class SourceAnswer(Answer):
    """A source; its write key is said once, when it is made."""

    source_id: str
    name: str
    department: str
    brand: str
    legal_entity: str
    purposes: list[str]
    version: int
    created_at: datetime
    updated_at: datetime
    write_key: str | None = None


class SourceList(Answer):
    """All sources."""

    items: list[SourceAnswer]


class NamespaceBody(Body):
    """The rules of one kind of identifier."""

    limit: Annotated[int, Field(ge=1, le=1000, description="How many values one customer may have.")] = 5
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

    @field_validator("blocked_values")
    @classmethod
    def _patterns_can_be_used(cls, patterns: list[str]) -> list[str]:
        for index, pattern in enumerate(patterns):
            problem = pattern_problem(pattern)
            if problem is not None:
                raise ValueError(f"Pattern {index}: {problem}")
        return patterns


class NamespaceAnswer(Answer):
    """A namespace and its rules."""

    name: str
    limit: int
    priority: int
    unique: bool
    blocked_values: list[str]
    version: int


class NamespaceList(Answer):
    """All configured namespaces, the strongest first."""

    items: list[NamespaceAnswer]
