"""Documents brought to a service, held against a small HTTP server that keeps what it is given."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from kizuna_local.documents import Document, compare, read_documents
from kizuna_local.errors import LauncherError
from kizuna_local.home import Home
from kizuna_local.testing import Launcher

DOCUMENTS = """
kind: Source
key: shop
spec: {name: 店舗, department: sales, opened: 2020-04-01}
---
kind: Segment
key: dormant
publish: true
spec:
  name: 休眠
  condition: {kind: not, of: {kind: event, name: Order Completed, days: 180}}
"""


class Service(BaseHTTPRequestHandler):
    """Keeps what is PUT, as every service does: 404, ETag, If-Match, a write key once, :publish."""

    held: ClassVar[dict[str, dict[str, Any]]] = {}
    requests: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        if self.path not in self.held:
            self._answer(404, {"title": "Not found"})
        else:
            self._answer(200, {**self.held[self.path], "version": 1}, etag='"1"')

    def do_PUT(self) -> None:
        self.requests.append(f"PUT {self.path} {self.headers.get('If-Match')}")
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if body.get("name") == "bad":
            problem = {"detail": "That will not do.", "errors": [{"field": "name", "detail": "is bad"}]}
            self._answer(422, problem)
            return
        is_new = self.path not in self.held
        self.held[self.path] = body
        self._answer(201 if is_new else 200, {**body, **({"write_key": "secret"} if is_new else {})})

    def do_POST(self) -> None:
        self.requests.append(f"POST {self.path}")
        self.held[self.path.removesuffix(":publish")]["status"] = "published"
        self._answer(200, {})

    def _answer(self, status: int, body: dict[str, Any], *, etag: str | None = None) -> None:
        if self.headers["Authorization"] != "Bearer t":
            status, body = 401, {"detail": "no token"}
        content = json.dumps(body).encode()
        self.send_response(status)
        if etag:
            self.send_header("ETag", etag)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def service(home: Home) -> Iterator[type[Service]]:
    Service.held, Service.requests = {}, []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    home.prepare()
    credentials = {"identity": url, "profile": url, "token": "t", "write_keys": {"old": "key"}}
    home.credentials_file.write_text(json.dumps(credentials))
    yield Service
    server.shutdown()
    server.server_close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    written = tmp_path / "documents.yaml"
    written.write_text(DOCUMENTS)
    return written


def test_documents_are_created_published_and_then_left_alone(
    launcher: Launcher, service: type[Service], file: Path
) -> None:
    first = launcher("apply", "-f", str(file))
    assert first.returncode == 0, first.stderr
    assert service.requests == [
        "PUT /v1/sources/shop None",
        "PUT /v1/segments/dormant None",
        "POST /v1/segments/dormant:publish",
    ]
    assert service.held["/v1/sources/shop"]["opened"] == "2020-04-01"
    credentials = json.loads(launcher.home.credentials_file.read_text())
    assert credentials["write_keys"] == {"old": "key", "shop": "secret"}

    service.requests.clear()
    second = launcher("apply", "-f", str(file))
    assert second.stdout == "= Source shop\n= Segment dormant\n2 documents, 0 changed.\n"
    assert service.requests == []


def test_of_what_there_is_once_the_path_has_no_key(launcher: Launcher, service: type[Service], file: Path) -> None:
    file.write_text("kind: Policy\nkey: default\nspec: {why: agreed, default: allow}\n")
    assert launcher("apply", "-f", str(file)).stdout.startswith("+ Policy default")
    assert service.requests == ["PUT /v1/policy None"]
    assert launcher("apply", "-f", str(file)).stdout == "= Policy default\n1 documents, 0 changed.\n"


def test_a_change_is_shown_in_a_dry_run_and_made_with_if_match(
    launcher: Launcher, service: type[Service], file: Path
) -> None:
    launcher("apply", "-f", str(file))
    service.requests.clear()
    file.write_text(DOCUMENTS.replace("days: 180", "days: 90"))
    dry = launcher("apply", "--dry-run", "-f", str(file))
    assert "~ Segment dormant" in dry.stdout
    assert "-    days: 180" in dry.stdout
    assert "+    days: 90" in dry.stdout
    assert "1 would be changed" in dry.stdout
    assert service.requests == []
    launcher("apply", "-f", str(file))
    assert service.requests == ['PUT /v1/segments/dormant "1"', "POST /v1/segments/dormant:publish"]


def test_a_refused_document_is_named_with_the_field(launcher: Launcher, service: type[Service], file: Path) -> None:
    file.write_text(DOCUMENTS.replace("休眠", "bad"))
    refused = launcher("apply", "-f", str(file))
    assert refused.returncode == 1
    assert refused.stdout.startswith("+ Source shop")
    assert "document 2: Segment dormant was refused (422): That will not do.; name: is bad" in refused.stderr


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("kind: Source\nkey: a\nspec: {}\nsepc: 1\n", "document 1: unknown field sepc"),
        ("kind: Sauce\nkey: a\nspec: {}\n", "kind is 'Sauce'"),
        ("kind: Source\nspec: {}\n", "key is missing"),
        ("kind: Source\nkey: a\n", "spec is missing"),
        ("kind: Source\nkey: a\nspec: {}\npublish: true\n", "publish is .* only for Segment, Sign, Journey"),
        ("kind: Policy\nkey: ours\nspec: {}\n", "key is 'ours'; there is one Policy only"),
        ("- a\n", "a document is a mapping"),
        ("a: [\n", "is not YAML"),
    ],
)
def test_mistakes_in_a_file_are_found_before_anything_is_sent(tmp_path: Path, content: str, complaint: str) -> None:
    file = tmp_path / "documents.yaml"
    file.write_text(content)
    with pytest.raises(LauncherError, match=complaint):
        read_documents(file)


def test_what_the_service_adds_is_no_difference() -> None:
    document = Document(kind="Segment", key="a", spec={"name": "a", "steps": [{"kind": "wait"}]})
    held = {"name": "a", "steps": [{"kind": "wait", "id": 1}], "version": 3}
    assert compare(document, held).action == "none"
    assert compare(document, {"spec": held}).action == "none"
    assert compare(document, {"definition": held, "version": 3}).action == "none"
    assert compare(document, {**held, "steps": []}).action == "change"
    assert compare(document, None).action == "create"
