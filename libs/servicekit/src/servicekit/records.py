"""Reading lists: bytes become records, whatever a department's or a supplier's software wrote.

CSV by RFC 4180 and NDJSON, in UTF-8 or CP932 (Microsoft's Shift_JIS with the characters of NEC and IBM). Lines are cut
before they are decoded: in both encodings the bytes of `"`, `,`, CR and LF are never part of another character.
"""

import codecs
import csv
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

import msgspec

CSV, NDJSON = "csv", "ndjson"
UTF_8, CP932, AUTO = "utf-8", "cp932", "auto"

MAX_RECORD_BYTES = 64 * 1024
"""Twice what an event may have."""
MAX_RECORD_LINES = 100
"""A quote that is still open after so many lines was never meant to be one."""
MAX_COLUMNS = 1000
_TELLING_LINES = 1000
"""Not more of them are looked at to guess an encoding."""
_SURELY_SHORT = MAX_RECORD_BYTES // 4
"""Characters: none of them has more than four bytes."""

_BOM = codecs.BOM_UTF8
_NEWLINE, _QUOTE, _COMMA = b"\n", b'"', b","
_NO_LISTS = {
    b"\x1f\x8b": "It is gzip: unpack it, or send it with `Content-Encoding: gzip`.",
    b"PK\x03\x04": "It is a ZIP archive, as Excel's workbooks are: save it as CSV in UTF-8.",
    b"\xd0\xcf\x11\xe0": "It is a workbook of Excel: save it as CSV in UTF-8.",
    b"\xff\xfe": "It is UTF-16: save it as UTF-8.",
    b"\xfe\xff": "It is UTF-16: save it as UTF-8.",
}
"""What files begin with that are sent by mistake -> what to do. No text in UTF-8 or CP932 begins so."""
_UNDECODABLE = re.compile("[\uf8f0-\uf8f3]")
"""What CP932 makes of bytes that stand for nothing (A0, FD-FF)."""

_object_decoder = msgspec.json.Decoder(dict[str, Any])


class Record(NamedTuple):
    """One record, and the line it begins at (the first line of a file is 1). `problem`: it cannot be read."""

    line: int
    values: Sequence[str] | dict[str, Any]
    """CSV: the fields in order. NDJSON: the object."""
    problem: str | None


class Stretch(NamedTuple):
    """Records of a line each, one line after the other, that can all be read: many at once is several times faster."""

    line: int
    """The first one's."""
    values: Sequence[Sequence[str] | dict[str, Any]]
    """Of each, as of a Record; of a CSV as many fields as columns."""


class UnreadableHeader(Exception):
    """The first record of a CSV names no columns, or the file is no text."""


def guess_encoding(beginning: bytes, *, is_all: bool) -> str:
    """Return `utf-8` when the beginning of a file is that, else `cp932`.

    A broken character makes no other file of it: then most lines decide, of those that tell the two apart. Else many
    other lines would be read as what nobody wrote, for CP932 knows most pairs of bytes.
    """
    if beginning.startswith(_BOM) or _is_utf_8(beginning, is_all=is_all):
        return UTF_8
    telling = list(islice((line for line in beginning.split(_NEWLINE) if not line.isascii()), _TELLING_LINES))
    return UTF_8 if sum(map(_is_utf_8, telling)) * 2 > len(telling) else CP932


def _is_utf_8(data: bytes, *, is_all: bool = True) -> bool:
    try:
        codecs.getincrementaldecoder(UTF_8)("strict").decode(data, final=is_all)
    except UnicodeDecodeError:
        return False
    return True


