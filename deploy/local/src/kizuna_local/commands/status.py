"""Show every process with its port and number, and how far each consumer of events is behind.

The exit code is 0 when everything is ready, 1 otherwise.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import httpx

from kizuna_local.addresses import PROCESSES, Addresses
from kizuna_local.health import is_ready
from kizuna_local.home import Home
from kizuna_local.run_state import read_state

PORTLESS = ("postgres",)


@dataclass(frozen=True)
class ProcessStatus:
    """One process. `state` is ready, not ready, or down."""

    name: str
    pid: int | None
    port: int | None
    state: str
    restarts: int


@dataclass(frozen=True)
class ConsumerStatus:
    """One consumer of a stream: messages it has not been given yet, and given but not acknowledged."""

    stream: str
    consumer: str
    waiting: int
    unacknowledged: int
    redelivered: int


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="for programs")


def run(arguments: argparse.Namespace) -> int:
    """Print the processes and the consumers."""
    home = Home.from_environment()
    state = read_state(home)
    addresses = Addresses(state.port_base) if state.port_base else Addresses.from_environment()
    with httpx.Client(timeout=3) as client:
        processes = process_statuses(home, addresses, client=client)
        consumers = consumer_statuses(client, addresses.url("nats-monitor"))
    if arguments.json:
        document = {"processes": [asdict(one) for one in processes], "consumers": [asdict(one) for one in consumers]}
        print(json.dumps(document, indent=2))
    elif not processes:
        print(f"Kizuna does not run in {home.root}. `kizuna up` starts it.")
    else:
        _print_tables(processes, consumers)
    return 0 if processes and all(process.state == "ready" for process in processes) else 1


def process_statuses(home: Home, addresses: Addresses, *, client: httpx.Client) -> list[ProcessStatus]:
    """Every process that the launcher has written down, asked whether it is ready."""
    state = read_state(home)
    if state.launcher is None:
        return []
    launcher_state = "ready" if state.launcher.find() is not None else "down"
    statuses = [ProcessStatus("launcher", state.launcher.pid, None, launcher_state, 0)]
    for name, record in state.processes.items():
        alive = record.find() is not None
        port = None if name in PORTLESS else addresses.port(name)
        answers = name not in (*PROCESSES, "mailbox") or is_ready(client, addresses.url(name))
        described = ("ready" if answers else "not ready") if alive else "down"
        statuses.append(ProcessStatus(name, record.pid if alive else None, port, described, record.restarts))
    return statuses


def consumer_statuses(client: httpx.Client, monitor_url: str) -> list[ConsumerStatus]:
    """Every durable consumer, as the NATS monitor tells it; none when NATS is down."""
    try:
        accounts = (
            client.get(f"{monitor_url}/jsz", params={"consumers": "true", "config": "true"})
            .json()
            .get("account_details", [])
        )
    except (httpx.HTTPError, ValueError):
        return []
    return sorted(
        (
            ConsumerStatus(
                stream=stream["name"],
                consumer=consumer["name"],
                waiting=consumer["num_pending"],
                unacknowledged=consumer["num_ack_pending"],
                redelivered=consumer["num_redelivered"],
            )
            for account in accounts
            for stream in account.get("stream_detail", [])
            for consumer in stream.get("consumer_detail") or []
            if consumer["config"].get("durable_name")
        ),
        key=lambda status: (status.stream, status.consumer),
    )


def _print_tables(processes: Sequence[ProcessStatus], consumers: Sequence[ConsumerStatus]) -> None:
    print(f"{'process':<12}{'state':<11}{'port':>6}{'pid':>9}{'restarts':>10}")
    for process in processes:
        port, pid = process.port or "-", process.pid or "-"
        print(f"{process.name:<12}{process.state:<11}{port:>6}{pid:>9}{process.restarts:>10}")
    print(f"\n{'stream':<12}{'consumer':<11}{'waiting':>9}{'unacknowledged':>16}{'redelivered':>13}")
    for one in consumers:
        print(f"{one.stream:<12}{one.consumer:<11}{one.waiting:>9}{one.unacknowledged:>16}{one.redelivered:>13}")
