"""Starting, watching and stopping the real parts. The services on top of them are started in tests/e2e."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable

import httpx
import pytest

from kizuna_local.run_state import read_state
from kizuna_local.testing import Launcher

PARTS = ("postgres", "nats", "mailbox")


def wait_for(condition: Callable[[], bool], *, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.05)


def status(launcher: Launcher) -> dict[str, str]:
    return {one["name"]: one["state"] for one in json.loads(launcher("status", "--json").stdout)["processes"]}


def start(launcher: Launcher) -> None:
    started = launcher("up", "--parts-only", "--detach")
    assert started.returncode == 0, started.stdout + started.stderr


def test_up_status_down_and_up_again(launcher: Launcher) -> None:
    start(launcher)
    assert status(launcher) == dict.fromkeys(("launcher", *PARTS), "ready")
    assert "Kizuna is ready" in launcher("logs", "launcher").stdout
    processes = read_state(launcher.home).processes

    assert launcher("down").stdout == "Stopped.\n"
    assert not any(record.find() for record in processes.values())
    assert launcher("status").returncode == 1
    assert "does not run" in launcher("down").stdout

    keys = (launcher.home.keys / "jwks.json").read_text()
    start(launcher)
    assert (launcher.home.keys / "jwks.json").read_text() == keys


def test_ctrl_c_stops_a_launcher_in_the_foreground(launcher: Launcher) -> None:
    command = [sys.executable, "-m", "kizuna_local", "up", "--parts-only"]
    process = subprocess.Popen(command, env=launcher.environment, stdout=subprocess.PIPE, text=True)
    wait_for(lambda: read_state(launcher.home).ready)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert output.endswith("Stopping ...\nStopped.\n")


@pytest.mark.parametrize("name", PARTS)
def test_a_part_that_is_killed_is_started_again_and_that_is_said(launcher: Launcher, name: str) -> None:
    start(launcher)
    killed = read_state(launcher.home).processes[name].pid
    os.kill(killed, signal.SIGKILL)
    wait_for(lambda: read_state(launcher.home).processes.get(name, None) is not None)
    wait_for(lambda: name in (now := read_state(launcher.home).processes) and now[name].pid != killed)
    wait_for(lambda: status(launcher)[name] == "ready")
    assert f"{name} " in launcher("logs", "launcher").stdout
    assert "starting it again" in launcher("logs", "launcher").stdout
    assert read_state(launcher.home).processes[name].restarts == 1


def test_what_a_killed_launcher_left_is_stopped_by_down(launcher: Launcher) -> None:
    start(launcher)
    state = read_state(launcher.home)
    assert state.launcher is not None
    os.kill(state.launcher.pid, signal.SIGKILL)
    wait_for(lambda: not launcher.home.is_locked())
    assert status(launcher)["launcher"] == "down"
    assert launcher("down").stdout == "Stopped.\n"
    assert not any(record.find() for record in state.processes.values())


def test_up_replaces_what_a_killed_launcher_left(launcher: Launcher) -> None:
    start(launcher)
    before = read_state(launcher.home)
    assert before.launcher is not None
    os.kill(before.launcher.pid, signal.SIGKILL)
    wait_for(lambda: not launcher.home.is_locked())
    start(launcher)
    assert "had left running" in launcher("logs", "launcher", "--lines", "50").stdout
    assert status(launcher) == dict.fromkeys(("launcher", *PARTS), "ready")
    assert not any(record.find() for record in before.processes.values())


def test_one_clear_sentence_when_it_runs_already(launcher: Launcher) -> None:
    start(launcher)
    for command in (("up", "--parts-only"), ("up", "--parts-only", "--detach"), ("backup", "/nowhere")):
        refused = launcher(*command)
        assert refused.returncode == 1
        assert refused.stderr.startswith("kizuna: Kizuna runs already in ")
        assert "kizuna down" in refused.stderr
        assert refused.stderr.count("\n") == 1


def test_one_clear_sentence_when_a_port_is_in_use(launcher: Launcher) -> None:
    with socket.socket() as occupant:
        occupant.bind(("127.0.0.1", launcher.addresses.port("nats")))
        occupant.listen()
        refused = launcher("up", "--parts-only")
    assert refused.returncode == 1
    assert f"port {launcher.addresses.port('nats')} (for nats, held by process {os.getpid()} " in refused.stderr
    assert "KIZUNA_PORT_BASE" in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_one_clear_sentence_when_the_directory_cannot_be_written(launcher: Launcher) -> None:
    launcher.home.root.parent.mkdir(exist_ok=True)
    launcher.home.root.write_text("a file where the directory should be")
    refused = launcher("up", "--parts-only")
    assert refused.returncode == 1
    assert f"Cannot write to {launcher.home.root}" in refused.stderr
    assert "Set KIZUNA_HOME" in refused.stderr


def test_one_clear_sentence_when_the_state_is_broken(launcher: Launcher) -> None:
    (launcher.home.postgres / "data").mkdir(parents=True)
    (launcher.home.postgres / "data" / "something").write_text("")
    refused = launcher("up", "--parts-only")
    assert refused.returncode == 1
    assert "move it away and start again" in refused.stderr
    assert "Traceback" not in refused.stderr + refused.stdout
    assert launcher("status").returncode == 1


def test_one_clear_sentence_when_the_port_base_is_no_number(launcher: Launcher) -> None:
    environment = {**launcher.environment, "KIZUNA_PORT_BASE": "8000a"}
    command = [sys.executable, "-m", "kizuna_local", "up"]
    refused = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert "KIZUNA_PORT_BASE is '8000a'" in refused.stderr


def test_what_is_secret_is_readable_by_its_owner_only(launcher: Launcher) -> None:
    start(launcher)
    files = [launcher.home.credentials_file, *launcher.home.secrets.iterdir(), *launcher.home.keys.iterdir()]
    assert len(files) > 12
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert stat.S_IMODE(launcher.home.root.stat().st_mode) == 0o700


def test_credentials_hold_addresses_and_a_token_that_opens(launcher: Launcher) -> None:
    start(launcher)
    credentials = json.loads(launcher.home.credentials_file.read_text())
    assert set(credentials) == {
        *("gateway", "identity", "profile", "campaign", "delivery", "survey", "mailbox"),
        *("token", "write_keys"),
    }
    headers = {"Authorization": f"Bearer {credentials['token']}"}
    assert httpx.get(f"{credentials['mailbox']}/messages", headers=headers).json() == {"messages": [], "total": 0}


def test_reset_asks_deletes_everything_and_nothing_else(launcher: Launcher) -> None:
    start(launcher)
    assert launcher("reset", stdin="no\n").returncode == 1
    assert launcher.home.credentials_file.exists()
    assert launcher("reset", stdin="yes\n").returncode == 0
    assert not launcher.home.root.exists()

    launcher.home.root.mkdir()
    (launcher.home.root / "thesis.txt").write_text("keep me")
    assert launcher("reset", "--yes").returncode == 1
    assert (launcher.home.root / "thesis.txt").exists()
