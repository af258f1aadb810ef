"""Lists of customers and of id syncs: received in pieces, read by a job, told about line by line."""

import asyncio
import gzip
import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from services.identity.tests.integration.conftest import NOW, Sender, make_sender

from identity_service.app import build
from identity_service.ids import derived_id
from identity_service.repository import imports as repository
from identity_service.service.imports import message_id
from identity_service.settings import Settings
from servicekit.clock import FrozenClock
from servicekit.testing import Environment, RunningService, running

MAPPING = {
    "会員番号": "user_id",
    "氏名": "traits.name",
    "メール": "traits.email",
    "電話": "traits.phone",
    "備考": "ignore",
}
HEADER = "会員番号,氏名,メール,電話,備考"


class Files:
    """What a department does to have a list imported."""

    def __init__(self, service: RunningService) -> None:
        self.client = service.client
        self.headers = service.headers()
        self.service = service

    async def announce(self, **values: Any) -> str:
        body = {"source_id": "shop", "format": "csv", "mapping": MAPPING, "as_of": NOW.isoformat()} | values
        answer = await self.client.post("/v1/imports", json=body, headers=self.headers)
        assert answer.status_code == 201, answer.text
        import_id: str = answer.json()["import_id"]
        return import_id

    async def put(self, import_id: str, content: bytes, *, offset: int = 0, encoding: str = "") -> Any:
        return await self.client.put(
            f"/v1/imports/{import_id}/content",
            params={"offset": offset},
            content=content,
            headers=self.headers | ({"Content-Encoding": encoding} if encoding else {}),
        )

    async def start(self, import_id: str) -> Any:
        return await self.client.post(f"/v1/imports/{import_id}:start", headers=self.headers)

    async def get(self, import_id: str) -> dict[str, Any]:
        answer: dict[str, Any] = (await self.client.get(f"/v1/imports/{import_id}", headers=self.headers)).json()
        return answer

    async def ended(self, import_id: str, *, seconds: float = 30) -> dict[str, Any]:
        async with asyncio.timeout(seconds):
            while (found := await self.get(import_id))["state"] in {"queued", "running"}:  # noqa: ASYNC110 - as a client waits
                await asyncio.sleep(0.02)
        return found

    async def load(self, content: bytes, **values: Any) -> dict[str, Any]:
        """Import a small file from beginning to end; return it when it has ended and is resolved."""
        import_id = await self.announce(**values)
        assert (await self.put(import_id, content)).status_code == 200
        assert (await self.start(import_id)).status_code == 202
        found = await self.ended(import_id)
        await self.service.drain()
        return found

    async def lines(self, import_id: str, state: str = "rejected", first: int = 100) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        after: str | None = None
        while True:
            params: dict[str, str | int] = {"state": state, "first": first}
            if after is not None:
                params["after"] = after
            page = (await self.client.get(f"/v1/imports/{import_id}/lines", params=params, headers=self.headers)).json()
            found += page["items"]
            after = page["next"]
            if after is None:
                return found


@pytest.fixture
def files(identity: RunningService, shop: Sender) -> Files:
    """Imports of the shop, read and resolved as they come."""
    return Files(identity)


@pytest.fixture
async def desk(front_door: RunningService) -> Files:
    """Imports of the shop, with nobody reading them."""
    await make_sender(front_door, "shop")
    return Files(front_door)


async def fetch(service: RunningService, statement: str, *values: object) -> list[asyncpg.Record]:
    connection: asyncpg.Connection = await service.database.connect()
    try:
        rows: list[asyncpg.Record] = await connection.fetch(statement, *values)
        return rows
    finally:
        await connection.close()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp932"])
async def test_a_japanese_list_becomes_customers(identity: RunningService, files: Files, encoding: str) -> None:
    first = '1,髙﨑 花子,hanako@example.jp,03-1234-5678,"一行目\r\n二行目"'
    text = f"{HEADER}\r\n{first}\r\n2,表 太郎,taro@example.jp,,\r\n"
    found = await files.load(text.encode(encoding))
    assert (found["state"], found["accepted"], found["rejected"], found["lines_read"]) == ("done", 2, 0, 4)
    assert found["bytes_read"] == found["size"] == len(text.encode(encoding))
    rows = await fetch(identity, "SELECT namespace, value FROM identifiers ORDER BY namespace, value")
    assert [tuple(row) for row in rows] == [
        ("email", "hanako@example.jp"),
        ("email", "taro@example.jp"),
        ("phone", "+81312345678"),
        ("user_id", "1"),
        ("user_id", "2"),
    ]
    [row] = await fetch(identity, "SELECT count(*) FROM import_chunks")
    assert row["count"] == 0  # the file is not kept
    lines = await files.lines(found["import_id"], "accepted")
    assert [line["line"] for line in lines] == [2, 4]
    asked = {"identifiers": [{"namespace": "user_id", "value": value} for value in ("1", "2")]}
    whose = await identity.client.post("/v1/identifiers:batchLookup", json=asked, headers=files.headers)
    assert [one["customer_id"] for one in lines] == [one["customer_id"] for one in whose.json()["identifiers"]]


