"""`kizuna token`, `logs` and the help."""

import subprocess
import sys

import pytest

from kizuna_local.__main__ import COMMANDS, build_parser
from kizuna_local.keys import ALL_SCOPES, ensure_keys, jwks_file
from kizuna_local.testing import Launcher
from servicekit.auth import Authenticator
from servicekit.clock import SystemClock


@pytest.fixture
def prepared(launcher: Launcher) -> Launcher:
    launcher.home.prepare()
    ensure_keys(launcher.home)
    return launcher


def test_a_token_carries_what_was_asked_for(prepared: Launcher) -> None:
    arguments = ("--scopes", "profile:read,survey:write", "--department", "crm", "--brands", "a,b")
    token = prepared("token", *arguments).stdout.strip()
    principal = Authenticator(jwks_file(prepared.home), clock=SystemClock()).verify(token)
    assert principal.scopes == {"profile:read", "survey:write"}
    assert (principal.department, principal.brands) == ("crm", ("a", "b"))
    everything = prepared("token", "--scopes", "all", "--department", "it").stdout.strip()
    assert Authenticator(jwks_file(prepared.home), clock=SystemClock()).verify(everything).scopes == set(ALL_SCOPES)


def test_an_unknown_scope_is_named(prepared: Launcher) -> None:
    refused = prepared("token", "--scopes", "profile:reed", "--department", "crm")
    assert refused.returncode == 1
    assert refused.stderr.startswith("kizuna: Unknown scope: profile:reed. There are: identity:read")


def test_logs_show_the_last_lines_of_one_or_of_all(prepared: Launcher) -> None:
    for name in ("identity", "profile"):
        prepared.home.log_file(name).write_text("".join(f"{name} {number}\n" for number in range(30)))
    assert prepared("logs", "profile", "--lines", "2").stdout == "profile 28\nprofile 29\n"
    everything = prepared("logs", "--lines", "1").stdout.splitlines()
    assert everything == ["identity | identity 29", "profile  | profile 29"]
    assert "There are: identity, profile." in prepared("logs", "gatway").stderr


def test_logs_go_on_with_what_is_written(prepared: Launcher) -> None:
    log = prepared.home.log_file("profile")
    log.write_text("before\n")
    command = [sys.executable, "-m", "kizuna_local", "logs", "profile", "--follow"]
    with subprocess.Popen(command, env=prepared.environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "before\n"
        with log.open("a") as opened:
            opened.write("after\n")
        assert process.stdout.readline() == "after\n"
        log.write_text("anew\n")
        assert process.stdout.readline() == "anew\n"
        process.terminate()


def test_every_command_says_what_it_is_for() -> None:
    text = build_parser().format_help()
    assert all(f"\n    {command} " in text for command in COMMANDS)
    assert "Placeholder" not in text


def test_services_that_are_not_installed_are_named(launcher: Launcher) -> None:
    program = "import sys, kizuna_local.__main__ as m; sys.modules.update({'gateway': None}); sys.exit(m.main(['up']))"
    command = [sys.executable, "-c", program]
    refused = subprocess.run(command, env=launcher.environment, capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert "make install" in refused.stderr
