"""Agreements between legal entities."""

from datetime import datetime
from typing import Annotated

from pydantic import AwareDatetime, Field, StringConstraints, ValidationInfo, field_validator

from identity_service.schemas.fields import Label, Slug
from servicekit.http import Answer, Body

Evidence = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000, pattern=r"^[^\x00]+$")
]


class AgreementBody(Body):
    """`to_entity` may use the links that the sources of `from_entity` made."""

    from_entity: Label
    to_entity: Label
    purposes: Annotated[
        list[Slug], Field(max_length=50, default_factory=list, description="None named: every purpose.")
    ]
    valid_from: AwareDatetime
    valid_until: Annotated[AwareDatetime | None, Field(description="The first moment at which it no longer holds.")] = (
        None
    )
    evidence: Annotated[Evidence, Field(description="Where the contract lies, as people find it.")]

    @field_validator("to_entity")
    @classmethod
    def _is_another(cls, to_entity: str, info: ValidationInfo) -> str:
        if to_entity == info.data.get("from_entity"):
            raise ValueError("The same as from_entity: it may use its own links anyway.")
        return to_entity

    @field_validator("valid_until")
    @classmethod
    def _ends_after_it_begins(cls, valid_until: datetime | None, info: ValidationInfo) -> datetime | None:
        valid_from = info.data.get("valid_from")
        if valid_until is not None and valid_from is not None and valid_until <= valid_from:
            raise ValueError("Must be after valid_from.")
        return valid_until


class AgreementAnswer(Answer):
    """An agreement."""

    agreement_id: str
    from_entity: str
    to_entity: str
    purposes: list[str]
    valid_from: datetime
    valid_until: datetime | None
    evidence: str
    version: int
    created_at: datetime
    updated_at: datetime


class AgreementPage(Answer):
    """Agreements by id; `next` is the cursor of the following page."""

    items: list[AgreementAnswer]
    next: str | None
