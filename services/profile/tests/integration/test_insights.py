"""Bought data: at the level of segments only, under its licence, for its purpose, until its end."""

import csv
import gzip
import json
import tracemalloc
from datetime import timedelta
from io import StringIO
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any
from uuid import UUID

import pytest
from services.profile.tests.integration.conftest import START
from services.profile.tests.profile_facts import event

import profile_service
from profile_service.app import build
from profile_service.models import Base
from profile_service.service.insights import import_cells
from profile_service.settings import Settings
from servicekit.testing import Environment, RunningService, running

BUYER = {"kind": "event_count", "event": "Order Completed", "comparison": "ge", "value": 1}
PANEL = {
    "title": "Household panel 2026",
    "supplier": "Panel K.K.",
    "purpose": "Decide where the florist's next shop opens.",
    "hypothesis": "Buyers who live alone spend more on flowers for themselves.",
    "licence": "Internal use until the end; no transfer to others.",
    "segment_keys": ["buyer"],
    "dimensions": ["prefecture", "household"],
    "measures": [
        {"name": "spend", "kind": "number", "unit": "JPY per year"},
        {"name": "alone", "kind": "share", "unit": "people"},
    ],
    "expires_at": "2027-03-31T15:00:00Z",
}
FILE = """segment,prefecture,household,cell_size,spend,alone
buyer,東京都,1,120,8200,0.8
buyer,大阪府,2,10,6100.5,
"""


async def ask(profile: RunningService, method: str, path: str, *scopes: str, **more: Any) -> Any:
    headers = profile.headers(*(scopes or ("insights:read", "insights:write"))) | more.pop("headers", {})
    return await profile.client.request(method, path, headers=headers, **more)


async def prepare(profile: RunningService, file: str = FILE) -> Any:
    body = {"name": "buyer", "condition": BUYER}
    await ask(profile, "PUT", "/v1/segments/buyer", "profile:write", json=body)
    await ask(profile, "PUT", "/v1/insights/panel", json=PANEL)
    return await send(profile, file)


async def send(
    profile: RunningService, file: str | bytes, *, kind: str = "text/csv", dry_run: bool = False, encoding: str = ""
) -> Any:
    return await ask(
        profile,
        "POST",
        "/v1/insights/panel:import",
        content=file.encode() if isinstance(file, str) else file,
        headers={"Content-Type": kind, "Content-Encoding": encoding},
        params={"dry_run": dry_run},
    )


async def cells(profile: RunningService) -> list[tuple[str, int]]:
    answer = await ask(profile, "GET", "/v1/segments/buyer/insights")
    return [(cell["dimensions"]["prefecture"], cell["cell_size"]) for cell in answer.json()["cells"]]


async def test_a_dataset_is_described_imported_and_read_beside_its_segment(profile: RunningService) -> None:
    answer = await prepare(profile)
    assert answer.json() == {"dry_run": False, "lines": 2, "accepted": 2, "refused": 0, "problems": []}
    answer = (await ask(profile, "GET", "/v1/segments/buyer/insights", params={"first": 1})).json()
    (dataset,) = answer["datasets"]
    assert {name: dataset[name] for name in ("purpose", "licence", "supplier")} == {
        name: PANEL[name] for name in ("purpose", "licence", "supplier")
    }
    assert (dataset["status"], dataset["cells"], dataset["minimum_cell_size"]) == ("usable", 2, 10)
    assert answer["cells"] == [
        {
            "dataset": "panel",
            "dimensions": {"prefecture": "東京都", "household": "1"},
            "cell_size": 120,
            "measures": {"spend": 8200, "alone": 0.8},
        }
    ]
    params = {"after": answer["next"]}
    answer = (await ask(profile, "GET", "/v1/segments/buyer/insights", params=params)).json()
    assert [cell["measures"] for cell in answer["cells"]] == [{"spend": 6100.5, "alone": None}]
    assert answer["next"] is None


async def test_of_a_few_customers_nothing_bought_is_said(profile: RunningService) -> None:
    people = [UUID(int=number) for number in range(1, 11)]
    await profile.publish([event(each, "Page Viewed", START) for each in people])
    await profile.drain()
    await ask(profile, "PUT", "/v1/segments/buyer", "profile:write", json={"name": "b", "kind": "static"})
    await ask(profile, "PUT", "/v1/insights/panel", json=PANEL)
    await send(profile, FILE)
    for verb, members, status in (
        ("addMembers", people[:1], 409),
        ("addMembers", people, 200),
        ("removeMembers", people[1:], 409),
    ):
        path, body = f"/v1/segments/buyer:{verb}", {"customer_ids": [str(each) for each in members]}
        assert (await ask(profile, "POST", path, "profile:write", json=body)).status_code == 200
        answer = await ask(profile, "GET", "/v1/segments/buyer/insights")
        assert (answer.status_code, "8200" in answer.text) == (status, status == 200), answer.text


