"""Profile's tables can be spread over machines by customer_id (docs/citus.md): keys carry it, joins go by it."""

import re
from pathlib import Path

from sqlalchemy import Table, UniqueConstraint

import profile_service
from profile_service.models import Base
from servicekit.tables import rows_follow

SOURCE = Path(profile_service.__file__).parent
BY_ANCHOR = {"anchors", "erasure_work"}
"""Small tables of the chassis, asked for by other ids: every machine has them (reference tables)."""
TABLES = {
    name: table for name, table in Base.metadata.tables.items() if "customer_id" in table.c and name not in BY_ANCHOR
}
JOINED = re.compile(
    r'\bJOIN\s+"?(?P<table>\w+)"?(?:\s+(?:AS\s+)?(?!ON\b|USING\b)\w+)?\s+'
    r"(?:USING\s*\((?P<columns>[^)]*)\)|ON\s+(?P<condition>.*?)(?=\bJOIN\b|\bWHERE\b|\bGROUP\b|\bORDER\b|\bLEFT\b|\bCROSS\b|$))",
    re.IGNORECASE | re.DOTALL,
)
TO_A_LIST = {"m.segment_id = t.segment_id AND m.is_member"}
"""Joins of one customers' table with a list of values, which every machine is sent."""


def unique_keys(table: Table) -> list[list[str]]:
    keys = [[column.name for column in table.primary_key.columns]]
    keys += [[column.name for column in index.columns] for index in table.indexes if index.unique]
    return keys + [
        [column.name for column in constraint.columns]
        for constraint in table.constraints
        if isinstance(constraint, UniqueConstraint)
    ]


def joins_without_customer(text: str) -> list[str]:
    """Joins with a customers' table that do not name the customer."""
    found = []
    for match in JOINED.finditer(text.replace('"\n', " ").replace(' "', " ")):
        clause = match["columns"] or match["condition"] or ""
        if match["table"] in TABLES and "customer_id" not in clause and " ".join(clause.split()) not in TO_A_LIST:
            found.append(f"{match['table']}: {clause.strip()[:80]}")
    return found


def test_every_key_of_a_table_about_customers_has_the_customer_and_begins_with_it() -> None:
    assert len(TABLES) > 12
    for name, table in TABLES.items():
        keys = unique_keys(table)
        assert keys[0][0] == "customer_id", name
        assert all("customer_id" in key for key in keys), name
        for constraint in table.foreign_key_constraints:
            assert "customer_id" in constraint.column_keys, name


def test_every_table_about_customers_stands_in_the_registry() -> None:
    chassis = {"moving_customers", "erased_customers"}
    assert set(TABLES) - chassis == set(rows_follow(Base))


def test_joins_between_tables_about_customers_go_by_the_customer() -> None:
    files = [*SOURCE.glob("sql/*.sql"), *SOURCE.glob("repository/*.py"), *SOURCE.glob("conditions/*.py")]
    joins = {path.name: joins_without_customer(path.read_text()) for path in files}
    assert sum(len(JOINED.findall(path.read_text())) for path in files) > 20
    assert {name: found for name, found in joins.items() if found} == {}


def test_a_join_by_something_else_is_seen() -> None:
    assert joins_without_customer("SELECT FROM events e JOIN traits t ON t.event_id = e.event_id WHERE true")
    assert joins_without_customer("FROM customers c LEFT JOIN events AS e USING (anchor_id)")
    assert not joins_without_customer(
        "FROM customers c JOIN events e USING (customer_id) JOIN segments s ON s.key = $1"
    )
