"""Anonymised exports as they are asked for and looked at."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from profile_service.rules.anonymising import ExportDefinition
from servicekit.http import Answer


class AnonymisedExportBody(ExportDefinition):
    """An anonymised export: of whom, what, for whom, why and by which way."""


class AnonymisedFiguresAnswer(Answer):
    """What an export came to, exactly: for the record, not for the recipient."""

    customers: int
    published: int
    suppressed_share: float
    """Customers in no published line, of all: 0 to 1."""
    cells: int
    k_reached: int | None
    """Customers in the smallest published cell; null: nothing was published."""


class PublicationAnswer(Answer):
    """What must be published before it is provided, and said to the recipient (APPI, Article 43 paragraphs 3 and 4)."""

    statement: str
    item_categories: list[str]
    provision: str


class AnonymisedExportAnswer(Answer):
    """An export: its definition, what came of it, until when its content is there."""

    export_id: UUID
    definition: ExportDefinition
    state: Literal["queued", "done", "failed", "cancelled", "expired"]
    created_by: str
    department: str | None
    created_at: datetime
    finished_at: datetime | None
    expires_at: datetime
    customers_read: int
    """So far, while it is being made."""
    publication: PublicationAnswer
    figures: AnonymisedFiguresAnswer | None
    problem: str | None


class AnonymisedExportListAnswer(Answer):
    """A page, the newest first; `next` is the cursor to pass as `after`."""

    items: list[AnonymisedExportAnswer]
    next: str | None
