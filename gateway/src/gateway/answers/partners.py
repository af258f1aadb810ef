"""What identity answers on what partners agreed to and what lists were imported."""

from __future__ import annotations

from msgspec import Raw, Struct, field


class AgreementRow(Struct):
    """One legal entity may use another's links."""

    id: str = field(name="agreement_id")
    from_entity: str
    to_entity: str
    purposes: list[str]
    valid_from: str
    evidence: str
    version: int
    created_at: str
    updated_at: str
    valid_until: str | None = None


class AgreementPageAnswer(Struct):
    """GET /v1/agreements"""

    items: list[AgreementRow]
    next: str | None = None


class ImportRow(Struct):
    """An import: what it is and how far it is."""

    id: str = field(name="import_id")
    source: str = field(name="source_id")
    kind: str
    format: str
    encoding: str
    mapping: Raw
    constants: Raw
    time_zone: str
    as_of: str
    purposes: list[str]
    dry_run: bool
    state: str
    size: int
    bytes_read: int
    lines_read: int
    accepted: int
    rejected: int
    sample: Raw
    created_by: str
    created_at: str
    repeated: int | None = None
    job_id: str | None = None
    problem: str | None = None
    started_at: str | None = None
    finished_at: str | None = None


class ImportPageAnswer(Struct):
    """GET /v1/imports"""

    items: list[ImportRow]
    next: str | None = None


class ImportLineRow(Struct):
    """What became of one line."""

    line: int
    state: str
    customer_id: str | None = None
    wrong_field: str | None = field(name="field", default=None)
    detail: str | None = None


class ImportLinePageAnswer(Struct):
    """GET /v1/imports/{import_id}/lines"""

    items: list[ImportLineRow]
    next: str | None = None
