"""`python -m kizuna_local.mailbox`: SMTP in, HTTP out, until SIGTERM. Settings: MAILBOX_* variables."""

import asyncio
import os
import signal
from pathlib import Path

import uvloop
from aiohttp import web

from kizuna_local.mailbox.access import TokenCheck
from kizuna_local.mailbox.http import build_application
from kizuna_local.mailbox.smtp import smtp_protocol
from kizuna_local.mailbox.store import MailStore
from servicekit.clock import SystemClock


async def serve(*, directory: Path, host: str, smtp_port: int, http_port: int, jwks_file: Path) -> None:
    """Listen until SIGTERM or SIGINT."""
    clock = SystemClock()
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    store = MailStore(directory)
    runner = web.AppRunner(build_application(store, TokenCheck(jwks_file)), access_log=None)
    await runner.setup()
    smtp_server = await loop.create_server(lambda: smtp_protocol(store, clock=clock), host, smtp_port)
    await web.TCPSite(runner, host, http_port).start()
    await stopping.wait()
    smtp_server.close()
    await runner.cleanup()
    store.close()


def main() -> None:
    """Read the settings and run."""
    environment = os.environ
    uvloop.run(
        serve(
            directory=Path(environment["MAILBOX_DIRECTORY"]),
            host=environment["MAILBOX_HOST"],
            smtp_port=int(environment["MAILBOX_SMTP_PORT"]),
            http_port=int(environment["MAILBOX_HTTP_PORT"]),
            jwks_file=Path(environment["MAILBOX_JWKS_FILE"]),
        )
    )


if __name__ == "__main__":
    main()