class RecordReader:
    """Cuts a file that arrives in pieces into records; the memory it needs is bounded by MAX_RECORD_BYTES.

    `offset` and `line` say where the next record begins: a reader made with them goes on there. A broken record is
    reported, and reading goes on at the next line: one open quote does not swallow the rest of the file.
    """

    def __init__(
        self,
        *,
        file_format: str,
        encoding: str,
        columns: Sequence[str] | None = None,
        offset: int = 0,
        line: int = 1,
    ) -> None:
        self.offset = offset
        self.line = line
        self.columns = columns
        """Of a CSV, once its first record was read."""
        self._is_csv = file_format == CSV
        self.encoding = encoding
        self._buffer = bytearray()
        self._is_skipping = False
        self._one_by_one_until = 0
        """The offset up to which what was looked at is no stretch."""

    def feed(self, data: bytes) -> Iterator[Record]:
        """Take the next piece of the file; give the records that are complete with it.

        Take all of them before the next piece. Between two of them `offset` and `line` hold.

        Raises:
            UnreadableHeader: the columns cannot be read.
        """
        self._buffer += data
        return self._records(is_last=False)

    def finish(self) -> Iterator[Record]:
        """Give what is left when the file has ended: a last line may lack its newline.

        Raises:
            UnreadableHeader: the columns cannot be read.
        """
        return self._records(is_last=True)

    def feed_stretches(self, data: bytes, *, is_last: bool = False) -> Iterator[Stretch | Record]:
        """As `feed`, or `finish` if nothing follows; what has nothing unusual about it is given many lines at once.

        Raises:
            UnreadableHeader: the columns cannot be read.
        """
        self._buffer += data
        while self._buffer:
            stretch = self._stretch()
            if stretch is not None:
                yield stretch
                continue
            for record in self._records(is_last=is_last):
                yield record
                if self.offset >= self._one_by_one_until:
                    break
            else:
                return

    def _stretch(self) -> Stretch | None:
        """Take all lines that are there; None: one of them must be looked at by itself, or more must come."""
        end = self._buffer.rfind(_NEWLINE) + 1
        is_at_header = self.offset == 0 or (self._is_csv and self.columns is None)
        if end == 0 or is_at_header or self._is_skipping or self.offset < self._one_by_one_until:
            return None
        values = self._plain_values(bytes(self._buffer[: end - 1]))
        if values is None:
            self._one_by_one_until = self.offset + end
            return None
        stretch = Stretch(self.line, values)
        self._take(end, len(values))
        return stretch

    def _plain_values(self, data: bytes) -> Sequence[list[str] | dict[str, Any]] | None:
        """Return what stands on each of these lines; None unless each of them is a record without problems.

        As many rows as lines: no record begins on one line and ends on another, so each is what it is by itself.
        """
        try:
            text = data.decode(self.encoding)
        except UnicodeDecodeError:
            return None
        lines = text.split("\n")
        if max(map(len, lines)) >= _SURELY_SHORT or (self.encoding == CP932 and _UNDECODABLE.search(text)):
            return None
        try:
            if not self._is_csv:
                return list(map(_object_decoder.decode, lines))
            rows = list(csv.reader(lines, strict=True))
        except (csv.Error, msgspec.DecodeError, ValueError, RecursionError):
            return None
        columns = len(self.columns or ())
        # a blank line has one field, or none
        return rows if columns > 1 and len(rows) == len(lines) and set(map(len, rows)) == {columns} else None

    def _records(self, *, is_last: bool) -> Iterator[Record]:
        while self._buffer:
            if self.offset == 0 and not self._skip_bom(is_last=is_last):
                return
            if self._is_skipping:
                record = self._skip_line(is_last=is_last)
            else:
                lines = self._complete_lines(is_last=is_last)
                if lines == 0:
                    return
                record = self._read(lines)
            if record is not None:
                yield record

    def _skip_bom(self, *, is_last: bool) -> bool:
        """False: too little is there to tell.

        Raises:
            UnreadableHeader: what begins so is no text.
        """
        for beginning, advice in _NO_LISTS.items():
            if self._buffer.startswith(beginning):
                raise UnreadableHeader(f"The file cannot be read. {advice}")
        if len(self._buffer) < len(_BOM) and not is_last and _BOM.startswith(self._buffer):
            return False
        if self._buffer.startswith(_BOM):
            self._drop(len(_BOM))
        return True

    def _drop(self, size: int) -> None:
        del self._buffer[:size]
        self.offset += size

    def _skip_line(self, *, is_last: bool) -> Record | None:
        """Go past a line that is too long, piece by piece; report it once its end is reached."""
        end = self._buffer.find(_NEWLINE)
        self._drop(len(self._buffer) if end < 0 else end + 1)
        if end < 0 and not is_last:
            return None
        line, self.line, self._is_skipping = self.line, self.line + 1, False
        return Record(line, (), f"The line is longer than {MAX_RECORD_BYTES} bytes.")

    def _complete_lines(self, *, is_last: bool) -> int:
        """How many lines the next record has; 0: more of the file must come.

        A quote still open after too many lines or bytes: as many as were looked at. Nothing behind MAX_RECORD_BYTES is
        looked at, so that the same file gives the same records in whatever pieces it arrives.
        """
        position = lines = 0
        is_open = False
        while True:
            end = self._buffer.find(_NEWLINE, position, MAX_RECORD_BYTES)
            if end < 0:
                if len(self._buffer) >= MAX_RECORD_BYTES:
                    return max(lines, 1)
                return lines + (position < len(self._buffer)) if is_last else 0
            lines += 1
            is_open = self._is_csv and _is_open_after(self._buffer, position, end, is_open=is_open)
            position = end + 1
            if not is_open or lines >= MAX_RECORD_LINES:
                return lines

    def _read(self, lines: int) -> Record | None:
        """Read the record that the next `lines` lines make; None: there was none on them, or it was the header."""
        first, size = self._sizes(lines)
        if size > MAX_RECORD_BYTES or (size == MAX_RECORD_BYTES and self._buffer[size - 1] != _NEWLINE[0]):
            self._is_skipping = True
            return None
        text, line = bytes(self._buffer[:size]), self.line
        if not text.strip():
            self._take(size, lines)
            return None
        values, problem, is_whole = self._parse(text, lines)
        self._take(*((size, lines) if is_whole else (first, 1)))
        if self._is_csv and self.columns is None:
            self.columns = _columns(values, problem)
            return None
        return Record(line, values, problem)

    def _sizes(self, lines: int) -> tuple[int, int]:
        """Return the size of the first of the next lines, and of all of them."""
        first = size = 0
        for _ in range(lines):
            end = self._buffer.find(_NEWLINE, size)
            size = len(self._buffer) if end < 0 else end + 1
            first = first or size
        return first, size

    def _take(self, size: int, lines: int) -> None:
        self._drop(size)
        self.line += lines

    def _parse(self, text: bytes, lines: int) -> tuple[Sequence[str] | dict[str, Any], str | None, bool]:
        """Return (values, problem, whether all lines belong to the record: if not, only the first one is given up)."""
        try:
            decoded = text.decode(self.encoding)
        except UnicodeDecodeError as error:
            return (
                (),
                f"Byte {error.start + 1} of the record is not {self.encoding}.",
                lines == 1 or self._is_closed(text),
            )
        if self.encoding == CP932 and _UNDECODABLE.search(decoded):
            return (), "A byte of the record stands for no character of cp932.", lines == 1 or self._is_closed(text)
        if not self._is_csv:
            return self._parse_object(decoded)
        try:
            [values] = csv.reader([decoded], strict=True)
        except (csv.Error, ValueError):
            return (), _quoting_problem(decoded), lines == 1
        miscounted = None if self.columns is None else _count_problem(values, len(self.columns))
        return values, miscounted, lines == 1 or miscounted is None

    def _parse_object(self, decoded: str) -> tuple[dict[str, Any], str | None, bool]:
        try:
            return _object_decoder.decode(decoded), None, True
        except (msgspec.DecodeError, ValueError, RecursionError):
            return {}, "Not a JSON object.", True

    def _is_closed(self, text: bytes) -> bool:
        """Whether the quotes of a record of several lines are closed: then the record ends where they say."""
        return not _is_open_after(text, 0, len(text), is_open=False)


