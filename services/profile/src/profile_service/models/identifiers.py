"""Which kinds of identifiers are known of a customer."""

from typing import ClassVar
from uuid import UUID

from sqlalchemy import Column, Index, Uuid
from sqlmodel import Field

from profile_service.models.base import Base, text_column
from servicekit.tables import RowsFollow


class CustomerIdentifier(Base, table=True):
    """An identifier belongs to the customer. Only its namespace is kept: the value is identity's alone."""

    __tablename__ = "customer_identifiers"
    __rows_follow__: ClassVar[RowsFollow] = "move"
    __table_args__ = (
        Index("customer_identifiers_anchor", "anchor_id"),
        # previews over everybody
        Index("customer_identifiers_namespace", "namespace", "customer_id"),
    )

    customer_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    namespace: str = text_column(primary_key=True)
    anchor_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
