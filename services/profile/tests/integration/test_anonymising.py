"""Anonymised exports: whatever the data, no line of fewer than k; asked for, made, fetched, recorded, forgotten."""

import csv
import io
import json
import re
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from services.profile.tests.integration.conftest import START
from services.profile.tests.plain_anonymising import Person, cells, cuts_of
from services.profile.tests.profile_facts import identify, purchase
from services.profile.tests.recording import Desk
from sqlalchemy.ext.asyncio import AsyncSession

from profile_service.app import build
from profile_service.repository import anonymising
from profile_service.repository.anonymising import Outcome
from profile_service.repository.generalising import READING_PLAN, Reading
from profile_service.rules.anonymising import ExportDefinition, rounded
from profile_service.service.anonymising import Anonymiser
from profile_service.settings import Settings
from servicekit.database import Database, raw
from servicekit.embedded.postgres import EmbeddedPostgres
from servicekit.testing import RunningService, create_database

Published = dict[tuple[str | None, ...], int]


def column(name: str, **generalisation: Any) -> dict[str, Any]:
    return {
        "name": name,
        "category": f"category of {name}",
        "source": {"kind": "trait", "trait": name},
        "generalisation": generalisation,
    }


COLUMNS = [
    column("age", kind="bins", edges=[20, 40.5]),
    column("spend", kind="steps", width=2.5, top_percentile=90, bottom_percentile=10),
    column("joined_on", kind="calendar", unit="quarter"),
    column("postal_code", kind="digits", length=2),
    column("city", kind="categories", values={"Tokyo": "Kanto", "true": "yes", "7": "seven"}),
    column("subscribed", kind="as_is"),
]
EXPORT: dict[str, Any] = {
    "columns": COLUMNS,
    "purpose": "Where do subscribers live?",
    "recipient": "University of X",
    "provision": "SFTP",
}

anything = st.one_of(st.none(), st.booleans(), st.text(max_size=3).filter(lambda text: "\0" not in text), st.just([1]))


