"""The mailbox: as a store, and as a process that SMTP and HTTP clients talk to."""

import smtplib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path

import httpx
import pytest

from kizuna_local.home import Home
from kizuna_local.keys import ensure_keys, issue_user_token, jwks_file
from kizuna_local.mailbox.store import MailStore
from kizuna_local.processes import PythonProcess, wait_until
from kizuna_local.testing import free_port_base
from servicekit.clock import SystemClock


@dataclass(frozen=True)
class Mailbox:
    home: Home
    smtp_port: int
    http_port: int
    process: PythonProcess

    def get(self, path: str, *, token: str | None = None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token or self.token('delivery:read')}"}
        return httpx.get(f"http://127.0.0.1:{self.http_port}{path}", headers=headers)

    def token(self, *scopes: str) -> str:
        return issue_user_token(self.home, clock=SystemClock(), scopes=scopes, department="it")

    def start(self) -> None:
        self.process.start()
        wait_until(self._answers, timeout_seconds=30, otherwise="the mailbox does not answer")

    def _answers(self) -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{self.http_port}/readyz").status_code == 200
        except httpx.HTTPError:
            return False


@pytest.fixture
def mailbox(home: Home) -> Iterator[Mailbox]:
    home.prepare()
    ensure_keys(home)
    base = free_port_base()
    environment = {
        "MAILBOX_DIRECTORY": str(home.mailbox),
        "MAILBOX_HOST": "127.0.0.1",
        "MAILBOX_SMTP_PORT": str(base),
        "MAILBOX_HTTP_PORT": str(base + 1),
        "MAILBOX_JWKS_FILE": str(jwks_file(home)),
    }
    process = PythonProcess([sys.executable, "-m", "kizuna_local.mailbox"], environment, home.log_file("mailbox"))
    running = Mailbox(home, base, base + 1, process)
    running.start()
    yield running
    process.stop()


def mail(*, to: str, subject: str, text: str = "お元気ですか") -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "shop@example.jp", to, subject
    message.set_content(text)
    message.add_alternative(f"<p>{text}</p>", subtype="html")
    return message


def test_a_mail_sent_is_listed_and_shown_as_it_was_written(mailbox: Mailbox) -> None:
    with smtplib.SMTP("127.0.0.1", mailbox.smtp_port) as client:
        client.send_message(mail(to="Hana@example.jp", subject="クーポンのご案内"))
        client.send_message(mail(to="taro@example.jp", subject="second"))
    listed = mailbox.get("/messages?recipient=hana@example.jp").json()
    assert listed["total"] == 2
    [summary] = listed["messages"]
    assert (summary["id"], summary["recipients"], summary["subject"]) == (1, ["Hana@example.jp"], "クーポンのご案内")
    shown = mailbox.get("/messages/1").json()
    assert shown["text"] == "お元気ですか\n"
    assert shown["html"] == "<p>お元気ですか</p>\n"
    assert ["Subject", "クーポンのご案内"] in shown["headers"]
    assert b"Hana@example.jp" in mailbox.get("/messages/1/raw").content
    assert [one["id"] for one in mailbox.get("/messages?after=1&limit=5").json()["messages"]] == [2]


def test_only_a_token_with_the_scope_opens_it(mailbox: Mailbox) -> None:
    for path in ("/messages", "/messages/1", "/messages/1/raw"):
        assert httpx.get(f"http://127.0.0.1:{mailbox.http_port}{path}").status_code == 401
        assert mailbox.get(path, token="not.a.token").status_code == 401
        assert mailbox.get(path, token=mailbox.token("profile:read")).status_code == 403


def test_bad_questions_are_answered_with_a_problem(mailbox: Mailbox) -> None:
    for path, status in (("/messages?limit=0", 400), ("/messages?after=x", 400), ("/messages/7", 404)):
        answer = mailbox.get(path)
        assert (answer.status_code, answer.headers["content-type"].split(";")[0]) == (
            status,
            "application/problem+json",
        )


def test_what_was_accepted_survives_a_kill(mailbox: Mailbox) -> None:
    with smtplib.SMTP("127.0.0.1", mailbox.smtp_port) as client:
        for number in range(50):
            client.send_message(mail(to=f"customer{number}@example.jp", subject=f"{number}"))
        assert mailbox.process.pid is not None
        subprocess.run(["kill", "-9", str(mailbox.process.pid)], check=True)
    wait_until(lambda: not mailbox.process.is_running(), timeout_seconds=10, otherwise="it lives")
    mailbox.start()
    assert mailbox.get("/messages?limit=1000").json()["total"] == 50
    assert mailbox.get("/messages?recipient=customer49@example.jp").json()["messages"][0]["subject"] == "49"


def test_a_record_cut_off_is_dropped_and_the_next_takes_its_place(tmp_path: Path) -> None:
    store = MailStore(tmp_path)
    for number in range(3):
        content = f"Subject: {number}\r\n\r\n{{\n".encode()
        store.append(sender="a@example.jp", recipients=["b@example.jp"], received_at="2026-11-21", content=content)
    store.close()
    file = tmp_path / "messages"
    file.write_bytes(file.read_bytes()[:-2])
    reopened = MailStore(tmp_path)
    assert len(reopened) == 2
    number = reopened.append(sender="a", recipients=["B@example.jp"], received_at="2026-11-22", content=b"again")
    assert number == 3
    assert reopened.ids(recipient="b@example.jp", limit=10) == [1, 2, 3]
    again = MailStore(tmp_path).read(3)
    assert again is not None
    assert again.content == b"again"
    assert reopened.read(4) is None
    assert reopened.read(0) is None
