"""What comes from partners and may be used by whom: agreements, imports, coverage."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, Column, Date, DateTime, Integer, LargeBinary, SmallInteger, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from identity_service.models.base import Base


class Agreement(Base, table=True):
    """One legal entity lets another use its links, for purposes and for a time."""

    __tablename__ = "agreements"

    agreement_id: str = Field(sa_column=Column(Text, primary_key=True))
    from_entity: str = Field(sa_column=Column(Text, nullable=False))
    """Whose links they are."""
    to_entity: str = Field(sa_column=Column(Text, nullable=False))
    """Who may use them."""
    purposes: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False, server_default="{}"))
    """For what; empty: for every purpose."""
    valid_from: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    valid_until: datetime | None = Field(sa_column=Column(DateTime(timezone=True)))
    """The first moment at which it no longer holds; None: until it is ended."""
    evidence: str = Field(sa_column=Column(Text, nullable=False))
    """Where the contract lies, as people find it."""
    version: int = Field(sa_column=Column(Integer, nullable=False))
    created_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    updated_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    removed_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))
    """Made by mistake: as if it had never been, but for its version."""
    told_version: int | None = Field(default=None, sa_column=Column(Integer))
    """The last version that other services were told of."""


class Import(Base, table=True):
    """A file of customers, id syncs or events that a source brought: how it is read, and how far."""

    __tablename__ = "imports"

    import_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    source_id: str = Field(sa_column=Column(Text, nullable=False))
    kind: str = Field(sa_column=Column(Text, nullable=False))
    """`customers`, `id_syncs` or `events`."""
    format: str = Field(sa_column=Column(Text, nullable=False))
    """`csv` or `ndjson`."""
    encoding: str = Field(sa_column=Column(Text, nullable=False))
    """`utf-8`, `cp932` or `auto`."""
    mapping: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))  # Any: rules.import_mapping.Target
    """Column -> what it is."""
    constants: dict[str, Any] = Field(  # Any: rules.import_mapping.Constant
        default_factory=dict, sa_column=Column(JSONB, nullable=False, server_default="{}")
    )
    """Target -> what is the same in every record."""
    time_zone: str = Field(sa_column=Column(Text, nullable=False, server_default="Asia/Tokyo"))
    """Where times without an offset are meant."""
    purposes: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False, server_default="{}"))
    dry_run: bool
    as_of: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    """When the list was drawn up: what happened since then wins over it."""
    state: str = Field(sa_column=Column(Text, nullable=False))
    """`uploading`, `queued`, then how its job ended: `done`, `failed` or `cancelled`."""
    job_id: UUID | None = Field(sa_column=Column(Uuid))
    size: int = Field(default=0, sa_column=Column(BigInteger, nullable=False, server_default="0"))
    """Bytes received."""
    bytes_read: int = Field(default=0, sa_column=Column(BigInteger, nullable=False, server_default="0"))
    lines_read: int = Field(default=0, sa_column=Column(BigInteger, nullable=False, server_default="0"))
    accepted: int = Field(default=0, sa_column=Column(BigInteger, nullable=False, server_default="0"))
    rejected: int = Field(default=0, sa_column=Column(BigInteger, nullable=False, server_default="0"))
    repeated: int | None = Field(default=None, sa_column=Column(BigInteger))
    """How many of the accepted lines had been taken before; None: nobody has looked yet."""
    sample: list[Any] = Field(  # Any: JSON of rules.import_events.outline
        default_factory=list, sa_column=Column(JSONB, nullable=False, server_default="[]")
    )
    """Of a dry run: what the first events would be, without what they say."""
    problem: str | None = Field(default=None, sa_column=Column(Text))
    created_by: str = Field(sa_column=Column(Text, nullable=False))
    created_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    started_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))
    finished_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))


class ImportChunk(Base, table=True):
    """A piece of an import's file; it is deleted when the import has ended."""

    __tablename__ = "import_chunks"

    import_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    position: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    content: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class ImportBatch(Base, table=True):
    """The accepted lines that went into the event log together."""

    __tablename__ = "import_batches"

    import_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    number: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    lines: list[int] = Field(sa_column=Column(ARRAY(BigInteger), nullable=False))
    event_ids: list[UUID] = Field(sa_column=Column(ARRAY(Uuid), nullable=False, server_default="{}"))
    """Of the lines, in order."""
    request_ids: list[UUID] = Field(sa_column=Column(ARRAY(Uuid), nullable=False, server_default="{}"))
    """The requests of the event log that hold the lines, in order."""
    request_sizes: list[int] = Field(sa_column=Column(ARRAY(Integer), nullable=False, server_default="{}"))
    """How many each of them holds."""
    repeated: list[int] = Field(sa_column=Column(ARRAY(BigInteger), nullable=False, server_default="{}"))
    """Lines whose record had been taken before."""


class ImportLine(Base, table=True):
    """A line that could not be taken, and why; never what it says."""

    __tablename__ = "import_lines"

    import_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    line: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    field: str = Field(sa_column=Column(Text, nullable=False))
    detail: str = Field(sa_column=Column(Text, nullable=False))


class CoverageDay(Base, table=True):
    """How many customers were known, anonymous and linked to an outside id on a day (the last count of that day).

    By brand, source and namespace of the identifiers that were brought; an empty text stands for all.
    """

    __tablename__ = "coverage_days"

    day: date = Field(sa_column=Column(Date, primary_key=True))
    brand: str = Field(sa_column=Column(Text, primary_key=True))
    source_id: str = Field(sa_column=Column(Text, primary_key=True))
    namespace: str = Field(sa_column=Column(Text, primary_key=True))
    customers: int = Field(sa_column=Column(BigInteger, nullable=False, server_default="0"))
    known: int = Field(sa_column=Column(BigInteger, nullable=False, server_default="0"))
    anonymous: int = Field(sa_column=Column(BigInteger, nullable=False, server_default="0"))
    linked: int = Field(sa_column=Column(BigInteger, nullable=False, server_default="0"))
    linked_outside: int = Field(sa_column=Column(BigInteger, nullable=False, server_default="0"))
    identifiers: int = Field(sa_column=Column(BigInteger, nullable=False, server_default="0"))
    """How many there are, in the rows of all brands and sources together; elsewhere 0."""
    computed_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))


class CoverageState(Base, table=True):
    """One row: what the last count saw, so that nothing is counted again while nothing changes."""

    __tablename__ = "coverage_state"

    singleton: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    marker: str = Field(sa_column=Column(Text, nullable=False))
    day: date = Field(sa_column=Column(Date, nullable=False))
    computed_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
