"""A small SMTP client (RFC 5321): it keeps its connections, pipelines (RFC 2920), and says how far each message came.

What matters to a sender who must never send twice: `not_sent` (the content's end never left), `accepted` and `refused`
(the server said so), `uncertain` (the content went out and no answer came).
"""

import asyncio
import base64
import ssl
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote, urlsplit
from uuid import UUID

from delivery_service.rules import Stage

_DEFAULT_PORTS = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}
_END = b".\r\n"  # every content ends with CRLF and holds no line that starts with a dot: bodies are base64


@dataclass(frozen=True, slots=True)
class Envelope:
    """A mail ready to go. `content` has CRLF line ends, the last one included, and no line starting with a dot."""

    message_id: UUID
    sender: str
    mailbox: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Result:
    """How far a message came. `interrupted`: the connection broke in its turn, before its content went out."""

    kind: Literal["not_sent", "interrupted", "accepted", "refused", "uncertain"]
    stage: Stage = "content"
    code: int = 0
    text: str = ""


Results = dict[UUID, Result]

NOT_SENT = Result("not_sent")
INTERRUPTED = Result("interrupted")
UNCERTAIN = Result("uncertain")


def _envelope_commands(envelope: Envelope) -> tuple[tuple[bytes, Stage, tuple[int, ...]], ...]:
    """MAIL, RCPT and DATA, each with what it speaks of and the replies that let us go on."""
    return (
        (f"MAIL FROM:<{envelope.sender}>\r\n".encode("ascii"), "sender", (250,)),
        (f"RCPT TO:<{envelope.mailbox}>\r\n".encode("ascii"), "recipient", (250, 251)),
        (b"DATA\r\n", "content", (354,)),
    )


class SmtpTrouble(OSError):
    """The server cannot be used now; its words are left out, they may hold addresses."""


class _Connection:
    """One dialogue with the server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, timeout_seconds: float) -> None:
        self._reader = reader
        self._writer = writer
        self._timeout = timeout_seconds
        self._pipelining = False
        self.used = (
            False  # since it was taken from the idle ones: a server may have hung up on an idle connection unseen
        )

    @property
    def usable(self) -> bool:
        return not self._writer.is_closing() and not self._reader.at_eof()

    async def reply(self) -> tuple[int, str]:
        """Read one reply; return its code and last line."""
        async with asyncio.timeout(self._timeout):
            while True:
                line = await self._reader.readline()
                if not line.endswith(b"\n") or not line[:3].isdigit():
                    raise SmtpTrouble("The server closed the connection or does not speak SMTP.")
                if line[3:4] != b"-":
                    return int(line[:3]), line[4:].decode("utf-8", "replace").strip()

    async def command(self, line: str, *, expected: int) -> None:
        self._writer.write(line.encode("ascii") + b"\r\n")
        code, _ = await self.reply()
        if code != expected:
            raise SmtpTrouble(f"{line.split(' ', 1)[0]} was answered {code}.")

    async def hello(self, name: str) -> None:
        self._writer.write(f"EHLO {name}\r\n".encode("ascii"))
        self._pipelining = False
        async with asyncio.timeout(self._timeout):
            while True:
                line = await self._reader.readline()
                if not line.startswith(b"250"):
                    raise SmtpTrouble("EHLO was refused.")
                self._pipelining |= line[4:].strip().upper() == b"PIPELINING"
                if line[3:4] != b"-":
                    return

    async def start_tls(self, context: ssl.SSLContext, host: str) -> None:
        await self.command("STARTTLS", expected=220)
        await self._writer.start_tls(context, server_hostname=host)

    def _announce(self, envelope: Envelope) -> None:
        self._writer.write(b"".join(command for command, _, _ in _envelope_commands(envelope)))

    async def _open_envelope(self, envelope: Envelope) -> tuple[Result | None, bool]:
        """Go through MAIL, RCPT and DATA; return what was refused (None: nothing), and whether content is awaited."""
        refused: Result | None = None
        code = 0
        for command, stage, good in _envelope_commands(envelope):
            if not self._pipelining:
                self._writer.write(command)
            code, text = await self.reply()
            self.used = True
            if code == 421:
                raise SmtpTrouble("The server is closing.")
            if code not in good and refused is None:
                refused = Result("refused", stage, code, text)
                if not self._pipelining:
                    return refused, False
        return refused, code == 354

    async def _finish(
        self, envelope: Envelope, following: Envelope | None, opened: tuple[Result | None, bool], results: Results
    ) -> None:
        """Hand over the content, or clear a refused envelope away; the following envelope goes out with it."""
        refused, awaited = opened
        if refused is None:
            results[envelope.message_id] = UNCERTAIN
            self._writer.write(envelope.content + _END)
        else:
            results[envelope.message_id] = refused
            self._writer.write((_END if awaited else b"") + b"RSET\r\n")
        if following is not None and self._pipelining:
            self._announce(following)
        if refused is not None:
            if awaited:
                await self.reply()
            await self.reply()
            return
        code, text = await self.reply()
        results[envelope.message_id] = Result("accepted" if 200 <= code < 300 else "refused", "content", code, text)
        if code == 421:
            raise SmtpTrouble("The server is closing.")

    async def deliver(self, queue: deque[Envelope], results: Results) -> None:
        """Send what the queue holds, one after the other, noting in `results` how far each came.

        Raises:
            OSError, TimeoutError: the connection is of no use any more; what was not begun is back in the queue.
        """
        current: Envelope | None = queue.popleft()
        if current is not None and self._pipelining:
            self._announce(current)
        while current is not None:
            following: Envelope | None = None
            try:
                opened = await self._open_envelope(current)
                following = queue.popleft() if queue else None
                await self._finish(current, following, opened, results)
            except BaseException:
                if following is not None:
                    queue.appendleft(following)
                if results[current.message_id] == NOT_SENT:
                    self._leave(current, queue, results)
                raise
            current = following

    def _leave(self, envelope: Envelope, queue: deque[Envelope], results: Results) -> None:
        """The connection did not survive this message's turn: blame the message only if the server had answered."""
        if self.used:
            results[envelope.message_id] = INTERRUPTED
        else:
            queue.appendleft(envelope)

    def abort(self) -> None:
        self._writer.transport.abort()

    async def quit(self) -> None:
        """Say goodbye, without waiting long for the answer."""
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(1):
                self._writer.write(b"QUIT\r\n")
                await self._reader.readline()
        self._writer.close()


