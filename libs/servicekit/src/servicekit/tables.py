"""The tables every service has, and how a table with customers' rows follows a move."""

from typing import Any, Literal, cast

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import registry
from sqlmodel import SQLModel

RowsFollow = Literal["move", "recompute", "keep"]
"""What happens to the rows of an anchor that moved to another customer: re-keyed, concluded anew, or left."""

CHASSIS_TABLES = (
    "outbox",
    "inbox",
    "dead_letters",
    "anchors",
    "moving_customers",
    "erased_customers",
    "erasure_work",
    "idempotency_keys",
)


def add_chassis_tables(metadata: MetaData) -> None:
    """Add outbox, inbox, dead letters, anchors, customers in motion and idempotency keys to a service's metadata.

    `servicekit.migrations.create_chassis` and its successors make the same tables; `alembic check` holds the two
    together.
    """
    Table(  # Debezium's outbox columns, plus the order of publication
        "outbox",
        metadata,
        Column("sequence", BigInteger, Identity(always=True), primary_key=True),
        Column("id", Uuid, nullable=False),
        Column("aggregatetype", Text, nullable=False),
        Column("aggregateid", Text, nullable=False),
        Column("type", Text, nullable=False),
        Column("payload", Text, nullable=False),
        Column("occurred_at", DateTime(timezone=True), nullable=False),
        Column("traceparent", Text),
    )
    Table(
        "inbox",
        metadata,
        Column("event_id", Uuid, primary_key=True),
        Column("received_at", DateTime(timezone=True), nullable=False),
        Index("inbox_received_at", "received_at", postgresql_using="brin"),
    )
    Table(
        "dead_letters",
        metadata,
        Column("event_id", Uuid, primary_key=True),
        Column("stream", Text, nullable=False),
        Column("type", Text, nullable=False),
        Column("payload", LargeBinary, nullable=False),
        Column("error", Text, nullable=False),
        Column("failed_at", DateTime(timezone=True), nullable=False),
        Column("replayed_at", DateTime(timezone=True)),
    )
    Table(
        "anchors",
        metadata,
        Column("anchor_id", Uuid, primary_key=True),
        Column("customer_id", Uuid, nullable=False),
        Column("former_customer_id", Uuid, nullable=False),
        Column("version", BigInteger, nullable=False),
        Column("pending", Integer, nullable=False, server_default="1"),
        Index("anchors_pending", "anchor_id", postgresql_where=text("pending > 0")),
        Index("anchors_customer", "customer_id"),
    )
    Table(  # between which customers an anchor moves, until they are concluded about anew; see servicekit.moves
        "moving_customers",
        metadata,
        Column("customer_id", Uuid, primary_key=True),
        Column("anchor_id", Uuid, primary_key=True),
        Index("moving_customers_anchor", "anchor_id"),
    )
    Table(  # present and former ids of erased customers: facts about them are dropped; see servicekit.erasure
        "erased_customers",
        metadata,
        Column("customer_id", Uuid, primary_key=True),
        Column("erasure_id", Uuid, nullable=False),
        Index("erased_customers_erasure", "erasure_id"),
    )
    Table(  # how far deleting their rows has come
        "erasure_work",
        metadata,
        Column("erasure_id", Uuid, primary_key=True),
        Column("customer_id", Uuid, nullable=False),
        Column("anchor_id", Uuid, nullable=False),
        Column("asked_at", DateTime(timezone=True), nullable=False),
        Column("rows", JSONB, nullable=False, server_default="{}"),
        Column("finished_at", DateTime(timezone=True)),
        Index("erasure_work_open", "asked_at", postgresql_where=text("finished_at IS NULL")),
    )
    Table(
        "idempotency_keys",
        metadata,
        Column("subject", Text, primary_key=True),
        Column("key", Text, primary_key=True),
        Column("fingerprint", Text, nullable=False),
        Column("status", Integer),
        Column("body", LargeBinary),
        Column("headers", Text),
        Column("created_at", DateTime(timezone=True), nullable=False),
        Index("idempotency_keys_created_at", "created_at", postgresql_using="brin"),
    )


def service_base() -> type[SQLModel]:
    """Return a SQLModel base with its own registry and metadata, holding the chassis tables.

    SQLModel's shared metadata would refuse a second service's `outbox` in one process.
    """

    class Base(SQLModel, registry=registry()):
        """Base of one service's tables."""

        __rows_follow__: Any = None

    add_chassis_tables(Base.metadata)
    return Base


def rows_follow(base: type[SQLModel]) -> dict[str, RowsFollow]:
    """Return, for every table with a `customer_id`, how its rows follow a move.

    Raises:
        ValueError: a table with a `customer_id` does not declare `__rows_follow__`, or moves without an `anchor_id`.
    """
    declared: dict[str, RowsFollow] = {}
    mappers = base._sa_registry.mappers  # noqa: SLF001  # SQLModel shows its registry nowhere else
    for mapper in sorted(mappers, key=lambda one: cast(Table, one.local_table).name):
        table = cast(Table, mapper.local_table)
        if "customer_id" not in table.c:
            continue
        choice = getattr(mapper.class_, "__rows_follow__", None)
        if choice not in {"move", "recompute", "keep"}:
            raise ValueError(
                f"Table {table.name} has a customer_id: declare __rows_follow__ = 'move' | 'recompute' | 'keep'."
            )
        if choice == "move" and "anchor_id" not in table.c:
            raise ValueError(f"Table {table.name} moves with its anchors: it needs an anchor_id column.")
        declared[table.name] = choice
    undeclared = [
        table.name
        for table in base.metadata.tables.values()
        if "customer_id" in table.c and table.name not in declared and table.name not in CHASSIS_TABLES
    ]
    if undeclared:
        raise ValueError(f"Tables with a customer_id but without a model that declares __rows_follow__: {undeclared}")
    return declared
