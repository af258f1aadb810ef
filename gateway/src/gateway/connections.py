"""A lean HTTP/1.1 client for many small JSON calls to a few known services.

The single customer view makes eight calls. With aiohttp their handling was two thirds of the gateway's work (measured
in tests; see README); here a call is one write, one future and httptools' C parser. Left out on purpose, because
these services do not need it: redirects, cookies, proxies, compression, pipelining, streaming.

Every call of the gateway may be repeated without harm (reads, PUT, publish, withdraw, changes under an idempotency
key), so a call that fell on a connection the service was just closing is made once more on a new one.
"""

import asyncio
import ssl
from collections import deque
from typing import cast
from urllib.parse import urlsplit

import httptools

IDLE_SECONDS = 4.0
"""uvicorn closes after 5 s."""
MAX_ANSWER_BYTES = 64 * 1024 * 1024


class ConnectionFailed(Exception):
    """The service cannot be reached, or the connection broke. `stale`: it was idle before and no byte came back."""

    def __init__(self, *, stale: bool = False) -> None:
        super().__init__("connection failed")
        self.stale = stale


class AnswerTooLarge(ConnectionFailed):
    """The service answers with more than may be taken; the rest was not read."""


class _Connection(asyncio.Protocol):
    """One connection; one call at a time. The callbacks without underscore are httptools'."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None
        self._parts: list[bytes] = []
        self._size = 0
        self._max_size = MAX_ANSWER_BYTES
        self._calls = 0
        self._heard = False
        self._reusable = True
        self.idle_since = 0.0

    @property
    def usable(self) -> bool:
        """Open and between calls."""
        return (
            self._reusable
            and self._transport is not None
            and not self._transport.is_closing()
            and self._loop.time() - self.idle_since < IDLE_SECONDS
        )

    def call(self, request: bytes, *, max_answer_bytes: int) -> "asyncio.Future[tuple[int, bytes]]":
        """Send a request; the future gives (status, content). Raises ConnectionFailed through it."""
        assert self._transport is not None
        self._answer = self._loop.create_future()
        self._parts, self._size, self._heard = [], 0, False
        self._max_size = max_answer_bytes
        self._parser = httptools.HttpResponseParser(self)
        self._calls += 1
        self._transport.write(request)
        return self._answer

    def close(self) -> None:
        """Close now; an answer on its way is lost."""
        self._reusable = False
        if self._transport is not None:
            self._transport.abort()

    # asyncio.Protocol
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own class is none by inheritance

    def data_received(self, data: bytes) -> None:
        self._heard = True
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._fail()

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail()

    # httptools
    def on_body(self, body: bytes) -> None:
        self._size += len(body)
        if self._size > self._max_size:
            self._fail(AnswerTooLarge())
        else:
            self._parts.append(body)

    def on_message_complete(self) -> None:
        self._reusable = self._reusable and bool(self._parser.should_keep_alive())
        answer, self._answer = self._answer, None
        if answer is None:  # nobody asked: not a service we can talk to
            self.close()
        elif not answer.done():
            content = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
            answer.set_result((int(self._parser.get_status_code()), content))

    def _fail(self, failure: ConnectionFailed | None = None) -> None:
        answer, self._answer = self._answer, None
        if answer is not None and not answer.done():
            answer.set_exception(failure or ConnectionFailed(stale=self._calls > 1 and not self._heard))
        self.close()


class Connections:
    """Connections to one service, kept open between calls."""

    def __init__(self, base_url: str, *, limit: int) -> None:
        parts = urlsplit(base_url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(f"not an http(s) address: {parts.scheme}://{parts.hostname}")
        self._host = parts.hostname
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._ssl = ssl.create_default_context() if parts.scheme == "https" else None
        self._prefix = parts.path.rstrip("/")
        self._head = f" HTTP/1.1\r\nhost: {parts.netloc.rpartition('@')[2]}\r\naccept: application/json\r\n"
        self._limit = limit
        self._open = 0
        self._idle: list[_Connection] = []
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def request(
        self,
        method: str,
        path: str,
        *,
        headers: str,
        body: bytes = b"",
        deadline_seconds: float,
        max_answer_bytes: int = MAX_ANSWER_BYTES,
    ) -> tuple[int, bytes]:
        """Make a call; gives (status, content). `headers` are `name: value` lines, each ended by CR LF.

        Raises:
            ConnectionFailed: no connection, or it broke. AnswerTooLarge: there is more to the answer.
            TimeoutError: no whole answer within the deadline, the wait for a free connection included.
        """
        head = f"{method} {self._prefix}{path}{self._head}{headers}content-length: {len(body)}\r\n"
        if body:
            head += "content-type: application/json\r\n"
        message = head.encode("latin-1") + b"\r\n" + body
        async with asyncio.timeout(deadline_seconds):
            try:
                return await self._call(message, max_answer_bytes=max_answer_bytes)
            except ConnectionFailed as failure:
                if not failure.stale:
                    raise
                return await self._call(message, max_answer_bytes=max_answer_bytes)

    async def _call(self, message: bytes, *, max_answer_bytes: int) -> tuple[int, bytes]:
        connection = self._take_idle() or await self._connect()
        try:
            answer = await connection.call(message, max_answer_bytes=max_answer_bytes)
        except BaseException:  # also when the caller gave up: what comes back belongs to nobody
            connection.close()
            self._release(None)
            raise
        self._release(connection)
        return answer

    def _take_idle(self) -> _Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.usable:
                return connection
            connection.close()
            self._open -= 1
        return None

    async def _connect(self) -> _Connection:
        loop = asyncio.get_running_loop()
        while self._open >= self._limit:
            turn = loop.create_future()
            self._waiting.append(turn)
            try:
                await turn
            except BaseException:
                if turn.done() and not turn.cancelled():
                    self._wake()  # the turn was ours already: pass it on
                raise
            idle = self._take_idle()
            if idle is not None:
                return idle
        self._open += 1
        try:
            _, connection = await loop.create_connection(
                lambda: _Connection(loop), self._host, self._port, ssl=self._ssl
            )
        except OSError:
            self._release(None)
            raise ConnectionFailed from None
        except BaseException:
            self._release(None)
            raise
        connection.idle_since = loop.time()
        return connection

    def _release(self, connection: _Connection | None) -> None:
        """Give a connection back, or (None) its place."""
        if connection is not None:
            connection.idle_since = asyncio.get_running_loop().time()
            if connection.usable:
                self._idle.append(connection)
            else:
                connection.close()
                self._open -= 1
        else:
            self._open -= 1
        self._wake()

    def _wake(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return

    def close(self) -> None:
        """Close the idle connections; those at work close when their calls end."""
        while self._idle:
            self._idle.pop().close()
            self._open -= 1