class SmtpRelay:
    """The relay we hand mail to, over at most `connections` connections that stay open between batches."""

    def __init__(
        self, url: str, *, connections: int = 4, timeout_seconds: float = 60.0, hello_name: str = "localhost"
    ) -> None:
        parts = urlsplit(url)
        self._scheme = parts.scheme
        self._host = parts.hostname or "127.0.0.1"
        self._port = parts.port or _DEFAULT_PORTS.get(parts.scheme, 25)
        self._credentials = (unquote(parts.username), unquote(parts.password or "")) if parts.username else None
        self._timeout = timeout_seconds
        self._hello_name = hello_name
        self._idle: list[_Connection] = []
        self._places = asyncio.Semaphore(connections)
        self._connections = connections

    async def deliver(self, envelopes: Sequence[Envelope], *, within_seconds: float) -> Results:
        """Send mails; return for EVERY one how far it came, also when the time is over or the server is away."""
        results = {envelope.message_id: NOT_SENT for envelope in envelopes}
        queue = deque(envelopes)
        with suppress(TimeoutError):
            async with asyncio.timeout(within_seconds), asyncio.TaskGroup() as group:
                for _ in range(min(self._connections, len(envelopes))):
                    group.create_task(self._drain(queue, results))
        return results

    async def _drain(self, queue: deque[Envelope], results: Results) -> None:
        failures = 0
        async with self._places:
            while queue and failures < 2:
                connection: _Connection | None = None
                try:
                    connection = await self._connect()
                    if queue:
                        await connection.deliver(queue, results)
                    self._idle.append(connection)
                    failures = 0
                except (OSError, TimeoutError, EOFError, ValueError):  # ValueError: a reply line without an end
                    failures = 0 if connection is not None and connection.used else failures + 1
                    if connection is not None:
                        connection.abort()
                except BaseException:
                    if connection is not None:
                        connection.abort()
                    raise

    async def _connect(self) -> _Connection:
        while self._idle:
            connection = self._idle.pop()
            if connection.usable:
                connection.used = False
                return connection
            connection.abort()
        async with asyncio.timeout(self._timeout):
            return await self._open()

    async def _open(self) -> _Connection:
        context = ssl.create_default_context() if self._scheme != "smtp" else None
        implicit = context if self._scheme == "smtps" else None
        reader, writer = await asyncio.open_connection(self._host, self._port, ssl=implicit)
        connection = _Connection(reader, writer, timeout_seconds=self._timeout)
        try:
            code, _ = await connection.reply()
            if code != 220:
                raise SmtpTrouble(f"The server greeted with {code}.")
            await connection.hello(self._hello_name)
            if self._scheme == "smtp+starttls" and context is not None:
                await connection.start_tls(context, self._host)
                await connection.hello(self._hello_name)
            if self._credentials is not None:
                user, password = self._credentials
                plain = base64.b64encode(f"\0{user}\0{password}".encode()).decode("ascii")
                await connection.command(f"AUTH PLAIN {plain}", expected=235)
        except BaseException:
            connection.abort()
            raise
        return connection

    async def close(self) -> None:
        """Close every connection."""
        idle, self._idle = self._idle, []
        await asyncio.gather(*(connection.quit() for connection in idle))