async def test_broken_lines_are_named_and_the_others_taken(identity: RunningService, files: Files) -> None:
    lines = [
        HEADER,
        "1,a,a@example.jp,,",
        "2,b,nonsense,,",
        "3,c",
        ',d,,"",',
        "4,\N{NULL},,,",
        "5,e,,abc,",
        '6,"f,,,',
        "7,g,g@example.jp,,",
        "null,h,,,",
    ]
    content = "\n".join(lines).encode() + b"\n8,\xff\xff,,,\n9,i,,,"
    found = await files.load(content, encoding="utf-8")
    assert (found["state"], found["accepted"], found["rejected"]) == ("done", 3, 8)
    rejected = await files.lines(found["import_id"], first=3)
    assert [(one["line"], one["field"]) for one in rejected] == [
        (3, "メール"), (4, ""), (5, ""), (6, "氏名"), (7, "電話"), (8, ""), (10, ""), (11, ""),
    ]  # fmt: skip
    assert all(one["detail"] and one["customer_id"] is None for one in rejected)
    assert not any("nonsense" in one["detail"] for one in rejected)
    assert [one["line"] for one in await files.lines(found["import_id"], "accepted")] == [2, 9, 12]
    rows = await fetch(identity, "SELECT value FROM identifiers WHERE namespace = 'user_id' ORDER BY value")
    assert [row["value"] for row in rows] == ["1", "7", "9"]


@pytest.mark.parametrize("number", [50_000, pytest.param(1_000_000, marks=pytest.mark.slow)])
async def test_one_broken_line_in_a_large_file(identity: RunningService, files: Files, number: int) -> None:
    import_id = await files.announce(dry_run=True)
    offset = 0
    for first in range(0, number, 10_000):
        rows = [f'{row},"n {row}",c{row}@example.jp,,' for row in range(first, first + 10_000)]
        if first == 30_000:
            rows[1_416] = '31416,"open,c@example.jp,,'
        piece = "\n".join([*([HEADER] if first == 0 else []), *rows, ""]).encode("cp932")
        answer = await files.put(import_id, gzip.compress(piece, 1), offset=offset, encoding="gzip")
        offset = answer.json()["size"]
    await files.start(import_id)
    found = await files.ended(import_id, seconds=1200)
    assert (found["accepted"], found["rejected"], found["lines_read"]) == (number - 1, 1, number + 1)
    [rejected] = await files.lines(import_id)
    assert rejected["line"] == 31_418
    [row] = await fetch(identity, "SELECT count(*) FROM identifiers")
    assert row["count"] == 0  # a dry run says everything and changes nothing


async def test_an_upload_goes_on_where_it_stopped(desk: Files) -> None:
    import_id, content = await desk.announce(), HEADER.encode() + b"\n1,a,,,\n"
    assert (await desk.put(import_id, content[:10])).json()["size"] == 10
    again = await desk.put(import_id, content[:10])
    assert again.status_code == 409
    assert "next offset is 10" in again.json()["detail"]
    assert [error["field"] for error in again.json()["errors"]] == ["offset"]
    assert (await desk.put(import_id, content[20:], offset=20)).status_code == 409
    assert (await desk.put(import_id, content[10:], offset=10)).json()["size"] == len(content)
    assert (await desk.get(import_id))["size"] == len(content)
    assert (await desk.start(import_id)).json()["state"] == "queued"
    assert (await desk.start(import_id)).status_code == 202
    assert (await desk.put(import_id, b"x", offset=len(content))).status_code == 409
    [row] = await fetch(desk.service, "SELECT count(*) FROM jobs")
    assert row["count"] == 1


async def test_content_that_is_no_gzip_or_too_much_is_refused(desk: Files) -> None:
    import_id = await desk.announce()
    bomb = gzip.compress(b"\0" * (9 * 1024 * 1024))
    assert (await desk.put(import_id, b"no gzip", encoding="gzip")).status_code == 422
    assert (await desk.put(import_id, gzip.compress(b"cut")[:-3], encoding="gzip")).status_code == 422
    assert (await desk.put(import_id, bomb, encoding="gzip")).status_code == 413
    assert (await desk.put(import_id, b"\0" * (9 * 1024 * 1024))).status_code == 413
    assert (await desk.put(import_id, b"x", encoding="br")).status_code == 422
    assert (await desk.get(import_id))["size"] == 0
    assert (await desk.start(import_id)).status_code == 409
    unknown = "00000000-0000-7000-8000-000000000000"
    assert (await desk.put(unknown, b"x")).status_code == 404
    assert (await desk.start(unknown)).status_code == 404


