"""The base of profile's tables, and the columns they have in common."""

from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, DateTime, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from servicekit.tables import service_base

if TYPE_CHECKING:  # a class made at run time is no base class to a type checker
    from sqlmodel import SQLModel

    Base = SQLModel
else:
    Base = service_base()

LONG_AGO = "1970-01-01T00:00:00Z"
"""Stands for a moment before anything that is known."""


def moment(*, nullable: bool = False, default: str | None = None) -> Any:  # SQLModel types Field() as Any itself
    return Field(sa_column=Column(DateTime(timezone=True), nullable=nullable, server_default=default))


def text_column(*, primary_key: bool = False, nullable: bool = False) -> Any:
    return Field(sa_column=Column(Text, primary_key=primary_key, nullable=nullable))


def json_column(*, nullable: bool = False) -> Any:
    return Field(sa_column=Column(JSONB, nullable=nullable))


def number(kind: Any, *, nullable: bool = False, default: int | None = None) -> Any:
    server_default = None if default is None else text(str(default))
    return Field(sa_column=Column(kind, nullable=nullable, server_default=server_default))