async def test_one_line_that_is_refused_refuses_the_file(profile: RunningService) -> None:
    await prepare(profile)
    bad = FILE + "buyer,京都府,1,9,1,1\nbuyer,090-1234-5678,1,20,1,1\n"
    dry = await send(profile, bad, dry_run=True)
    assert dry.status_code == 200
    assert (dry.json()["accepted"], dry.json()["refused"]) == (2, 2)
    assert [(each["line"], each["column"]) for each in dry.json()["problems"]] == [(4, "cell_size"), (5, "prefecture")]
    answer = await send(profile, bad)
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == ["lines.4.cell_size", "lines.5.prefecture"]
    assert await cells(profile) == [("東京都", 120), ("大阪府", 10)]
    line = {"segment": "buyer", "prefecture": "奈良県", "household": "3", "cell_size": 15, "spend": 1, "alone": 0}
    for _ in range(2):  # a whole file takes the place of the former one, as often as it is sent
        answer = await send(profile, json.dumps(line), kind="application/x-ndjson; charset=utf-8")
        assert answer.status_code == 200, answer.text
        assert await cells(profile) == [("奈良県", 15)]
    for content, kind, field in [
        ("", "text/csv", "body"),
        (FILE, "application/json", "Content-Type"),
        ("customer_id\n1\n", "text/csv", "body"),
        ("", "application/x-ndjson", "body"),
    ]:
        answer = await send(profile, content, kind=kind)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)
    assert await cells(profile) == [("奈良県", 15)]


async def test_spreadsheets_and_departments_files_are_read(profile_at_rest: RunningService) -> None:
    await prepare(profile_at_rest)
    written = (
        '\ufeffsegment,prefecture,household,cell_size,spend,alone\r\nbuyer,"京都, 府",1,10,,1,,\r\n\r\nbuyer,奈良県'
    )
    answer = (await send(profile_at_rest, written, dry_run=True)).json()
    assert [(each["line"], each["column"]) for each in answer["problems"]] == [(4, "line")]
    assert (answer["lines"], answer["accepted"]) == (2, 1)
    japanese = FILE.encode("cp932")
    for kind in ("text/csv", "text/csv; charset=Shift_JIS"):
        assert (await send(profile_at_rest, japanese, kind=kind)).status_code == 200
        assert await cells(profile_at_rest) == [("東京都", 120), ("大阪府", 10)]
    answer = await send(profile_at_rest, japanese, kind="text/csv; charset=utf-8")
    assert answer.status_code == 422
    assert {error["field"] for error in answer.json()["errors"]} == {"lines.2.line", "lines.3.line"}
    answer = await send(profile_at_rest, FILE, kind="text/csv; charset=utf-16")
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "Content-Type")
    answer = await send(profile_at_rest, FILE + "buyer,東京都,1,99,1,1\n", dry_run=True)
    assert [each["detail"] for each in answer.json()["problems"]] == ["Line 2 is of the same segment and dimensions."]
    for content in (b"\xff\xfe", b"segment,cell_size\n", b"segment,segment,cell_size,prefecture,household,alone\n"):
        answer = await send(profile_at_rest, content)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "body")


def many_lines(count: int) -> bytes:
    """A file of as many different cells."""
    lines = (f"buyer,東京都,{number},{10 + number % 90},{number % 9999},0.5\n" for number in range(count))
    return (FILE.splitlines()[0] + "\n" + "".join(lines)).encode()


async def test_a_large_file_is_taken_also_compressed_and_all_of_it_or_nothing(profile_at_rest: RunningService) -> None:
    profile, count = profile_at_rest, 40_000
    await prepare(profile)
    file = many_lines(count)
    assert len(file) > profile.service.settings.max_body_bytes
    answer = await send(profile, file, dry_run=True)
    assert (answer.status_code, answer.json()["accepted"]) == (200, count)
    assert await cells(profile) == [("東京都", 120), ("大阪府", 10)], "a dry run changes nothing"
    bad = await send(profile, file + b"buyer,090-1234-5678,1,20,1,1\n")
    assert (bad.status_code, bad.json()["errors"][0]["field"]) == (422, f"lines.{count + 2}.prefecture")
    repeated = await send(profile, file + file.splitlines()[1] + b"\n")
    assert repeated.json()["errors"] == [
        {"field": f"lines.{count + 2}.segment", "detail": "Line 2 is of the same segment and dimensions."}
    ]
    assert await cells(profile) == [("東京都", 120), ("大阪府", 10)]
    parts = gzip.compress(file[:1_000_000], 1) + gzip.compress(file[1_000_000:], 1)  # members one after the other
    answer = await send(profile, parts, encoding="gzip")
    assert (answer.status_code, answer.json()["accepted"]) == (200, count)
    assert (await ask(profile, "GET", "/v1/insights/panel")).json()["cells"] == count


