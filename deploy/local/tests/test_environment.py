"""What the processes are told."""

import pytest

from kizuna_local.addresses import PROCESSES, Addresses
from kizuna_local.environment import process_environment
from kizuna_local.home import Home
from kizuna_local.keys import ensure_keys
from kizuna_local.real_parts import build_nats, build_postgres


@pytest.fixture
def environments(home: Home) -> dict[str, dict[str, str]]:
    home.prepare()
    ensure_keys(home)
    home.postgres.mkdir()
    addresses = Addresses(20_000)
    postgres, nats = build_postgres(home), build_nats(home, addresses)
    outside = {
        "PATH": "/bin",
        "PROFILE_LOG_LEVEL": "DEBUG",
        "OTEL_SERVICE_NAME": "x",
        "AWS_SECRET": "s",
        "SURVEY_PORT": "1",
    }
    return {
        name: process_environment(name, home, addresses=addresses, postgres=postgres, nats=nats, outside=outside)
        for name in PROCESSES
    }


def test_every_process_gets_its_own_variables_and_no_others(environments: dict[str, dict[str, str]]) -> None:
    for name, environment in environments.items():
        prefix = f"{name.upper()}_"
        general = {key for key in environment if not key.startswith(prefix)}
        assert general == {"PATH", "OTEL_SERVICE_NAME", "PYTHONUNBUFFERED"}
        assert f"nats://{name}:" in environment[f"{prefix}NATS_URL"]
        assert environment[f"{prefix}SIGNING_KEY_FILE"].endswith(f"{name}.pem")


def test_a_service_gets_its_own_database_and_the_gateway_none(environments: dict[str, dict[str, str]]) -> None:
    assert environments["profile"]["PROFILE_DATABASE_URL"].startswith("postgresql://profile:")
    assert "/profile?host=" in environments["profile"]["PROFILE_DATABASE_URL"]
    assert "GATEWAY_DATABASE_URL" not in environments["gateway"]
    assert environments["gateway"]["GATEWAY_SURVEY_URL"] == "http://127.0.0.1:20005"


def test_what_is_set_outside_wins(environments: dict[str, dict[str, str]]) -> None:
    assert environments["survey"]["SURVEY_PORT"] == "1"
    assert environments["profile"]["PROFILE_LOG_LEVEL"] == "DEBUG"


def test_those_who_need_them_get_secrets_neighbours_and_the_mailbox(environments: dict[str, dict[str, str]]) -> None:
    assert {name for name, one in environments.items() if f"{name.upper()}_SECRET_FILE" in one} == {
        *("identity", "delivery", "survey"),
    }
    assert environments["delivery"]["DELIVERY_SMTP_URL"] == "smtp://127.0.0.1:20025"
    assert environments["campaign"]["CAMPAIGN_PROFILE_URL"] == "http://127.0.0.1:20002"
