"""`python -m <name>_service {serve|work|all|migrate|openapi|replay}`: one image, named commands."""

import argparse
import asyncio
import gc
import json
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import structlog
import uvicorn
import uvloop

from servicekit.clock import SystemClock
from servicekit.consumers import Consumer
from servicekit.health import Check
from servicekit.migrations import head_and_known, migrate
from servicekit.service import Build, Service, create_app, database_is_migrated
from servicekit.settings import ServiceSettings, load_settings
from servicekit.telemetry import configure_logging, configure_tracing
from servicekit.workers import run_all

log = structlog.get_logger(__name__)

_COMMANDS = {
    "serve": "answer HTTP requests",
    "work": "run the workers (and answer health and metrics)",
    "all": "serve and work in one process",
    "migrate": "bring the database to this version's schema",
    "openapi": "print the OpenAPI document",
    "replay": "handle dead letters again",
}


def main(settings_class: type[ServiceSettings], build: Build, *, arguments: Sequence[str] | None = None) -> None:
    """Run one command of a service; settings come from the environment."""
    parser = argparse.ArgumentParser(
        prog=f"python -m {build.__module__.split('.')[0]}",
        epilog="\n".join(f"{name:9} {text}" for name, text in _COMMANDS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=_COMMANDS)
    command = parser.parse_args(arguments).command
    if command == "openapi":
        print_openapi(settings_class, build)
        return
    settings = load_settings(settings_class)
    configure_logging(settings.service, settings.log_level)
    if command == "migrate":
        migrate(settings.database_url, migrations_directory(build))
        log.info("migrated")
        return
    configure_tracing(settings.service, "1")
    uvloop.run(run(build(settings, clock=SystemClock()), command, build))


def migrations_directory(build: Build) -> Path:
    """Return `services/<name>/migrations`, or `<package>/migrations` where the package carries them (a wheel)."""
    spec = find_spec(build.__module__.split(".")[0])
    assert spec is not None
    assert spec.origin is not None
    package = Path(spec.origin).parent
    inside = package / "migrations"
    return inside if inside.is_dir() else package.parents[1] / "migrations"


def print_openapi(settings_class: type[ServiceSettings], build: Build) -> None:
    """Print the OpenAPI document as it is committed: `openapi.json` beside pyproject.toml."""
    sys.stdout.write(openapi_text(settings_class, build))


def openapi_text(settings_class: type[ServiceSettings], build: Build) -> str:
    """Return the OpenAPI document as indented JSON."""
    settings = settings_class.model_construct(None, **_blanks(settings_class))
    app = create_app(build(settings, clock=SystemClock()))
    return json.dumps(app.openapi(), indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def _blanks(settings_class: type[ServiceSettings]) -> dict[str, Any]:  # values of the fields' own types
    """Values that nothing is done with, for the settings that must be given."""
    blanks: dict[object, object] = {str: "http://documentation", int: 1, Path: Path("none")}
    required = {
        name: blanks[field.annotation] for name, field in settings_class.model_fields.items() if field.is_required()
    }
    addresses = {"database_url": "postgresql://documentation/none", "nats_url": "nats://documentation"}
    return required | {name: value for name, value in addresses.items() if name in settings_class.model_fields}


class _Server(uvicorn.Server):
    """uvicorn without its own signal handlers: the order of ending is ours."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def run(service: Service, command: str, build: Build) -> None:
    """Serve and/or work until SIGTERM or SIGINT.

    Then: fail ready, drain HTTP, finish what is in hand, flush the outbox.
    """
    if service.database is not None and (command == "work" or not service.ready_without_database):
        head, known = head_and_known(migrations_directory(build))
        database = service.database
        service.checks = [*service.checks, Check("migrations", lambda: database_is_migrated(database, head, known))]
    if command == "replay":
        await _replay(service)
        return
    if command == "work":
        service.routers, service.routes = (), ()
    _collect_garbage_less_often()
    stop, stop_serving = asyncio.Event(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop_serving.set)
    listener = _listen(service)
    app = create_app(service)
    server = _Server(
        uvicorn.Config(
            app,
            loop="none",
            http="httptools",
            access_log=False,
            log_config=None,
            lifespan="on",
            timeout_graceful_shutdown=10,
            server_header=False,
            backlog=2048,
        )
    )
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    working = asyncio.create_task(_work(service, command, server, stop))
    stopped = asyncio.create_task(stop_serving.wait())
    await asyncio.wait({serving, working, stopped}, return_when=asyncio.FIRST_COMPLETED)
    log.info("stopping")
    service.accepting = False
    await asyncio.sleep(service.settings.drain_seconds)
    stop.set()
    # workers end first: they need the connections that the app's lifespan closes at the server's exit
    await asyncio.gather(working, return_exceptions=True)
    server.should_exit = True
    await serving
    stopped.cancel()
    if not server.started:
        sys.exit(f"{service.name} did not start: its log says why.")


def _listen(service: Service) -> socket.socket:
    """Take the service's port before anything else is begun. Exits with a sentence when it is not to be had."""
    host, port = service.settings.host, service.settings.port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        sys.exit(f"{service.name} could not listen on {host}:{port} ({error.strerror}). Is the port in use?")
    return listener


def _collect_garbage_less_often() -> None:
    """What was imported and built stays for good; batches of facts are no reason to look through it again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(25_000, 25, 25)


async def _work(service: Service, command: str, server: uvicorn.Server, stop: asyncio.Event) -> None:
    while not server.started and not stop.is_set():  # noqa: ASYNC110  # uvicorn offers no event
        await asyncio.sleep(0.02)
    log.info("started", command=command, port=service.settings.port)
    if command == "serve":
        await stop.wait()
    else:
        await run_all(service.workers, stop)


async def _replay(service: Service) -> None:
    await service.start()
    try:
        consumers = [worker for worker in service.workers if isinstance(worker, Consumer)]
        count = sum([await consumer.replay() for consumer in consumers])
        sys.stdout.write(f"{count} dead letters handled\n")
    finally:
        await service.close()
