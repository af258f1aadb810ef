"""Every service's tables about customers can be spread over machines (docs/citus.md): by the customer, or by what each
of its unique keys holds instead - named here, with the reason. Profile's joins are checked in its own tests."""

from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import pytest
from sqlalchemy import Table, UniqueConstraint
from sqlmodel import SQLModel

from servicekit.tables import CHASSIS_TABLES, rows_follow

PAGE = (Path(__file__).parents[2] / "docs" / "citus.md").read_text(encoding="utf-8")
SERVICES = ("identity", "profile", "campaign", "delivery", "survey")

ONCE = "its id makes the thing happen once wherever its anchor is by then: beside the customer it could stand twice"
ANCHOR = "it belongs to the anchor, which never changes: a move changes no key"


class Spread(NamedTuple):
    """By which column a table's rows are spread; None: they are not."""

    column: str | None
    why: str


EXCEPTIONS: dict[str, dict[str, Spread]] = {
    "identity": {
        "identifiers": Spread("value", "an event's identifiers are looked up before anybody knows whose they are"),
        "links": Spread("anchor_id", ANCHOR),
        "held_apart": Spread("anchor_id", ANCHOR),
        "identifier_grants": Spread("anchor_id", ANCHOR),
        "person_records": Spread("anchor_id", ANCHOR),
        "moves": Spread("anchor_id", ANCHOR),
        "group_members": Spread("group_id", "asked for by group"),
        "message_ids": Spread("event_id", ONCE),
        "link_candidates": Spread(None, "pairs of customers: no one customer's"),
        "linking_results": Spread(None, "a run's scratch, taken and dropped by its place in the run"),
        "decisions": Spread("decision_id", "it speaks of two customers, and outlives both"),
        "separations": Spread(None, "few rows, made by people"),
        "disclosures": Spread(None, "few rows, the proof that outlives the customer"),
        "erasures": Spread(None, "few rows, the proof that outlives the customer"),
    },
    "profile": {},
    "campaign": {
        "runs": Spread("run_id", ONCE),
        "message_outcomes": Spread("message_id", ONCE),
        "coupons": Spread("code", "a till knows the code only"),
        "assignments": Spread("anchor_id", "the arm stays with the anchor: " + ANCHOR),
        "early_entries": Spread("anchor_id", ANCHOR),
    },
    "delivery": {
        "messages": Spread("message_id", ONCE),
        "contact_points": Spread("anchor_id", ANCHOR),
        "contact_point_grants": Spread("anchor_id", ANCHOR),
    },
    "survey": {
        "invitations": Spread("invitation_id", ONCE),
        "responses": Spread("response_id", ONCE),
        "answers": Spread("response_id", "part of its response"),
        "commitments": Spread("commitment_id", ONCE),
        "commitment_changes": Spread("commitment_id", "part of its commitment"),
    },
}
UNIQUE_BY_DERIVATION: dict[tuple[str, str], str] = {
    ("identity", "identifiers.anchor_id"): "each is made new, as UUIDs are",
    ("campaign", "coupons.message_id"): "the code follows from the message id",
    ("survey", "responses.invitation_id"): "the response's id follows from it",
}
"""Keys without the column by which their table is spread: what else keeps them unique."""


def base_of(service: str) -> type[SQLModel]:
    base: type[SQLModel] = import_module(f"{service}_service.models").Base
    return base


def tables_about_customers(service: str) -> dict[str, Table]:
    """The service's own tables with rows of customers or of their anchors."""
    return {
        name: table
        for name, table in base_of(service).metadata.tables.items()
        if name not in CHASSIS_TABLES and {"customer_id", "anchor_id"} & set(table.c.keys())
    }


def unique_keys(table: Table) -> list[list[str]]:
    """The columns of the primary key, and then of every other unique key."""
    keys = [[column.name for column in table.primary_key.columns]]
    keys += [[column.name for column in index.columns] for index in table.indexes if index.unique]
    return keys + [
        [column.name for column in constraint.columns]
        for constraint in table.constraints
        if isinstance(constraint, UniqueConstraint)
    ]


def is_keyed_by_customer(table: Table) -> bool:
    keys = unique_keys(table)
    return keys[0][0] == "customer_id" and all("customer_id" in key for key in keys)


@pytest.mark.parametrize("service", SERVICES)
def test_a_table_about_customers_is_keyed_by_them_or_says_by_what_else_and_why(service: str) -> None:
    tables = tables_about_customers(service)
    otherwise = {name for name, table in tables.items() if not is_keyed_by_customer(table)}
    assert otherwise == EXCEPTIONS[service].keys()


@pytest.mark.parametrize("service", SERVICES)
def test_every_unique_key_holds_what_its_table_is_spread_by(service: str) -> None:
    tables = tables_about_customers(service)
    without = {
        (service, f"{name}.{'+'.join(key)}")
        for name, spread in EXCEPTIONS[service].items()
        if spread.column is not None
        for key in unique_keys(tables[name])
        if spread.column not in key
    }
    assert without == {key for key in UNIQUE_BY_DERIVATION if key[0] == service}


@pytest.mark.parametrize("service", SERVICES)
def test_every_table_with_customers_stands_in_the_registry_of_moves_erasure_and_export(service: str) -> None:
    with_customers = {name for name, table in tables_about_customers(service).items() if "customer_id" in table.c}
    assert with_customers == rows_follow(base_of(service)).keys()


@pytest.mark.parametrize("service", [service for service in SERVICES if service != "profile"])
def test_the_page_names_every_table_and_by_what_it_is_spread(service: str) -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith(f"| {service} |")]
    for name in tables_about_customers(service):
        column = EXCEPTIONS[service][name].column if name in EXCEPTIONS[service] else "customer_id"
        told = [row for row in rows if f"`{name}`" in row]
        assert len(told) == 1, name
        assert told[0].startswith(f"| {service} | {f'`{column}`' if column else 'not spread'} |"), name


def test_the_page_distributes_every_table_of_profile() -> None:
    assert [name for name in tables_about_customers("profile") if f"'{name}'" not in PAGE] == []
