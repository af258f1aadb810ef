"""Migrations: history in files, applied under a lock, never at start-up. Expand, then contract."""

import asyncio
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import context
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import create_async_engine

from servicekit.database import engine_url

_LOCK = 0x6B7A6D69
LOCK_TIMEOUT = "4s"
"""A migration waits no longer than this for a table in use: it fails and is run again, rather than stop the service."""


def script_directory(migrations: Path) -> ScriptDirectory:
    """Return the migration scripts of a service."""
    return ScriptDirectory.from_config(_config(migrations))


def _config(migrations: Path) -> Config:
    config = Config()
    config.set_main_option("script_location", str(migrations).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def head_and_known(migrations: Path) -> tuple[str, frozenset[str]]:
    """Return the newest revision and all revisions that this code knows."""
    scripts = script_directory(migrations)
    head = scripts.get_current_head()
    assert head is not None, f"{migrations} holds no migration"
    return head, frozenset(script.revision for script in scripts.walk_revisions())


def migrate(database_url: str, migrations: Path, revision: str = "head") -> None:
    """Bring the database to a revision (default: the newest); a second caller waits for the first."""

    def apply(connection: Connection) -> None:
        from alembic import command  # its import is slow and only needed here

        config = _config(migrations)
        config.attributes["connection"] = connection
        if revision == "base" or revision.startswith("-"):
            command.downgrade(config, revision)
        else:
            command.upgrade(config, revision)

    asyncio.run(_with_connection(database_url, apply, locked=True))


async def _with_connection(database_url: str, action: Any, *, locked: bool) -> Any:  # the action's own result
    engine = create_async_engine(engine_url(database_url), poolclass=sa.NullPool)
    try:
        async with engine.connect() as connection:
            if locked:
                await connection.execute(sa.text("SELECT pg_advisory_lock(:lock)"), {"lock": _LOCK})
                await connection.execute(sa.text(f"SET lock_timeout = '{LOCK_TIMEOUT}'"))
                await connection.commit()
            result = await connection.run_sync(action)
            await connection.commit()
            return result
    finally:
        await engine.dispose()


def run_migrations(metadata: sa.MetaData) -> None:
    """The body of a service's `migrations/env.py`."""
    connection: Connection | None = context.config.attributes.get("connection")
    if connection is None:
        raise SystemExit("Run migrations with `python -m <name>_service migrate`: it takes the lock and the address.")
    context.configure(
        connection=connection, target_metadata=metadata, transaction_per_migration=True, include_object=include_object
    )
    with context.begin_transaction():
        context.run_migrations()


def include_object(_object: Any, name: str | None, kind: str, _reflected: bool, compare_to: Any) -> bool:
    """Alembic's filter: partitions (`<table>_p<number>`) are their parent's, indexes in plain SQL the migration's."""
    if kind == "table" and name and "_p" in name and name.rsplit("_p", 1)[-1].isdigit():
        return False
    return not (kind == "index" and compare_to is None and _reflected)


def differences(database_url: str, metadata: sa.MetaData) -> list[Any]:
    """Return what alembic would change to make the database fit the models; a test holds it to be empty."""

    def compare(connection: Connection) -> list[Any]:
        migration_context = MigrationContext.configure(connection, opts={"include_object": include_object})
        return list(compare_metadata(migration_context, metadata))

    result: list[Any] = asyncio.run(_with_connection(database_url, compare, locked=False))
    return result


def create_chassis(op: Any) -> None:  # alembic's operations object
    """Create the chassis tables, version 1. Frozen: what comes later is a new function, called by a new migration."""
    op.create_table(
        "outbox",
        sa.Column("sequence", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("aggregatetype", sa.Text, nullable=False),
        sa.Column("aggregateid", sa.Text, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("traceparent", sa.Text),
    )
    op.create_table(
        "inbox",
        sa.Column("event_id", sa.Uuid, primary_key=True),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("inbox_received_at", "inbox", ["received_at"], postgresql_using="brin")
    op.create_table(
        "dead_letters",
        sa.Column("event_id", sa.Uuid, primary_key=True),
        sa.Column("stream", sa.Text, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        sa.Column("error", sa.Text, nullable=False),
        sa.Column("failed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("replayed_at", sa.DateTime(timezone=True)),
    )
    op.create_table(
        "anchors",
        sa.Column("anchor_id", sa.Uuid, primary_key=True),
        sa.Column("customer_id", sa.Uuid, nullable=False),
        sa.Column("former_customer_id", sa.Uuid, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("pending", sa.Integer, nullable=False, server_default="1"),
    )
    op.create_index("anchors_pending", "anchors", ["anchor_id"], postgresql_where=sa.text("pending > 0"))
    op.create_table(
        "idempotency_keys",
        sa.Column("subject", sa.Text, primary_key=True),
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("status", sa.Integer),
        sa.Column("body", sa.LargeBinary),
        sa.Column("headers", sa.Text),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("idempotency_keys_created_at", "idempotency_keys", ["created_at"], postgresql_using="brin")


def create_moving_customers(op: Any) -> None:  # alembic's operations object
    """Create the table of customers in motion: between whom an anchor moves, until they are concluded about anew."""
    op.create_table(
        "moving_customers",
        sa.Column("customer_id", sa.Uuid, primary_key=True),
        sa.Column("anchor_id", sa.Uuid, primary_key=True),
    )
    op.create_index("moving_customers_anchor", "moving_customers", ["anchor_id"])


def create_erased_customers(op: Any) -> None:  # alembic's operations object
    """Create the tables of erased customers and of the work of erasing them; find anchors by their customer."""
    op.create_table(
        "erased_customers",
        sa.Column("customer_id", sa.Uuid, primary_key=True),
        sa.Column("erasure_id", sa.Uuid, nullable=False),
    )
    op.create_index("erased_customers_erasure", "erased_customers", ["erasure_id"])
    op.create_table(
        "erasure_work",
        sa.Column("erasure_id", sa.Uuid, primary_key=True),
        sa.Column("customer_id", sa.Uuid, nullable=False),
        sa.Column("anchor_id", sa.Uuid, nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("rows", JSONB, nullable=False, server_default="{}"),
        sa.Column("finished_at", sa.DateTime(timezone=True)),
    )
    op.create_index("erasure_work_open", "erasure_work", ["asked_at"], postgresql_where=sa.text("finished_at IS NULL"))
    op.create_index("anchors_customer", "anchors", ["customer_id"])


def drop_erased_customers(op: Any) -> None:  # alembic's operations object
    """Undo `create_erased_customers`: who was erased is forgotten."""
    op.drop_index("anchors_customer", "anchors")
    op.drop_table("erasure_work")
    op.drop_table("erased_customers")
