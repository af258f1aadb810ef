"""A list brought to identity, held against a small HTTP server that takes pieces as identity does."""

import gzip
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from kizuna_local import uploads
from kizuna_local.__main__ import main
from kizuna_local.home import Home
from kizuna_local.testing import Launcher

SAMPLE = [
    {"type": "track", "event": "Bought", "identifiers": ["card"], "traits": {}, "properties": {"revenue": "number"}}
]
LIST = "会員番号,氏名\n" + "".join(f"{number},花子\n" for number in range(100))


class Imports(BaseHTTPRequestHandler):
    """Announce, append at the right offset only, start, look. `trouble` is what happens to the next pieces."""

    announced: ClassVar[list[dict[str, Any]]] = []
    content: ClassVar[bytearray] = bytearray()
    trouble: ClassVar[list[str]] = []
    started: ClassVar[bool] = False

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path.endswith(":start"):
            type(self).started = True
            return self._answer(202, {})
        self.announced.append(json.loads(body))
        if self.announced[-1]["source_id"] == "nobody":
            return self._answer(422, {"detail": "There is no source nobody.", "errors": []})
        return self._answer(201, {"import_id": "i1"})

    def do_PUT(self) -> None:
        piece = gzip.decompress(self.rfile.read(int(self.headers["Content-Length"])))
        offset, trouble = int(self.path.rpartition("=")[2]), self.trouble.pop(0) if self.trouble else ""
        if offset != len(self.content):
            return self._answer(409, {"detail": f"The next offset is {len(self.content)}."})
        if trouble == "down":
            return self._answer(503, {})
        self.content.extend(piece)
        # the piece was taken, its answer is lost
        return self._answer(500, {}) if trouble == "lost" else self._answer(200, {"size": len(self.content)})

    def do_GET(self) -> None:
        if "/lines" in self.path:
            # two pages, one line each
            line = 8 if "after=next" in self.path else 7
            items = [{"line": line, "field": "メール", "detail": "Nothing is left."}]
            return self._answer(200, {"items": items, "next": "next" if line == 7 else None})
        counts: dict[str, Any] = {"lines_read": 101, "accepted": 99, "repeated": 9, "rejected": 1, "problem": None}
        counts |= {"bytes_read": len(self.content), "sample": SAMPLE}
        return self._answer(
            200, {"size": len(self.content), "state": "done" if self.started else "uploading", **counts}
        )

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def imports(home: Home, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Imports]]:
    Imports.announced, Imports.content, Imports.trouble, Imports.started = [], bytearray(), [], False
    server = ThreadingHTTPServer(("127.0.0.1", 0), Imports)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    home.prepare()
    address = f"http://127.0.0.1:{server.server_port}"
    home.credentials_file.write_text(json.dumps({"identity": address, "token": "t"}))
    monkeypatch.setenv("KIZUNA_HOME", str(home.root))
    monkeypatch.setattr(uploads, "PIECE_BYTES", 200)
    yield Imports
    server.shutdown()
    server.server_close()


@pytest.fixture
def members(tmp_path: Path) -> Path:
    file = tmp_path / "members.csv"
    file.write_bytes(LIST.encode("cp932"))
    return file


OPTIONS = ["--source", "shop", "--mapping", "会員番号=user_id", "--mapping", "氏名=traits.name"]