@pytest.mark.parametrize("kind", ["text/csv", "application/x-ndjson"])
async def test_labels_are_kept_as_they_are_written(profile_at_rest: RunningService, kind: str) -> None:
    labels = ['a"b', "a\\b", "a\\tb", "%s", "{}", "'", "東京都", "a,b"]
    rows = [("buyer", label, str(number), 10, 1.5, None) for number, label in enumerate(labels)]
    names = FILE.splitlines()[0].split(",")
    text = StringIO()
    if kind == "text/csv":
        csv.writer(text).writerows([names, *rows])
    else:
        text.writelines(json.dumps(dict(zip(names, row, strict=True))) + "\n" for row in rows)
    await prepare(profile_at_rest)
    assert (await send(profile_at_rest, text.getvalue(), kind=kind)).status_code == 200
    assert await cells(profile_at_rest) == [(label, 10) for label in labels]


async def test_what_is_too_large_or_broken_is_refused_and_no_other_route_takes_more(
    environment: Environment,
) -> None:
    async with running(build, Settings, environment, workers=False, insight_file_bytes=2_000_000) as profile:
        await prepare(profile)
        bomb = gzip.compress(b"0" * 50_000_000)
        assert len(bomb) < 100_000
        for content, encoding, status in [
            (b"x" * 2_000_001, "", 413),
            (bomb, "gzip", 413),
            (FILE.encode(), "gzip", 422),
            (gzip.compress(FILE.encode())[:-5], "gzip", 422),
            (FILE.encode(), "br", 422),
        ]:
            answer = await send(profile, content, encoding=encoding)
            assert answer.status_code == status, answer.text
        for path in ("/v1/insights/panel", "/v1/insights/panel:import/", "/v1/segments/buyer"):
            answer = await ask(profile, "PUT", path, content=b"x" * 1_100_000)
            assert answer.status_code == 413, path
        assert await cells(profile) == [("東京都", 120), ("大阪府", 10)]


async def test_memory_does_not_grow_with_the_file(profile_at_rest: RunningService) -> None:
    await prepare(profile_at_rest)

    async def peak(count: int) -> int:
        with TemporaryFile() as file:
            file.write(many_lines(count))
            file.seek(0)
            async with profile_at_rest.database.transaction() as session:
                tracemalloc.start()
                try:
                    await import_cells(session, "panel", file, "csv", encoding=None, dry_run=True, by="x", now=START)
                    return tracemalloc.get_traced_memory()[1]
                finally:
                    tracemalloc.stop()

    await peak(1000)
    assert await peak(18_000) < 2 * await peak(3000)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"dimensions": ["customer_id"]}, "dimensions.0"),
        ({"dimensions": ["prefecture", "email"]}, "dimensions.1"),
        ({"dimensions": ["spend"]}, "measures.0.name"),
        ({"dimensions": ["segment"]}, "dimensions.0"),
        ({"measures": [{"name": "phone", "kind": "integer", "unit": "x"}]}, "measures.0.name"),
        ({"segment_keys": ["buyer", "nobody"]}, "segment_keys.1"),
        ({"minimum_cell_size": 9}, "minimum_cell_size"),
        ({"expires_at": "2026-11-20T03:00:00Z"}, "expires_at"),
        ({"hypothesis": ""}, "hypothesis"),
        ({"customer_id": "x"}, "customer_id"),
    ],
)
async def test_a_description_that_does_not_fit_is_refused(
    profile_at_rest: RunningService, wrong: dict[str, Any], field: str
) -> None:
    await prepare(profile_at_rest)
    answer = await ask(profile_at_rest, "PUT", "/v1/insights/other", json=PANEL | wrong)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field


async def test_versions_and_shapes(profile_at_rest: RunningService) -> None:
    profile = profile_at_rest
    await prepare(profile)
    first = await ask(profile, "GET", "/v1/insights/panel")
    again = await ask(profile, "PUT", "/v1/insights/panel", json=PANEL)
    assert (again.status_code, again.headers["etag"]) == (200, first.headers["etag"])
    changed = await ask(profile, "PUT", "/v1/insights/panel", json=PANEL | {"minimum_cell_size": 100})
    assert changed.json()["revision"] == 2
    assert await cells(profile) == [("東京都", 120)]
    old = await ask(profile, "PUT", "/v1/insights/panel", json=PANEL, headers={"If-Match": first.headers["etag"]})
    assert old.status_code == 412
    other = await ask(profile, "PUT", "/v1/insights/panel", json=PANEL | {"dimensions": ["prefecture"]})
    assert (other.status_code, other.json()["errors"][0]["field"]) == (409, "dimensions")
    assert [row["key"] for row in (await ask(profile, "GET", "/v1/insights")).json()["items"]] == ["panel"]
    assert (await ask(profile, "DELETE", "/v1/insights/panel")).status_code == 204
    assert (await ask(profile, "GET", "/v1/insights/panel")).status_code == 404


