"""The relay as providers offer it: STARTTLS or TLS from the start, with a password."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from delivery_service.smtp import Envelope, SmtpRelay

# aiosmtpd warns of a password without STARTTLS; it does not see that the socket is TLS already
pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for 127.0.0.1, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "relay.test")])
    start = datetime(2020, 1, 1, tzinfo=UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=36500))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "relay.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(built.public_bytes(Encoding.PEM) + private)
    return path


def _authenticate(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
    good = isinstance(data, LoginPassword) and (data.login, data.password) == (b"kizuna", b"p@ss")
    return AuthResult(success=good, handled=True)


@pytest.fixture
async def relay_port(certificate: Path, mailbox: Any, request: pytest.FixtureRequest) -> AsyncIterator[int]:
    """A relay that takes mail only after TLS and a password."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    implicit = request.param == "smtps"
    loop = asyncio.get_running_loop()
    tls: dict[str, Any] = {} if implicit else {"tls_context": context, "require_starttls": True}
    server = await loop.create_server(
        lambda: SMTP(
            mailbox, loop=loop, authenticator=_authenticate, auth_required=True, auth_require_tls=not implicit, **tls
        ),
        "127.0.0.1",
        ssl=context if implicit else None,
    )
    yield server.sockets[0].getsockname()[1]
    server.close()


MAIL = Envelope(uuid4(), "shop@kizuna.example", "hanako@example.com", b"Subject: hello\r\n\r\nhello\r\n")


@pytest.mark.parametrize(
    ("relay_port", "scheme"), [("smtps", "smtps"), ("starttls", "smtp+starttls")], indirect=["relay_port"]
)
async def test_mail_goes_over_tls_with_a_password(
    relay_port: int, scheme: str, certificate: Path, mailbox: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    for password, kind in (("wrong", "not_sent"), ("p%40ss", "accepted")):
        relay = SmtpRelay(f"{scheme}://kizuna:{password}@127.0.0.1:{relay_port}", connections=1, timeout_seconds=1)
        results = await relay.deliver([MAIL], within_seconds=5)
        await relay.close()
        assert results[MAIL.message_id].kind == kind
    assert len(mailbox.mails) == 1


@pytest.mark.parametrize("relay_port", ["smtps"], indirect=True)
async def test_a_certificate_nobody_vouches_for_is_refused(relay_port: int, mailbox: Any) -> None:
    relay = SmtpRelay(f"smtps://kizuna:p%40ss@127.0.0.1:{relay_port}", connections=1, timeout_seconds=5)
    results = await relay.deliver([MAIL], within_seconds=10)
    assert results[MAIL.message_id].kind == "not_sent"
    assert mailbox.mails == []


async def test_a_silent_relay_is_left_in_time(mailbox: Any) -> None:
    release = asyncio.Event()

    async def hold(_: str) -> None:
        await release.wait()

    mailbox.before_answer = hold
    relay = SmtpRelay(f"smtp://127.0.0.1:{mailbox.port}", connections=1, timeout_seconds=0.3)
    others = [Envelope(uuid4(), MAIL.sender, f"c{number}@example.com", MAIL.content) for number in range(3)]
    results = await relay.deliver(others, within_seconds=0.5)
    release.set()
    assert sorted(result.kind for result in results.values()) == ["not_sent", "uncertain", "uncertain"]
