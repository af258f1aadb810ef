"""The HTTP client against servers that behave as servers do, well or badly."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from gateway.clients import header_lines
from gateway.connections import ConnectionFailed, Connections

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
GOOD = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"


@asynccontextmanager
async def server(serve: Serve) -> AsyncIterator[tuple[str, list[int]]]:
    """Serve each connection by `serve`; also gives the list of connections made."""
    made: list[int] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        made.append(len(made))
        try:
            await serve(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(handle, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}/base", made
    finally:
        listening.close()


async def read_request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    return head + await reader.readexactly(length)


async def ask(connections: Connections, *, seconds: float = 2) -> tuple[int, bytes]:
    return await connections.request("POST", "/x", headers="a: b\r\n", body=b'{"q":1}', deadline_seconds=seconds)


async def test_calls_share_a_connection_and_are_well_formed() -> None:
    seen: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            seen.append(await read_request(reader))
            writer.write(GOOD)

    async with server(serve) as (url, made):
        connections = Connections(url, limit=4)
        assert [await ask(connections) for _ in range(3)] == [(200, b"{}")] * 3
        connections.close()
    assert made == [0]
    lines = seen[0].decode().split("\r\n")
    assert lines[0] == "POST /base/x HTTP/1.1"
    assert lines[1] == f"host: {url.removeprefix('http://').removesuffix('/base')}"
    assert {"a: b", "content-length: 7", "content-type: application/json", '{"q":1}'} <= set(lines)


async def test_answers_in_pieces_chunks_and_without_length() -> None:
    answers = iter(
        [
            [b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}", b"\r\n3\r\nabc\r\n0\r\n\r\n"],
            [b"HTTP", b"/1.1 404 Not Found\r\nconte", b"nt-length: 4\r\n\r\nno", b"ne"],
            [b"HTTP/1.1 204 No Content\r\n\r\n"],
        ]
    )

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await read_request(reader)
            for piece in next(answers):
                writer.write(piece)
                await asyncio.sleep(0.01)

    async with server(serve) as (url, made):
        connections = Connections(url, limit=4)
        assert [await ask(connections) for _ in range(3)] == [(200, b"{}abc"), (404, b"none"), (204, b"")]
        connections.close()
    assert made == [0]


async def test_a_connection_the_server_just_closed_costs_nothing() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(GOOD)
        await read_request(reader)  # heard, never answered: the server goes away

    async with server(serve) as (url, made):
        connections = Connections(url, limit=4)
        for _ in range(5):
            assert await ask(connections) == (200, b"{}")
        connections.close()
    assert len(made) == 5


async def test_a_server_that_closes_after_each_answer() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(GOOD.replace(b"OK\r\n", b"OK\r\nconnection: close\r\n"))

    async with server(serve) as (url, made):
        connections = Connections(url, limit=4)
        assert [await ask(connections) for _ in range(3)] == [(200, b"{}")] * 3
    assert len(made) == 3


@pytest.mark.parametrize("answer", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf"])
async def test_a_broken_answer_is_a_failed_call(answer: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(answer)

    async with server(serve) as (url, made):
        connections = Connections(url, limit=1)
        for _ in range(3):
            with pytest.raises(ConnectionFailed):
                await ask(connections)
    assert len(made) == 3  # asked once each, and no place of the pool is lost


async def test_late_answers_belong_to_nobody() -> None:
    count = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal count
        while True:
            await read_request(reader)
            count += 1
            if count == 1:
                await asyncio.sleep(0.3)
            writer.write(GOOD.replace(b"{}", b"%02d" % count))

    async with server(serve) as (url, made):
        connections = Connections(url, limit=1)
        with pytest.raises(TimeoutError):
            await ask(connections, seconds=0.1)
        assert await ask(connections) == (200, b"02")
        assert len(made) == 2


async def test_no_more_connections_than_allowed_and_everybody_has_a_turn() -> None:
    most = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal most
        while True:
            await read_request(reader)
            # the client's own count: a server learns later that the connection of a cancelled call is closed
            most = max(most, connections._open)
            await asyncio.sleep(0.005)
            writer.write(GOOD)

    async with server(serve) as (url, _made):
        connections = Connections(url, limit=3)
        calls = [asyncio.create_task(ask(connections, seconds=10)) for _ in range(60)]
        await asyncio.sleep(0.02)
        for call in calls[::7]:
            call.cancel()
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        good = [outcome for outcome in outcomes if outcome == (200, b"{}")]
        assert len(good) >= 60 - len(calls[::7])
        assert most == 3
        assert await ask(connections) == (200, b"{}")
        assert connections._open <= 3
        connections.close()


async def test_nobody_there() -> None:
    connections = Connections("http://127.0.0.1:1", limit=1)
    for _ in range(3):
        with pytest.raises(ConnectionFailed):
            await ask(connections)


@pytest.mark.parametrize("value", ["a\r\nb: c", "a\nb", "a\rb", "a\0b"])
def test_a_header_is_one_line(value: str) -> None:
    with pytest.raises(ValueError, match="one line"):
        header_lines({"authorization": value})


@pytest.mark.parametrize("address", ["ftp://x", "nothing", "http://", ""])
def test_other_addresses_are_refused(address: str) -> None:
    with pytest.raises(ValueError, match="address"):
        Connections(address, limit=1)
