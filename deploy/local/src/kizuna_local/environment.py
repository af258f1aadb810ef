"""What each process is told: environment variables, and nothing else."""

import os
from collections.abc import Mapping

from kizuna_local.addresses import HOST, SERVICES, Addresses
from kizuna_local.home import Home
from kizuna_local.keys import jwks_file, signing_key_file
from servicekit.embedded.nats_server import EmbeddedNats
from servicekit.embedded.postgres import EmbeddedPostgres

PASSED_ON = (
  "PATH", "HOME", "USER", "LANG", "LC_ALL", "TMPDIR", "TZ", "VIRTUAL_ENV", "SSL_CERT_FILE",
  # Not PYTHONDONTWRITEBYTECODE: without bytecode on disk every start takes twice as long.
  "PYTHONPATH", "PYTHONPYCACHEPREFIX", "PYTHONDEVMODE",
)  # fmt: skip
PASSED_ON_PREFIXES = ("OTEL_",)
READS_PROFILE = ("campaign", "delivery")
HAS_SECRET = ("identity", "delivery", "survey")


def process_environment(
    name: str,
    home: Home,
    *,
    addresses: Addresses,
    postgres: EmbeddedPostgres,
    nats: EmbeddedNats,
    outside: Mapping[str, str] = os.environ,
) -> dict[str, str]:
    """The variables of a service or the gateway. What is already set outside with its prefix wins."""
    prefix = name.upper()
    own = {
        "HOST": HOST,
        "PORT": str(addresses.port(name)),
        "NATS_URL": nats.url_for(name),
        "JWKS_FILE": str(jwks_file(home)),
        "SIGNING_KEY_FILE": str(signing_key_file(home, name)),
        **_own_settings(name, home, addresses=addresses, postgres=postgres),
    }
    return {
        **_passed_on(outside),
        "PYTHONUNBUFFERED": "1",
        **{f"{prefix}_{key}": value for key, value in own.items()},
        **{key: value for key, value in outside.items() if key.startswith(f"{prefix}_")},
    }


def _own_settings(name: str, home: Home, *, addresses: Addresses, postgres: EmbeddedPostgres) -> dict[str, str]:
    if name == "gateway":
        return {f"{service.upper()}_URL": addresses.url(service) for service in SERVICES}
    settings = {"DATABASE_URL": postgres.url(name, name, home.secret(f"postgres-{name}"))}
    if name in READS_PROFILE:
        settings["PROFILE_URL"] = addresses.url("profile")
    if name in HAS_SECRET:
        settings["SECRET_FILE"] = str(home.secret_file(f"{name}-key"))
    if name == "delivery":
        settings["SMTP_URL"] = f"smtp://{HOST}:{addresses.port('mailbox-smtp')}"
    return settings


def _passed_on(outside: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in outside.items() if key in PASSED_ON or key.startswith(PASSED_ON_PREFIXES)}