async def test_after_its_end_it_is_not_served_and_goes(profile: RunningService) -> None:
    await prepare(profile)
    profile.clock.advance(timedelta(days=132))
    assert await cells(profile) == []
    dataset = (await ask(profile, "GET", "/v1/insights/panel")).json()
    assert (dataset["status"], dataset["licence"]) == ("expired", PANEL["licence"])
    assert (await send(profile, FILE)).status_code == 410
    sweeper = next(worker for worker in profile.service.workers if worker.name == "insights")
    sweeper.wake()  # type: ignore[attr-defined]  # a PeriodicWorker
    while (await ask(profile, "GET", "/v1/insights/panel")).json()["cells"]:
        pass


async def test_who_reads_it_is_known(profile_at_rest: RunningService) -> None:
    profile = profile_at_rest
    await prepare(profile)
    token = profile.token("insights:read", department="store-planning")
    await ask(profile, "GET", "/v1/segments/buyer/insights", headers={"Authorization": f"Bearer {token}"})
    answer = await ask(profile, "GET", "/v1/insights/panel/reads", "privacy:read")
    (read,) = answer.json()["items"]
    assert (read["read_by"], read["department"]) == ("kizuna/tester", "store-planning")
    assert (await ask(profile, "GET", "/v1/insights/panel/reads")).status_code == 403
    assert (await ask(profile, "GET", "/v1/segments/buyer/insights", "profile:read")).status_code == 403
    assert (await ask(profile, "PUT", "/v1/insights/panel", "insights:read", json=PANEL)).status_code == 403


PERSONAL = {
    "customer_id",
    "customer_ids",
    "anchor_id",
    "anchor_ids",
    "former_customer_ids",
    "email",
    "phone",
    "user_id",
}


def schemas_of(document: dict[str, Any], node: Any, seen: set[str]) -> set[str]:
    """Names of the schemas that a part of the document leads to."""
    if isinstance(node, dict):
        name = str(node.get("$ref", "")).rsplit("/", 1)[-1]
        if name and name not in seen:
            seen.add(name)
            schemas_of(document, document["components"]["schemas"][name], seen)
        for value in node.values():
            schemas_of(document, value, seen)
    elif isinstance(node, list):
        for value in node:
            schemas_of(document, value, seen)
    return seen


def fields_of(node: Any) -> set[str]:
    """Names of all properties and parameters in a part of the document."""
    if isinstance(node, list):
        return set().union(*map(fields_of, node))
    if not isinstance(node, dict):
        return set()
    named = {node["name"]} if "in" in node and isinstance(node.get("name"), str) else set()
    properties = node.get("properties")
    return named | (set(properties) if isinstance(properties, dict) else set()) | fields_of(list(node.values()))


def test_no_endpoint_joins_insights_or_exports_to_a_customer() -> None:
    document = json.loads((Path(__file__).parents[2] / "openapi.json").read_text())
    schemas, found = document["components"]["schemas"], 0
    for path, item in document["paths"].items():
        for operation in item.values():
            reached = schemas_of(document, operation, set())
            fields = fields_of(operation) | set().union(*(fields_of(schemas[name]) for name in reached))
            if any(name.startswith(("Insight", "SegmentInsights", "Anonymised")) for name in reached):
                found += 1
                assert not fields & PERSONAL, path
                assert "{customer_id}" not in path
            elif fields & PERSONAL or "{customer_id}" in path:
                assert "insight" not in path
                assert "anonymised" not in path
    assert found >= 9


def test_no_table_of_them_has_a_customer_and_no_other_statement_reads_them() -> None:
    tables = [table for name, table in Base.metadata.tables.items() if name.startswith(("insight_", "anonymised_"))]
    assert len(tables) == 4
    assert not PERSONAL & {column.name for table in tables for column in table.columns}
    source = Path(profile_service.__file__).parent
    readers = {
        path.relative_to(source).as_posix()
        for path in [*source.rglob("*.py"), *source.rglob("*.sql")]
        if "insight_cells" in path.read_text()
    }
    assert readers == {"models/insights.py", "repository/insights.py"}
    statements = (source / "repository/insights.py").read_text()
    assert not any(table in statements for table in ("customers ", "segment_memberships", "events", "FROM traits"))