def test_a_file_is_brought_through_trouble_and_told_about(
    imports: type[Imports], members: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    imports.trouble = ["", "lost", "down", ""]
    assert main(["import", str(members), *OPTIONS]) == 0
    assert bytes(imports.content) == members.read_bytes()
    [announced] = imports.announced
    assert announced["mapping"] == {"会員番号": "user_id", "氏名": "traits.name"}
    assert announced.keys() == {"source_id", "format", "mapping", "as_of"}
    assert (announced["format"], announced["source_id"]) == ("csv", "shop")
    assert "done: 101 lines read, 99 taken (9 of them before), 1 not" in (said := capsys.readouterr().out)
    assert "line 7 メール: Nothing is left." in said


def test_events_are_brought_with_types_and_constants(
    imports: type[Imports], members: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings, rejected = tmp_path / "orders.json", tmp_path / "rejected.csv"
    said = {"source_id": "shop", "kind": "events", "mapping": {"a=b": "record_id"}, "time_zone": "UTC"}
    settings.write_text(json.dumps(said | {"constants": {"properties.shop": "渋谷"}}))
    options = [
        "--mapping",
        "金額=properties.revenue:number",
        "--mapping",
        "会員=external_ids.card:1",
        "--event",
        "Bought",
    ]
    more = [
        "--constant",
        "properties.currency=JPY",
        "--constant",
        "properties.count=1",
        "--constant",
        'properties.x="1"',
    ]
    written = ["--settings", str(settings), "--time-zone", "Asia/Tokyo", "--dry-run", "--rejected", str(rejected)]
    assert main(["import", str(members), *options, *more, *written]) == 0
    [announced] = imports.announced
    assert announced.pop("as_of")
    assert announced == {
        "source_id": "shop", "kind": "events", "format": "csv", "time_zone": "Asia/Tokyo", "dry_run": True,
        "mapping": {
            "a=b": "record_id", "金額": {"to": "properties.revenue", "type": "number"}, "会員": "external_ids.card:1",
        },
        "constants": {
            "event": "Bought", "properties.shop": "渋谷", "properties.currency": "JPY", "properties.count": 1,
            "properties.x": "1",
        },
    }  # fmt: skip
    assert "would be Bought of card: revenue (number)" in capsys.readouterr().out
    assert rejected.read_text().splitlines() == [
        "line,column,detail", "7,メール,Nothing is left.", "8,メール,Nothing is left.",
    ]  # fmt: skip


def test_columns_with_several_elements_are_said(imports: type[Imports], members: Path) -> None:
    mapped = [
        "a=user_id",
        "b=properties.tags:list(|)",
        "c=traits.x:y:list( ; ):number",
        "d=traits.x:list:number",
        "e=traits.y:list",
    ]
    options = [part for each in mapped for part in ("--mapping", each)]
    assert main(["import", str(members), "--source", "shop", *options]) == 0
    assert imports.announced[0]["mapping"] == {
        "a": "user_id",
        "b": {"to": "properties.tags", "type": "list", "separator": "|"},
        "c": {"to": "traits.x:y", "type": "list", "separator": " ; ", "elements": "number"},
        "d": {"to": "traits.x", "type": "list", "elements": "number"},
        "e": {"to": "traits.y", "type": "list"},
    }


def test_an_interrupted_upload_goes_on(imports: type[Imports], members: Path) -> None:
    imports.content.extend(members.read_bytes()[:333])
    assert main(["import", str(members), "--resume", "i1"]) == 0
    assert bytes(imports.content) == members.read_bytes()
    assert imports.announced == []


def test_a_packed_file_is_brought_unpacked(imports: type[Imports], tmp_path: Path) -> None:
    file = tmp_path / "members.ndjson.gz"
    file.write_bytes(gzip.compress(b'{"id": 1}\n'))
    assert main(["import", str(file), "--source", "shop", "--mapping", "id=user_id"]) == 0
    assert bytes(imports.content) == b'{"id": 1}\n'
    assert imports.announced[0]["format"] == "ndjson"


def test_what_is_wrong_is_said_in_a_sentence(
    imports: type[Imports], members: Path, launcher: Launcher, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["import", str(members)]) == 1
    assert "--source" in capsys.readouterr().err
    assert main(["import", str(members), "--source", "shop", "--mapping", "user_id"]) == 1
    assert "COLUMN=TARGET" in capsys.readouterr().err
    assert main(["import", str(members), "--source", "shop", "--mapping", "a=properties.revenue:nummber"]) == 1
    assert "nummber is no type" in capsys.readouterr().err
    assert main(["import", str(members), "--source", "shop", "--mapping", "a=properties.tags:list(|):date"]) == 1
    assert "text or number" in capsys.readouterr().err
    assert main(["import", str(members), "--settings", str(members)]) == 1
    assert "members.csv" in capsys.readouterr().err
    assert main(["import", str(members), "--source", "nobody", "--mapping", "a=user_id"]) == 1
    assert "There is no source nobody." in capsys.readouterr().err
    missing = launcher("import", str(members.with_name("none.csv")), *OPTIONS)
    assert (missing.returncode, "none.csv" in missing.stderr) == (1, True)
