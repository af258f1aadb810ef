"""Sources."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from identity_service.schemas.fields import Label, NamespaceName, Slug
from servicekit.http import Answer, Body


class SourceBody(Body):
    """A system of a department or partner that sends events."""

    name: Label
    department: Slug
    brand: Slug
    legal_entity: Label
    purposes: Annotated[list[Slug], Field(max_length=50, default_factory=list)]
    trusted_namespaces: Annotated[
        list[NamespaceName],
        Field(
            max_length=100,
            default_factory=list,
            description="Namespaces whose values this source has verified before it sends them.",
        ),
    ]


class SourceAnswer(Answer):
    """A source; its write key is said once, when it is made."""

    source_id: str
    name: str
    department: str
    brand: str
    legal_entity: str
    purposes: list[str]
    trusted_namespaces: list[str] = Field(default_factory=list)
    version: int
    created_at: datetime
    updated_at: datetime
    write_key: str | None = None


class SourceList(Answer):
    """All sources."""

    items: list[SourceAnswer]
