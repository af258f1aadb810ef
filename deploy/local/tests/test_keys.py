"""Keys and tokens, verified as the services verify them."""

from datetime import UTC, datetime, timedelta

import pytest

from kizuna_local.addresses import PROCESSES
from kizuna_local.errors import LauncherError
from kizuna_local.home import Home
from kizuna_local.keys import ensure_keys, issue_user_token, jwks_file, signing_key_file
from servicekit.auth import Authenticator, ServiceTokens
from servicekit.clock import FrozenClock
from servicekit.errors import Unauthorized

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture
def prepared(home: Home) -> Home:
    home.prepare()
    ensure_keys(home)
    return home


def test_a_service_accepts_a_persons_token_until_it_expires(prepared: Home) -> None:
    clock = FrozenClock(NOON)
    token = issue_user_token(
        prepared, clock=clock, scopes=["profile:read"], department="crm", brands=["a", "b"], lifetime=timedelta(hours=1)
    )
    principal = Authenticator(jwks_file(prepared), clock=clock).verify(token)
    assert (principal.issuer, principal.department, principal.brands) == ("kizuna", "crm", ("a", "b"))
    assert principal.scopes == {"profile:read"}
    clock.advance(timedelta(hours=1, seconds=1))
    with pytest.raises(Unauthorized):
        Authenticator(jwks_file(prepared), clock=clock).verify(token)


def test_every_process_has_a_key_of_its_own_that_the_others_know(prepared: Home) -> None:
    clock = FrozenClock(NOON)
    authenticator = Authenticator(jwks_file(prepared), clock=clock)
    for name in PROCESSES:
        key_file = signing_key_file(prepared, name)
        token = ServiceTokens(service=name, key_file=key_file, clock=clock).bearer("profile:read")
        assert authenticator.verify(token).issuer == f"service:{name}"
    assert len({signing_key_file(prepared, name).read_bytes() for name in PROCESSES}) == len(PROCESSES)


def test_keys_are_made_once(prepared: Home) -> None:
    before = jwks_file(prepared).read_text()
    ensure_keys(prepared)
    assert jwks_file(prepared).read_text() == before


def test_no_token_before_the_first_start(home: Home) -> None:
    with pytest.raises(LauncherError, match="kizuna up"):
        issue_user_token(home, clock=FrozenClock(NOON), scopes=["profile:read"], department="crm")


def test_a_damaged_key_is_named(prepared: Home) -> None:
    signing_key_file(prepared, "kizuna").write_text("not a key")
    with pytest.raises(LauncherError, match=r"kizuna\.pem is not a key"):
        ensure_keys(prepared)
