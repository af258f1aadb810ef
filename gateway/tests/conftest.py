"""The gateway as it is served: over real HTTP and WebSocket, in front of fake services, with a real NATS where asked
for."""

import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.app import build
from gateway.settings import Settings
from servicekit.embedded.nats_server import EmbeddedNats
from servicekit.service import create_app

sys.path.insert(0, str(Path(__file__).parent / "harness"))  # tests are imported without their folders being on the path

from fake_services import FakeServices  # found by the line above
from gateway_harness import Gateway, serving  # as before


@pytest.fixture
async def fake() -> FakeServices:
    """The services' counterpart."""
    return FakeServices()


@pytest.fixture
def signing_key(tmp_path: Path) -> Ed25519PrivateKey:
    """The key users' tokens are signed with; its public half is in jwks.json."""
    key = Ed25519PrivateKey.generate()
    public = json.loads(jwt.algorithms.OKPAlgorithm().to_jwk(key.public_key()))
    (tmp_path / "jwks.json").write_text(
        json.dumps({"keys": [public | {"kid": "kizuna", "use": "sig", "alg": "EdDSA"}]})
    )
    return key


@pytest.fixture
async def gateway(
    fake: FakeServices, signing_key: Ed25519PrivateKey, tmp_path: Path, request: pytest.FixtureRequest
) -> AsyncIterator[Gateway]:
    """A gateway in front of the fake services.

    `@pytest.mark.parametrize("gateway", [{...}], indirect=True)` changes its settings.

    NATS is the real one when the test also asks for `nats_server`; otherwise there is none, which queries do not need.
    """
    nats: EmbeddedNats | None = (
        request.getfixturevalue("nats_server") if "nats_server" in request.fixturenames else None
    )
    async with serving(fake.app) as services_url:
        services = {
            f"{name}_url": f"{services_url}/{name}"
            for name in ("identity", "profile", "campaign", "delivery", "survey")
        }
        settings = Settings(
            nats_url=nats.url if nats else "nats://127.0.0.1:1",
            jwks_file=tmp_path / "jwks.json",
            **(services | getattr(request, "param", {})),
        )
        service = build(settings)
        async with serving(create_app(service)) as url, aiohttp.ClientSession() as session:
            if nats is not None and service.nats is not None:
                await service.nats.connected()
            yield Gateway(url, service, fake, session, signing_key)
