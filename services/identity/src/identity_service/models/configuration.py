"""What is configured: sources, and namespaces with their rules."""

from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, Boolean, Column, DateTime, Integer, LargeBinary, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from identity_service.models.base import Base


class Source(Base, table=True):
    """A system of a department or partner that sends events."""

    __tablename__ = "sources"

    source_id: str = Field(sa_column=Column(Text, primary_key=True))
    name: str = Field(sa_column=Column(Text, nullable=False))
    department: str = Field(sa_column=Column(Text, nullable=False))
    brand: str = Field(sa_column=Column(Text, nullable=False))
    legal_entity: str = Field(sa_column=Column(Text, nullable=False))
    purposes: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    trusted_namespaces: list[str] = Field(
        default_factory=list, sa_column=Column(ARRAY(Text), nullable=False, server_default="{}")
    )
    """Namespaces whose values this source has verified before it sends them (a login, a membership desk)."""
    signing_secret: bytes | None = Field(default=None, sa_column=Column(LargeBinary))
    """Encrypted: the key of a partner's signatures. None: the source sends nothing signed."""
    key_hash: str = Field(sa_column=Column(Text, nullable=False, unique=True))
    version: int = Field(sa_column=Column(Integer, nullable=False))
    created_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    updated_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    told_version: int | None = Field(default=None, sa_column=Column(Integer))
    """The last version other services were told of."""


class Namespace(Base, table=True):
    """The rules of one kind of identifier."""

    __tablename__ = "namespaces"

    name: str = Field(sa_column=Column(Text, primary_key=True))
    value_limit: int = Field(sa_column=Column(Integer, nullable=False))
    priority: int = Field(sa_column=Column(Integer, nullable=False))
    is_unique: bool
    limit_window: str = Field(default="ever", sa_column=Column(Text, nullable=False, server_default="ever"))
    """`ever`, `yearly`, `monthly` or `weekly`: the span in which `value_limit` values may be linked."""
    normaliser: str = Field(default="plain", sa_column=Column(Text, nullable=False, server_default="plain"))
    """How a value is written before it is compared: a name of `rules.normalisation.NORMALISERS`."""
    verified_only: bool = Field(default=False, sa_column=Column(Boolean, nullable=False, server_default="false"))
    """Links only when it comes from a source that lists it in `trusted_namespaces`."""
    is_shared: bool = Field(default=False, sa_column=Column(Boolean, nullable=False, server_default="false"))
    """A device several people use: it goes to who was last verified on it, and joins nobody."""
    is_outside: bool = Field(default=False, sa_column=Column(Boolean, nullable=False, server_default="false"))
    """An id of somebody else's system (a DMP, a retailer, a social network): counted by coverage."""
    is_restricted: bool = Field(default=False, sa_column=Column(Boolean, nullable=False, server_default="false"))
    """Used only by the legal entity that brought it, unless an agreement says otherwise."""
    blocked_values: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    version: int = Field(sa_column=Column(Integer, nullable=False))
    updated_at: datetime | None = Field(sa_column=Column(DateTime(timezone=True)))
    """None: as shipped."""


class RulesVersion(Base, table=True):
    """All namespaces' rules as they were from a moment on."""

    __tablename__ = "rules_versions"

    version: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    namespaces: list[dict[str, Any]] = Field(sa_column=Column(JSONB, nullable=False))  # as the API shows them
    changed_by: str = Field(sa_column=Column(Text, nullable=False))
    why: str = Field(sa_column=Column(Text, nullable=False))
    changed_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
