"""Survey's tables. Nothing is concluded per customer and stored: NPS and coverage are computed when read."""

from datetime import date, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import Column, Date, DateTime, ForeignKeyConstraint, Index, Integer, SmallInteger, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from servicekit.tables import service_base

if TYPE_CHECKING:
    from sqlmodel import SQLModel

    Base = SQLModel  # mypy cannot follow a base class made at run time
else:
    Base = service_base()


class Questionnaire(Base, table=True):
    """A questionnaire's present version."""

    __tablename__ = "questionnaires"

    key: str = Field(sa_column=Column(Text, primary_key=True))
    version: int = Field(sa_column=Column(Integer, nullable=False))
    created_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    updated_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))


class QuestionnaireVersion(Base, table=True):
    """What a version asked. Never changed: an invitation shows the version it was issued with."""

    __tablename__ = "questionnaire_versions"
    __table_args__ = (ForeignKeyConstraint(["questionnaire_key"], ["questionnaires.key"]),)

    questionnaire_key: str = Field(sa_column=Column(Text, primary_key=True))
    version: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    definition: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    created_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))


class Invitation(Base, table=True):
    """A customer was asked. The link is not stored: it follows from the id, the expiry and the key."""

    __tablename__ = "invitations"
    __rows_follow__ = "move"
    __table_args__ = (
        Index("invitations_questionnaire_customer", "questionnaire_key", "customer_id"),
        Index("invitations_customer", "customer_id"),
        Index("invitations_anchor", "anchor_id"),
    )

    invitation_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    customer_id: UUID = Field(sa_column=Column(Uuid, nullable=False))
    anchor_id: UUID = Field(sa_column=Column(Uuid, nullable=False))
    questionnaire_key: str = Field(sa_column=Column(Text, nullable=False))
    questionnaire_version: int = Field(sa_column=Column(Integer, nullable=False))
    run_id: UUID | None = Field(sa_column=Column(Uuid))
    campaign_key: str | None = Field(sa_column=Column(Text))
    issued_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    expires_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))


class Response(Base, table=True):
    """The latest revision of what a customer answered to an invitation."""

    __tablename__ = "responses"
    __rows_follow__ = "move"
    __table_args__ = (
        Index(
            "responses_customer",
            "customer_id",
            text("answered_at DESC"),
            postgresql_include=["valid_until", "nps_score"],
        ),
        Index(
            "responses_questionnaire_customer",
            "questionnaire_key",
            "customer_id",
            text("answered_at DESC"),
            postgresql_include=["valid_until", "nps_score"],
        ),
        Index("responses_anchor", "anchor_id"),
    )

    response_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    invitation_id: UUID = Field(sa_column=Column(Uuid, nullable=False, unique=True))
    customer_id: UUID = Field(sa_column=Column(Uuid, nullable=False))
    anchor_id: UUID = Field(sa_column=Column(Uuid, nullable=False))
    questionnaire_key: str = Field(sa_column=Column(Text, nullable=False))
    questionnaire_version: int = Field(sa_column=Column(Integer, nullable=False))
    run_id: UUID | None = Field(sa_column=Column(Uuid))
    campaign_key: str | None = Field(sa_column=Column(Text))
    revision: int = Field(sa_column=Column(Integer, nullable=False))
    nps_score: int | None = Field(sa_column=Column(SmallInteger))
    first_answered_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    answered_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    valid_until: datetime | None = Field(sa_column=Column(DateTime(timezone=True)))


class Answer(Base, table=True):
    """One question's answer in the latest revision."""

    __tablename__ = "answers"
    __rows_follow__ = "move"
    __table_args__ = (Index("answers_anchor", "anchor_id"),)

    response_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    question_key: str = Field(sa_column=Column(Text, primary_key=True))
    position: int = Field(sa_column=Column(SmallInteger, nullable=False))
    customer_id: UUID = Field(sa_column=Column(Uuid, nullable=False))
    anchor_id: UUID = Field(sa_column=Column(Uuid, nullable=False))
    value: Any = Field(sa_column=Column(JSONB, nullable=False))


class Commitment(Base, table=True):
    """A promise to one customer and what became of it."""

    __tablename__ = "commitments"
    __rows_follow__ = "move"
    __table_args__ = (
        Index("commitments_customer", "customer_id", text("made_at DESC")),
        Index("commitments_made", text("made_at DESC"), text("commitment_id DESC")),
        Index("commitments_status_made", "status", text("made_at DESC"), text("commitment_id DESC")),
        Index("commitments_response", "response_id"),
        Index("commitments_anchor", "anchor_id"),
    )

    commitment_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    customer_id: UUID = Field(sa_column=Column(Uuid, nullable=False))
    anchor_id: UUID = Field(sa_column=Column(Uuid, nullable=False))
    response_id: UUID = Field(sa_column=Column(Uuid, nullable=False))
    questionnaire_key: str = Field(sa_column=Column(Text, nullable=False))
    question_key: str = Field(sa_column=Column(Text, nullable=False))
    option_key: str = Field(sa_column=Column(Text, nullable=False))
    kind: str = Field(sa_column=Column(Text, nullable=False))
    subject: str = Field(sa_column=Column(Text, nullable=False))
    text: str = Field(sa_column=Column(Text, nullable=False))
    owner_department: str = Field(sa_column=Column(Text, nullable=False))
    due_on: date | None = Field(sa_column=Column(Date))
    status: str = Field(sa_column=Column(Text, nullable=False))
    proof: str | None = Field(sa_column=Column(Text))
    version: int = Field(sa_column=Column(Integer, nullable=False))
    made_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    changed_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))


class CommitmentChange(Base, table=True):
    """One version of a promise's status: who said so, when, with what proof."""

    __tablename__ = "commitment_changes"
    __rows_follow__ = "move"
    __table_args__ = (Index("commitment_changes_anchor", "anchor_id"),)

    commitment_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    version: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    customer_id: UUID = Field(sa_column=Column(Uuid, nullable=False))
    anchor_id: UUID = Field(sa_column=Column(Uuid, nullable=False))
    status: str = Field(sa_column=Column(Text, nullable=False))
    proof: str | None = Field(sa_column=Column(Text))
    changed_by: str = Field(sa_column=Column(Text, nullable=False))
    """`customer`, or the token's subject."""
    changed_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