def _is_open_after(data: bytes | bytearray, start: int, end: int, *, is_open: bool) -> bool:
    """Whether a quoted field goes on behind `end`, if one was open (or a field begins) at `start`."""
    position = start
    if not is_open and data.find(_QUOTE, start, end) < 0:
        return False
    while position < end:
        if is_open:
            quote = data.find(_QUOTE, position, end)
            if quote < 0:
                return True
            if data[quote + 1 : quote + 2] == _QUOTE and quote + 1 < end:
                position = quote + 2
                continue
            is_open, position = False, quote + 1
        elif data[position : position + 1] == _QUOTE:
            is_open, position = True, position + 1
            continue
        comma = data.find(_COMMA, position, end)
        if comma < 0:
            return False
        position = comma + 1
    return is_open


def _columns(values: Sequence[str] | dict[str, Any], problem: str | None) -> tuple[str, ...]:
    names = tuple(str(name).strip() for name in values)
    if problem is not None:
        raise UnreadableHeader(f"The first line names the columns, and cannot be read: {problem}")
    if len(names) > MAX_COLUMNS:
        raise UnreadableHeader(f"The first line names more than {MAX_COLUMNS} columns.")
    return names


def _quoting_problem(text: str) -> str:
    if '"' not in text and "\r" in text:
        return "A carriage return stands in the line: lines end with LF, or with CR and LF."
    return "A quote is not closed, or something follows a closed one."


def _count_problem(values: list[str], columns: int) -> str | None:
    """Fields beyond the columns may be there as long as nothing is in them."""
    if len(values) < columns or any(values[columns:]):
        return f"{len(values)} fields instead of {columns}."
    return None