def few(values: list[Any], rarely: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Mostly one of a few values, so that there are groups of `k`."""
    return st.one_of(*[st.sampled_from(values)] * 4, rarely)


people = st.lists(
    st.fixed_dictionaries(
        {
            "spend": few([0, 1, 3, 3.5, 6, 9, 50, 10**9], st.decimals(-20, 60, places=2).map(float) | anything),
            "age": few([19, 20, 40, 40.5, 112], anything),
        },
        optional={
            "joined_on": st.dates().map(str) | st.just("2020-13-01") | st.just("2020-02-31T10:00Z") | anything,
            "postal_code": st.sampled_from(["150-0002", "1500042", "5300001", "15", "1234567890", 1500002]) | anything,
            "city": st.sampled_from(["Tokyo", "Osaka", "Naha", True, 7]) | anything,
            "subscribed": st.booleans() | anything,
        },
    ),
    max_size=40,
)
definitions = st.builds(
    lambda columns, rounding: ExportDefinition.model_validate(EXPORT | {"columns": columns, "rounding": rounding}),
    st.lists(st.sampled_from(COLUMNS), min_size=1, max_size=3, unique_by=lambda chosen: chosen["name"]),
    st.integers(2, 4),
)


@pytest.fixture
async def database(postgres: EmbeddedPostgres) -> AsyncIterator[Database]:
    database = Database(await create_database(postgres, build), pool_size=1)
    yield database
    await database.close()


async def export(
    session: AsyncSession, known: list[Person], definition: ExportDefinition, *, k: int
) -> tuple[Published, Outcome]:
    """What is published of exactly these people."""
    connection = await raw(session)
    await connection.execute(
        "DELETE FROM anonymised_exports; DELETE FROM export_readings; DELETE FROM traits; DELETE FROM customers"
    )
    ids = [UUID(int=place + 1) for place in range(len(known))]
    await connection.executemany(
        "INSERT INTO customers (customer_id, first_event_at, latest_event_at, latest_event_id, latest_anchor_id, "
        "event_count) VALUES ($1, $2, $2, $1, $1, 1)",
        [(customer_id, START) for customer_id in ids],
    )
    await connection.executemany(
        "INSERT INTO traits (customer_id, name, value, source_id, observed_at, event_id) "
        "VALUES ($1, $2, $3, '', $4, $1)",
        [
            (key, name, json.dumps(value), START)
            for key, one in zip(ids, known, strict=True)
            for name, value in one.items()
        ],
    )
    export_id, document = uuid4(), definition.model_dump(mode="json")
    await anonymising.insert_export(
        session, export_id, document, by="me", department=None, now=START, expires_at=START + timedelta(days=1)
    )
    while (made := await anonymising.get_export(session, export_id)) is not None and made.stage == "reading":
        await anonymising.read_some(session, made, definition, zone="Asia/Tokyo", limit=7)
    outcome = await anonymising.publish_cells(session, export_id, definition, k=k)
    found = {
        tuple(labels): count async for labels, count in anonymising.cells_of(session, export_id, after=0, limit=10**6)
    }
    return found, outcome


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(known=people, definition=definitions, k=st.integers(2, 5), leaving=st.integers(0, 39))
async def test_whatever_the_data_no_line_is_of_fewer_than_k_and_who_leaves_is_not_shown(
    database: Database, known: list[Person], definition: ExportDefinition, k: int, leaving: int
) -> None:
    async with database.transaction() as session:
        published, outcome = await export(session, known, definition, k=k)
        plain = cells(known, definition, k=k)
        kept = {labels: count for labels, count in plain.items() if count >= k}
        assert published == {
            labels: rounded(count, k=k, rounding=definition.rounding) for labels, count in kept.items()
        }
        assert outcome == Outcome(len(known), sum(kept.values()), len(kept), min(kept.values(), default=None))
        _assert_outliers_are_cut(known, definition, plain, k=k)
        if known:
            others = [person for place, person in enumerate(known) if place != leaving % len(known)]
            after, _ = await export(session, others, definition, k=k)
            _assert_little_is_learnt(published, after, definition, known, others, k=k)


def _assert_outliers_are_cut(
    known: list[Person], definition: ExportDefinition, plain: Counter[tuple[str | None, ...]], *, k: int
) -> None:
    """No label says how far an outlier lies: the highest step says only that it is reached, and k people reach it."""
    for place, chosen in enumerate(definition.columns):
        cuts = cuts_of(known, chosen, k=k)
        if cuts is None:
            continue
        labels = Counter[str | None]()
        for combination, count in plain.items():
            labels[combination[place]] += count
        reached = [float(end) for label in labels if label not in {None, ".."} for end in str(label).split("..") if end]
        assert all(cut - 2.5 < value for value in reached for cut in [float(cuts[0])])
        assert all(value <= float(cuts[1]) + 2.5 for value in reached)
        if sum(labels.values()) - labels[None] >= k:
            assert all(
                count >= k for label, count in labels.items() if label and (label[-2:] == ".." or label[:2] == "..")
            )


def _assert_little_is_learnt(
    before: Published,
    after: Published,
    definition: ExportDefinition,
    known: list[Person],
    others: list[Person],
    *,
    k: int,
) -> None:
    """Where no cut moved, one line differs at most: by one rounding step, or by being there."""
    if any(cuts_of(known, chosen, k=k) != cuts_of(others, chosen, k=k) for chosen in definition.columns):
        return
    different = {labels for labels in before.keys() | after.keys() if before.get(labels) != after.get(labels)}
    assert len(different) <= 1
    for labels in different:
        assert before[labels] - after.get(labels, before[labels] - definition.rounding) == definition.rounding


async def ask(profile: RunningService, method: str, path: str, *scopes: str, **more: Any) -> Any:
    return await profile.client.request(
        method, f"/v1/anonymised-exports{path}", headers=profile.headers(*(scopes or SCOPES)), **more
    )


SCOPES = ("exports:read", "exports:write")
BUYER = {"kind": "event_count", "event": "Order Completed", "comparison": "ge", "value": 1}
TWO = {"columns": [COLUMNS[0], column("city", kind="categories", values={"Tokyo": "Kanto"})], "segment": "buyer"}


async def prepare(profile: RunningService, *, people: int = 24) -> list[UUID]:
    """Buyers: half in Tokyo; one of them very old, in a place of its own. And one who bought nothing."""
    body = {"name": "buyer", "condition": BUYER}
    await profile.client.put("/v1/segments/buyer", json=body, headers=profile.headers())
    await profile.client.post("/v1/segments/buyer:publish", headers=profile.headers())
    customers = [uuid4() for _ in range(people)]
    facts = [
        fact
        for place, customer in enumerate(customers)
        for fact in (
            identify(
                customer, START, age=25 if place else 112, city=("Tokyo", "Osaka")[place % 2], email="canary@x.jp"
            ),
            purchase(customer, START, 10),
        )
    ]
    await profile.publish([*facts, identify(uuid4(), START, age=25, city="Tokyo")])
    await profile.drain()
    return customers


async def made(profile: RunningService, definition: dict[str, Any]) -> dict[str, Any]:
    answer = await ask(profile, "POST", "", json=definition)
    assert answer.status_code == 202, answer.text
    row: dict[str, Any] = answer.json()
    while row["state"] == "queued":
        row = (await ask(profile, "GET", f"/{row['export_id']}")).json()
    return row


async def test_an_export_is_asked_for_made_fetched_recorded_and_forgotten(profile: RunningService) -> None:
    customers = await prepare(profile)
    row = await made(profile, EXPORT | TWO)
    assert row["state"] == "done", row["problem"]
    figures = {"customers": 24, "published": 23, "suppressed_share": 0.0417, "cells": 2, "k_reached": 11}
    assert row["figures"] == figures
    assert row["publication"]["item_categories"] == ["category of age", "category of city"]
    assert (row["created_by"], row["definition"]["recipient"]) == ("kizuna/tester", "University of X")
    path = f"/{row['export_id']}/content"
    answer = await ask(profile, "GET", path)
    assert answer.headers["content-type"].startswith("text/csv")
    lines = list(csv.DictReader(io.StringIO(answer.text)))
    assert lines == [
        {"age": "20..40.5", "city": "Kanto", "count": "10"},
        {"age": "20..40.5", "city": "other", "count": "10"},
    ]
    assert not any(str(customer) in answer.text for customer in customers)
    assert "canary" not in answer.text
    first = await ask(profile, "GET", path, params={"format": "ndjson", "first": 1})
    following = first.headers["link"].split(">")[0].removeprefix("</v1/anonymised-exports")
    second = await ask(profile, "GET", following)
    assert [json.loads(page.text)["city"] for page in (first, second)] == ["Kanto", "other"]
    assert "link" not in second.headers
    reads = (await ask(profile, "GET", f"/{row['export_id']}/reads", "privacy:read")).json()["items"]
    assert [read["read_by"] for read in reads] == ["kizuna/tester"] * 3
    profile.clock.advance(timedelta(days=30))
    assert (await ask(profile, "GET", path)).status_code == 410
    sweeper = next(worker for worker in profile.service.workers if worker.name == "anonymised")
    sweeper.wake()  # type: ignore[attr-defined]  # a PeriodicWorker
    while (kept := (await ask(profile, "GET", f"/{row['export_id']}")).json())["state"] == "done":
        pass
    assert (kept["state"], kept["figures"], kept["definition"]) == ("expired", figures, row["definition"])
    async with profile.database.transaction() as session:
        assert await (await raw(session)).fetchval("SELECT count(*) FROM anonymised_cells") == 0


async def test_rows_are_a_line_for_each_customer_counted(profile: RunningService) -> None:
    await prepare(profile)
    row = await made(profile, EXPORT | TWO | {"shape": "rows"})
    answer = await ask(profile, "GET", f"/{row['export_id']}/content")
    assert Counter(answer.text.splitlines()) == {"age,city": 1, "20..40.5,Kanto": 10, "20..40.5,other": 10}


async def test_purchases_ranks_and_days_are_generalised_too(profile: RunningService) -> None:
    ranks = {"ranks": [{"key": "gold", "name": "Gold", "condition": BUYER}]}
    await profile.client.put("/v1/ranks/default", json=ranks, headers=profile.headers())
    await prepare(profile)
    rest = {"category": "x"}
    columns = [
        {"name": "orders", "source": {"kind": "purchases", "of": "frequency"},
         "generalisation": {"kind": "bins", "edges": [1, 2]}, **rest},
        {"name": "revenue", "source": {"kind": "purchases", "of": "monetary"},
         "generalisation": {"kind": "steps", "width": 100}, **rest},
        {"name": "last", "source": {"kind": "moment", "of": "last_purchase"},
         "generalisation": {"kind": "calendar", "unit": "month"}, **rest},
        {"name": "rank", "source": {"kind": "rank"}, "generalisation": {"kind": "as_is"}, **rest},
    ]  # fmt: skip
    row = await made(profile, EXPORT | {"columns": columns})
    answer = await ask(profile, "GET", f"/{row['export_id']}/content", params={"format": "ndjson"})
    assert [json.loads(line) for line in answer.text.splitlines()] == [
        {"orders": "1..2", "revenue": "..", "last": "2026-11", "rank": "gold", "count": 20}
    ]


async def test_what_is_refused(profile_at_rest: RunningService) -> None:
    profile = profile_at_rest
    refused: list[tuple[dict[str, Any], str]] = [
        ({"k": 9}, "k"),
        ({"segment": "nobody"}, "segment"),
        ({"columns": [column("email", kind="digits", length=1)]}, "columns.0.name"),
        ({"columns": [column("age", kind="bins", edges=[2, 1])]}, "columns.0.generalisation.edges"),
    ]
    for wrong, field in refused:
        answer = await ask(profile, "POST", "", json=EXPORT | wrong)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field), answer.text
    export_id = (await ask(profile, "POST", "", json=EXPORT)).json()["export_id"]
    assert (await ask(profile, "GET", f"/{export_id}/content")).status_code == 409
    for _ in range(2):
        assert (await ask(profile, "POST", f"/{export_id}:cancel")).json()["state"] == "cancelled"
    assert (await ask(profile, "GET", f"/{uuid4()}")).status_code == 404
    assert (await ask(profile, "GET", "", "profile:read")).status_code == 403
    assert (await ask(profile, "POST", "", "exports:read", json=EXPORT)).status_code == 403
    second = (await ask(profile, "POST", "", json=EXPORT)).json()["export_id"]
    page = (await ask(profile, "GET", "", params={"first": 1})).json()
    rest = (await ask(profile, "GET", "", params={"after": page["next"]})).json()
    assert {row["export_id"] for row in page["items"] + rest["items"]} == {export_id, second}


ALL = EXPORT | {"columns": COLUMNS[:1], "k": 10}
CROWD = [UUID(int=number) for number in range(1, 31)]
IDLE = {"nats_url": "nats://nowhere", "jwks_file": Path("none")}


def anonymiser(desk: Desk, **more: Any) -> Anonymiser:
    """A worker that has just been started; it reads seven customers at a time."""
    chosen = Settings(backfill_chunk=7, **{**IDLE, **more})
    return Anonymiser(chosen, database=desk.database, clock=desk.clock)


async def ask_for(desk: Desk, definition: dict[str, Any], *, crowd: list[UUID] = CROWD) -> UUID:
    await desk.record([identify(person, START, age=25) for person in crowd])
    export_id = uuid4()
    async with desk.database.transaction() as session:
        await anonymising.insert_export(
            session, export_id, definition, by="me", department=None, now=START, expires_at=START + timedelta(days=1)
        )
    return export_id


async def state_of(desk: Desk, export_id: UUID) -> tuple[str, str, int, int | None]:
    async with desk.database.transaction() as session:
        row = await anonymising.get_export(session, export_id)
    assert row is not None
    return row.state, row.stage, row.customers_read, row.customers


async def finished(desk: Desk, export_id: UUID, **settings: Any) -> list[tuple[list[str], int]]:
    """Make the rest of it, and whatever else there is, with another worker for each piece."""
    while await anonymiser(desk, **settings).work():
        if (await state_of(desk, export_id))[0] == "queued":
            assert await desk.fetch("SELECT FROM anonymised_cells") == [], "nothing half made is to be seen"
    assert await desk.fetch("SELECT FROM export_readings") == []
    rows = await desk.fetch("SELECT labels, count FROM anonymised_cells WHERE export_id = $1 ORDER BY 1", export_id)
    return [(row["labels"], row["count"]) for row in rows]


async def merge(desk: Desk, former: UUID, to: UUID) -> None:
    """All facts of one customer are another's from now on."""
    async with desk.database.transaction() as session:
        connection = await raw(session)
        for table in ("events", "trait_observations"):
            await connection.execute(f"UPDATE {table} SET customer_id = $2 WHERE customer_id = $1", former, to)
        await desk.follower.recompute(session, [frozenset({former, to})])


async def test_each_piece_is_a_workers_own_and_what_changes_meanwhile_counts_once(a_desk: Desk) -> None:
    export_id = await ask_for(a_desk, ALL)
    for _ in range(2):
        assert await anonymiser(a_desk).work()
    assert await state_of(a_desk, export_id) == ("queued", "reading", 14, None)
    await merge(a_desk, CROWD[0], CROWD[1])  # both were read: they are one now
    await merge(a_desk, CROWD[2], CROWD[29])  # the one was read, the other was not
    await a_desk.record([identify(CROWD[4], START + timedelta(seconds=1), age=50)])  # was read: as it was then
    await a_desk.record([identify(CROWD[28], START + timedelta(seconds=1), age=50)])  # was not
    await a_desk.fetch("INSERT INTO moving_customers (customer_id, anchor_id) VALUES ($1, $1)", CROWD[5])
    await a_desk.fetch("INSERT INTO erased_customers (customer_id, erasure_id) VALUES ($1, $1)", CROWD[6])
    await a_desk.fetch("INSERT INTO erased_customers (customer_id, erasure_id) VALUES ($1, $1)", CROWD[27])
    # 30, without the two who are one, who merged with somebody not read yet, who is in motion, who were erased
    assert await finished(a_desk, export_id) == [(["20..40.5"], 20)]
    state, stage, _, customers = await state_of(a_desk, export_id)
    assert (state, stage, customers) == ("done", "over", 24)


async def test_a_line_that_falls_below_k_while_it_is_made_is_not_published(a_desk: Desk) -> None:
    export_id = await ask_for(a_desk, ALL, crowd=CROWD[:10])
    assert await anonymiser(a_desk).work()
    await merge(a_desk, CROWD[0], CROWD[9])
    assert await finished(a_desk, export_id) == []
    raised = await ask_for(a_desk, ALL)
    assert await anonymiser(a_desk).work()
    assert await finished(a_desk, raised, minimum_cell_size=31) == [], "the setting holds when it is published"


async def test_a_crash_of_the_database_begins_it_anew(a_desk: Desk) -> None:
    export_id = await ask_for(a_desk, ALL)
    for stage in ("reading", "publishing"):
        while (await state_of(a_desk, export_id))[:3] != ("queued", stage, 14 if stage == "reading" else 30):
            assert await anonymiser(a_desk).work()
        await a_desk.fetch("TRUNCATE export_readings")  # as it is with what is not logged
        assert await anonymiser(a_desk).work()
        assert await state_of(a_desk, export_id) == ("queued", "reading", 0, None)
    assert await finished(a_desk, export_id) == [(["20..40.5"], 30)]


async def test_only_members_are_read_and_who_is_cancelled_or_alone_leaves_nothing(a_desk: Desk) -> None:
    await a_desk.record([purchase(person, START, 1) for person in CROWD[:12]])
    await a_desk.publish_segment("buyer", BUYER)
    await a_desk.backfill()
    members = await ask_for(a_desk, ALL | {"segment": "buyer"})
    assert await finished(a_desk, members) == [(["20..40.5"], 10)]
    assert (await state_of(a_desk, members))[2:] == (12, 12)
    cancelled, nobody = await ask_for(a_desk, ALL), await ask_for(a_desk, ALL | {"segment": "unknown"})
    assert await anonymiser(a_desk).work()
    async with a_desk.database.transaction() as session:
        found = await anonymising.claim_export(session)
        assert found is not None
        async with a_desk.database.transaction() as other:
            second = await anonymising.claim_export(other)  # nobody else works at it, but at another
        assert second is not None
        assert {found.export_id, second.export_id} == {cancelled, nobody}
    async with a_desk.database.transaction() as session:
        assert await anonymising.cancel_export(session, cancelled, now=START)
        assert not await anonymising.finish_export(session, cancelled, outcome=None, problem=None, now=START)
    assert await finished(a_desk, cancelled) == []
    assert (await state_of(a_desk, cancelled))[:2] == ("cancelled", "over")
    assert (await state_of(a_desk, nobody)) == ("done", "over", 0, 0)


async def test_customers_are_read_by_the_key_and_not_each_with_all_others(a_desk: Desk) -> None:
    people = [UUID(int=number) for number in range(1, 3001)]
    await a_desk.record([identify(person, START, age=25, city="Tokyo") for person in people])
    connection = await a_desk.database.connect()
    await connection.execute("VACUUM ANALYZE")
    definition = ExportDefinition.model_validate(EXPORT | {"columns": [COLUMNS[0], COLUMNS[4]]})
    statement = Reading(definition, uuid4(), zone="Asia/Tokyo")
    sql = statement.write(after=people[1000], last=people[1010])
    kinds = dict(re.findall(r"\$(\d+)::(\w+)", sql))
    await connection.execute(
        f"PREPARE read ({', '.join(kinds[str(place + 1)] for place in range(len(kinds)))}) AS {sql}"
    )
    values = ", ".join(f"'{value}'" for value in statement.parameters)
    async with connection.transaction():
        await connection.execute(READING_PLAN)
        plan = "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN EXECUTE read ({values})"))
    await connection.close()
    assert "Seq Scan on customers" not in plan and "Seq Scan on traits" not in plan, plan
    assert "Join Filter: (t" not in plan, plan