async def test_a_file_larger_than_allowed_is_refused(environment: Environment) -> None:
    async with running(build, Settings, environment, workers=False, import_max_bytes=15) as service:
        await make_sender(service, "shop")
        desk = Files(service)
        import_id = await desk.announce()
        assert (await desk.put(import_id, b"0123456789")).status_code == 200
        assert (await desk.put(import_id, b"0123456789", offset=10)).status_code == 413


BAD: list[tuple[dict[str, Any], str]] = [
    ({"source_id": "nobody"}, "source_id"),
    ({"mapping": {"a": "userid"}}, "mapping.a"),
    ({"mapping": {"a": "external_ids.unheard"}}, "mapping.a"),
    ({"mapping": {"a": "sha256.user_id"}}, "mapping.a"),
    ({"mapping": {"a": "user_id", "b": "user_id"}}, "mapping.b"),
    ({"mapping": {"a": "traits.name"}}, "mapping"),
    ({"mapping": {"a": "user_id", "b": "traits."}}, "mapping.b"),
    ({"mapping": {"a": "user_id", "b": "ignore"}, "kind": "id_syncs"}, "mapping"),
    ({"mapping": {"a": "user_id", "b": "traits.email"}, "kind": "id_syncs"}, "mapping.b"),
    ({"mapping": {}}, "mapping"),
    ({"purposes": ["ads"]}, "purposes"),
    ({"as_of": None}, "as_of"),
    ({"encoding": "utf-16"}, "encoding"),
]


@pytest.mark.parametrize(("change", "field"), BAD)
async def test_an_import_that_makes_no_sense_is_refused(desk: Files, change: dict[str, Any], field: str) -> None:
    body = {"source_id": "shop", "format": "csv", "mapping": MAPPING, "as_of": NOW.isoformat()} | change
    answer = await desk.client.post("/v1/imports", json=body, headers=desk.headers)
    assert answer.status_code == 422, answer.text
    assert field in [error["field"] for error in answer.json()["errors"]]
    assert (await desk.client.get("/v1/imports", headers=desk.headers)).json()["items"] == []


@pytest.mark.parametrize(
    ("content", "named"),
    [("会員番号,氏名\n1,a\n", "メール"), ('"会員番号\n', "first line"), (f"{HEADER},メール\n", "twice")],
)
async def test_a_file_without_its_columns_fails_and_says_why(files: Files, content: str, named: str) -> None:
    found = await files.load(content.encode())
    assert (found["state"], found["accepted"]) == ("failed", 0)
    assert named in found["problem"]


async def test_ndjson_with_all_kinds_of_columns(identity: RunningService, files: Files) -> None:
    await identity.client.put("/v1/namespaces/card", json={"priority": 9}, headers=files.headers)
    mapping = {
        "id": "user_id", "device": "anonymous_id", "card": "external_ids.card", "city": "traits.address.city",
        "at": "occurred_at", "plan": "traits.plan",
    }  # fmt: skip
    records: list[Any] = [
        {
            "id": 1,
            "device": "d",
            "card": "0077",
            "city": "大阪市",
            "at": "2025/04/01",
            "plan": {"name": "gold"},
            "other": 1,
        },
        {"id": None, "card": "0078", "at": "2025-04-01T09:00:00+09:00"},
        {"id": {"a": 1}},
        {"id": 3, "at": "someday"},
        {"id": 4, "card": True},
    ]
    content = "\n".join(json.dumps(one, ensure_ascii=False) for one in records).encode()
    found = await files.load(content, format="ndjson", mapping=mapping)
    assert (found["accepted"], found["rejected"]) == (2, 3)
    assert [(one["line"], one["field"]) for one in await files.lines(found["import_id"])] == [
        (3, "id"), (4, "at"), (5, "card"),
    ]  # fmt: skip
    rows = await fetch(identity, "SELECT namespace, value FROM identifiers ORDER BY 1, 2")
    assert [tuple(row) for row in rows] == [
        ("anonymous_id", "d"), ("card", "0077"), ("card", "0078"), ("user_id", "1"),
    ]  # fmt: skip


