"""Messages in one append-only file, found again through a small index in memory.

A record is one line of JSON (the envelope, with the number of bytes that follow) and the message as it came in.
"""

import json
import os
from array import array
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MAX_HEADER_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Message:
    """A mail as SMTP delivered it. `id` counts from 1 in the order of arrival."""

    id: int
    sender: str
    recipients: tuple[str, ...]
    received_at: str
    content: bytes


class MailStore:
    """Append and read; one process only. What was answered with 250 is in the file, also when we are killed."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._file = (directory / "messages").open("a+b", buffering=0)
        self._offsets = array("Q")
        self._by_recipient: defaultdict[str, array[int]] = defaultdict(lambda: array("Q"))
        self._end = self._read_index()

    def __len__(self) -> int:
        return len(self._offsets)

    def append(self, *, sender: str, recipients: Sequence[str], received_at: str, content: bytes) -> int:
        """Store a message and return its id. `received_at` is ISO 8601."""
        envelope = {"sender": sender, "recipients": list(recipients), "received_at": received_at, "bytes": len(content)}
        record = json.dumps(envelope).encode() + b"\n" + content
        written = self._file.write(record)
        if written != len(record):
            self._file.truncate(self._end)
            raise OSError("the mailbox's disk is full")
        return self._remember(self._end, recipients, self._end + len(record))

    def read(self, message_id: int) -> Message | None:
        """The message of that id, None when there is none."""
        if not 1 <= message_id <= len(self._offsets):
            return None
        start = self._offsets[message_id - 1]
        end = self._offsets[message_id] if message_id < len(self._offsets) else self._end
        record = os.pread(self._file.fileno(), end - start, start)
        line, _, content = record.partition(b"\n")
        envelope = json.loads(line)
        return Message(
            id=message_id,
            sender=envelope["sender"],
            recipients=tuple(envelope["recipients"]),
            received_at=envelope["received_at"],
            content=content,
        )

    def ids(self, *, recipient: str | None = None, after: int = 0, limit: int) -> list[int]:
        """Up to `limit` ids greater than `after`, oldest first, of one recipient or of everybody."""
        if recipient is None:
            return list(range(after + 1, min(after + limit, len(self._offsets)) + 1))
        found = self._by_recipient.get(recipient.lower(), array("Q"))
        return [number for number in found if number > after][:limit]

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _remember(self, offset: int, recipients: Sequence[str], end: int) -> int:
        self._offsets.append(offset)
        message_id = len(self._offsets)
        for recipient in recipients:
            self._by_recipient[recipient.lower()].append(message_id)
        self._end = end
        return message_id

    def _read_index(self) -> int:
        """Read the envelopes of an existing file; a record cut off by a kill is dropped. Return the file's end."""
        self._end = 0
        for offset, envelope, end in self._records():
            self._remember(offset, envelope["recipients"], end)
        self._file.truncate(self._end)
        return self._end

    def _records(self) -> Iterator[tuple[int, dict[str, Any], int]]:  # Any: an envelope as JSON
        with open(self._file.fileno(), "rb", closefd=False, buffering=1024 * 1024) as file:
            size = file.seek(0, os.SEEK_END)
            offset = file.seek(0)
            while line := file.readline(MAX_HEADER_BYTES):
                try:
                    envelope = json.loads(line)
                    end = offset + len(line) + int(envelope["bytes"])
                except (ValueError, KeyError, TypeError):
                    return
                if end > size:
                    return
                yield offset, envelope, end
                offset = file.seek(end)
