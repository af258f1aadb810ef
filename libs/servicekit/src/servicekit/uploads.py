"""Files sent to a route: kept aside while they arrive, so that nobody's network holds a connection to the database.

A route that takes one names its own limit in `Service.body_limits`; all others keep `MAX_BODY_BYTES`.
"""

import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from tempfile import SpooledTemporaryFile
from typing import IO

from fastapi import Request
from starlette.requests import ClientDisconnect

from servicekit.errors import Invalid, TooLarge

PIECE = 64 * 1024
"""Bytes inflated, or read, at once."""
_IN_MEMORY = 1024 * 1024


@asynccontextmanager
async def received(request: Request, *, limit: int) -> AsyncIterator[IO[bytes]]:
    """Give a request's body as a file at its beginning, inflated if it is gzip; small ones stay in memory.

    Raises:
        TooLarge: it has, inflated, more than `limit` bytes. Invalid: it is not what `Content-Encoding` says, or ended
            early.
    """
    inflater = _inflater_for(request.headers.get("Content-Encoding", ""))
    with SpooledTemporaryFile(max_size=_IN_MEMORY) as file:
        size = 0
        try:
            async for sent in request.stream():
                for piece in [sent] if inflater is None else inflater.take(sent):
                    size += len(piece)
                    if size > limit:
                        raise TooLarge(f"A file has at most {limit} bytes, inflated. Send it in parts.")
                    file.write(piece)
        except ClientDisconnect:
            raise Invalid("The body ended early.", field="body") from None
        if inflater is not None:
            inflater.finish()
        file.seek(0)
        yield file


def _inflater_for(encoding: str) -> "Inflater | None":
    match encoding.strip().lower():
        case "" | "identity":
            return None
        case "gzip" | "x-gzip":
            return Inflater()
    raise Invalid("Send it as it is, or as gzip.", field="Content-Encoding")


class Inflater:
    """Inflates gzip of one or several members piece by piece, whatever they would inflate to all at once."""

    def __init__(self) -> None:
        self._member: zlib._Decompress | None = None
        self._has_any = False

    def take(self, data: bytes) -> Iterator[bytes]:
        """Take the next bytes as sent; give what they hold in pieces of at most PIECE bytes.

        Raises:
            Invalid: they are no gzip.
        """
        while data or self._member is not None:
            if self._member is None:
                self._member = zlib.decompressobj(16 + zlib.MAX_WBITS)
                self._has_any = True
            try:
                piece = self._member.decompress(data, PIECE)
            except zlib.error:
                raise _no_gzip() from None
            yield piece
            if self._member.eof:
                data, self._member = self._member.unused_data, None
                continue
            data = self._member.unconsumed_tail
            if not data and len(piece) < PIECE:
                return

    def finish(self) -> None:
        """Say that nothing more comes.

        Raises:
            Invalid: a member is not complete, or there was none.
        """
        if self._member is not None or not self._has_any:
            raise _no_gzip()


def _no_gzip() -> Invalid:
    return Invalid("The content is not complete gzip.", field="Content-Encoding")