async def test_a_list_of_id_syncs(identity: RunningService, files: Files) -> None:
    await identity.client.put("/v1/namespaces/dmp", json={"priority": 9, "outside": True}, headers=files.headers)
    mapping = {"dmp": "external_ids.dmp", "member": "user_id"}
    found = await files.load(b"dmp,member\nd1,1\nd2,\n", kind="id_syncs", mapping=mapping, purposes=["crm"])
    assert (found["accepted"], found["rejected"]) == (1, 1)
    [link] = await fetch(identity, "SELECT rule, purposes FROM links")
    assert (link["rule"], link["purposes"]) == ("id_sync", ["crm"])


async def test_lines_are_read_by_who_takes_over_after_a_crash(
    environment: Environment, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The crash comes after a stretch is in the event log and before that is known: it goes there again."""
    rows = 3_000
    content = "\n".join([HEADER, *(f"{row},n,c{row}@example.jp,," for row in range(rows))]).encode()
    settings: dict[str, Any] = {"clock": clock, "import_batch_lines": 100}
    async with running(build, Settings, environment, workers=False, **settings) as first:
        await make_sender(first, "shop")
        files = Files(first)
        import_id = await files.announce()
        await files.put(import_id, content)
        await files.start(import_id)
        url = first.database.url
        for stretches in (0, 1, 7):
            await _crash_after(environment, url, monkeypatch, stretches=stretches, **settings)
        assert 0 < (await files.get(import_id))["accepted"] < rows
        async with running(build, Settings, environment, database_url=url, **settings) as second:
            found = await Files(second).ended(import_id)
            await second.drain()
            assert (found["state"], found["accepted"], found["rejected"]) == ("done", rows, 0)
            [row] = await fetch(
                second,
                "SELECT count(*) AS customers, (SELECT accepted FROM ingest_totals) AS accepted, "
                "(SELECT duplicates FROM ingest_totals) AS duplicates FROM customers",
            )
            assert tuple(row) == (rows, rows, 0)
            lines = await Files(second).lines(import_id, "accepted", first=1000)
            assert [one["line"] for one in lines] == list(range(2, rows + 2))
            assert all(one["customer_id"] for one in lines)


async def _crash_after(
    environment: Environment, url: str, monkeypatch: pytest.MonkeyPatch, *, stretches: int, **settings: Any
) -> None:
    """Run a worker that dies when it is about to commit one more stretch than that."""
    died, seen = asyncio.Event(), 0

    async def die(*_: object, **__: object) -> None:
        nonlocal seen
        seen += 1
        if seen > stretches:
            died.set()
            await asyncio.Event().wait()
        await save_batch(*_, **__)  # type: ignore[arg-type]

    save_batch = repository.save_batch
    with monkeypatch.context() as patch:
        patch.setattr(repository, "save_batch", die)
        async with running(build, Settings, environment, database_url=url, **settings):
            await asyncio.wait_for(died.wait(), 20)


async def test_a_cancelled_import_keeps_nothing_of_its_file(
    desk: Files, eventually: Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]
) -> None:
    uploading, queued, by_job = [await desk.announce() for _ in range(3)]
    for import_id in (uploading, queued, by_job):
        await desk.put(import_id, HEADER.encode())
    for import_id in (queued, by_job):
        await desk.start(import_id)
    for import_id in (uploading, queued):
        cancelled = await desk.client.post(f"/v1/imports/{import_id}:cancel", headers=desk.headers)
        assert cancelled.json()["state"] == "cancelled"
    assert (await desk.start(uploading)).status_code == 409
    job_id = (await desk.get(by_job))["job_id"]
    await desk.client.post(f"/v1/jobs/{job_id}:cancel", headers=desk.headers)
    assert (await desk.get(by_job))["state"] == "cancelled"
    abandoned = await desk.announce()
    await desk.put(abandoned, HEADER.encode())
    desk.service.clock.advance(timedelta(days=8))
    settle = next(worker for worker in desk.service.service.workers if worker.name == "settle-imports")
    stop = asyncio.Event()
    working = asyncio.create_task(settle.run(stop))

    async def is_empty() -> bool:
        [row] = await fetch(desk.service, "SELECT count(*) FROM import_chunks")
        return bool(row["count"] == 0)

    await eventually(is_empty)
    stop.set()
    await working
    desk.headers = desk.service.headers()
    page = (await desk.client.get("/v1/imports", params={"first": 3}, headers=desk.headers)).json()
    assert [one["state"] for one in page["items"]] == ["cancelled"] * 3
    assert page["items"][0]["import_id"] == abandoned
    rest = await desk.client.get("/v1/imports", params={"after": page["next"]}, headers=desk.headers)
    assert [one["import_id"] for one in rest.json()["items"]] == [uploading]


def test_message_ids_follow_from_import_and_line() -> None:
    import_id = derived_id("some import")
    assert message_id(import_id, 7) == f"import:{import_id}:7"
