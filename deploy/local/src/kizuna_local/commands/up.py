"""Start everything and keep it running; Ctrl-C stops it.

The first start makes the database, the keys and the secrets. With a demo the story is told once, on a fresh platform.
"""

import argparse
import importlib.util
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from kizuna_local import background
from kizuna_local.addresses import SERVICES, Addresses
from kizuna_local.errors import LauncherError
from kizuna_local.home import Home
from kizuna_local.platform import Platform
from kizuna_local.run_state import ProcessRecord, RunState, end_leftovers, write_state
from kizuna_local.story import STORIES, StoryTelling, is_to_be_told


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--demo", choices=STORIES, default="none", help="the story to tell on a fresh platform")
    parser.add_argument("--detach", action="store_true", help="return when ready; `kizuna down` stops it")
    parser.add_argument(
        "--parts-only", action="store_true", help="only PostgreSQL, NATS and the mailbox, to run services by hand"
    )


def run(arguments: argparse.Namespace) -> int:
    """Start in the foreground, or leave a launcher in the background."""
    home, addresses = Home.from_environment(), Addresses.from_environment()
    services = () if arguments.parts_only else SERVICES
    _check_installed(services)
    tell_story = bool(services) and is_to_be_told(home, arguments.demo)
    if arguments.detach:
        return background.start(home, parts_only=arguments.parts_only, tell_story=tell_story)
    home.prepare()
    with home.exclusively():
        _run_until_stopped(home, Platform(home, addresses, services=services, say=say), tell_story=tell_story)
    return 0


def say(sentence: str) -> None:
    """Tell the person at the terminal, or the log of the background launcher."""
    print(sentence, flush=True)


def _run_until_stopped(home: Home, platform: Platform, *, tell_story: bool) -> None:
    began = time.monotonic()
    _clear_the_ground(home, platform)
    story: StoryTelling | None = None
    with _signals_interrupt():
        try:
            say("Starting Kizuna:")
            platform.start()
            _say_ready(home, platform, seconds=time.monotonic() - began)
            platform.declare_ready()
            if tell_story:
                story = StoryTelling(home, say=say)
            platform.supervisor.watch()
        except KeyboardInterrupt:
            say("Stopping ...")
        finally:
            _ignore_signals()
            if story is not None:
                story.stop()
            platform.stop()
            write_state(home, RunState())
    say("Stopped.")


def _clear_the_ground(home: Home, platform: Platform) -> None:
    """End what a killed launcher left, then see that nobody else has our ports."""
    for name in end_leftovers(home):
        say(f"Ended {name}, which a killed launcher had left running.")
    platform.addresses.check_all_free()
    write_state(home, RunState(launcher=ProcessRecord.of(os.getpid()), port_base=platform.addresses.port_base))


def _say_ready(home: Home, platform: Platform, *, seconds: float) -> None:
    say(f"Kizuna is ready after {seconds:.1f} s.")
    if platform.services:
        say(f"  customer view (GraphiQL) {platform.addresses.url('gateway')}/graphiql")
        for service in platform.services:
            say(f"  {service:<25}{platform.addresses.url(service)}/v1")
    say(f"  mailbox                  {platform.addresses.url('mailbox')}/messages")
    say(f"  addresses, token, keys   {home.credentials_file}")
    say("Ctrl-C or `kizuna down` stops it; `kizuna status` shows it.")


def _check_installed(services: tuple[str, ...]) -> None:
    modules = [*(f"{service}_service" for service in services), *(["gateway"] if services else [])]
    missing = [module for module in modules if importlib.util.find_spec(module) is None]
    if missing:
        raise LauncherError(f"Not installed: {', '.join(missing)}. Run `make install`, which installs every service.")


@contextmanager
def _signals_interrupt() -> Iterator[None]:
    """SIGTERM and SIGHUP act like Ctrl-C."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    yield


def _ignore_signals() -> None:
    """Once we stop, we stop: an impatient second Ctrl-C must not leave half of it running."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
