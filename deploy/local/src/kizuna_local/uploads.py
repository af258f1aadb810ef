"""Files brought to identity's imports: announced, sent in pieces that can be sent again, started, followed."""

import gzip
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import sleep
from typing import Any, BinaryIO, cast

import httpx

from kizuna_local.documents import problem_text
from kizuna_local.errors import LauncherError
from kizuna_local.home import read_json

Json = dict[str, Any]  # Any: a JSON document

PIECE_BYTES = 4 * 1024 * 1024
ATTEMPTS = 5
ENDED = ("done", "failed", "cancelled")


@dataclass(frozen=True)
class ImportService:
    """Identity, as the launcher's credentials name it."""

    client: httpx.Client
    address: str
    token: str

    @classmethod
    def from_credentials(cls, client: httpx.Client, credentials_file: Path) -> "ImportService":
        """Raises LauncherError: the platform was never started."""
        credentials = read_json(credentials_file)
        if credentials is None:
            raise LauncherError(f"{credentials_file} is missing. Start the platform first: `kizuna up`.")
        return cls(client, str(credentials["identity"]), str(credentials["token"]))

    def announce(self, body: Json) -> str:
        """Announce an import and return its id."""
        return str(self._ask("POST", "", json=body)["import_id"])

    def get(self, import_id: str) -> Json:
        """Return how far an import is."""
        return self._ask("GET", f"/{import_id}")

    def start(self, import_id: str) -> None:
        """The content is complete."""
        self._ask("POST", f"/{import_id}:start")

    def rejected_lines(self, import_id: str, *, first: int, after: str | None = None) -> Json:
        """Return a page of the lines that could not be taken: `items`, and `next`, the cursor of the page after it."""
        params: Json = {"first": first} | ({} if after is None else {"after": after})
        return self._ask("GET", f"/{import_id}/lines", params=params)

    def send(self, import_id: str, piece: bytes, *, offset: int) -> int:
        """Send one piece and return the offset that is due next, which says whether it was taken."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                answer = self._request(
                    "PUT",
                    f"/{import_id}/content",
                    params={"offset": offset},
                    content=gzip.compress(piece, 1),
                    headers={"Content-Encoding": "gzip"},
                )
            except httpx.HTTPError:
                answer = None
            if answer is not None and answer.is_success:
                return int(answer.json()["size"])
            if answer is not None and answer.status_code == httpx.codes.CONFLICT:
                return int(self.get(import_id)["size"])  # it had been taken, only the answer was lost
            if answer is not None and not answer.is_server_error:
                raise LauncherError(f"The content was refused ({answer.status_code}): {problem_text(answer)}")
            sleep(0.2 * attempt)
        raise LauncherError(f"identity does not take the content. Go on later with --resume {import_id}.")

    def _ask(self, method: str, path: str, **arguments: Any) -> Json:  # what httpx takes
        try:
            answer = self._request(method, path, **arguments)
        except httpx.HTTPError as error:
            raise LauncherError(f"identity does not answer at {self.address} ({error}).") from error
        if not answer.is_success:
            raise LauncherError(f"The import was refused ({answer.status_code}): {problem_text(answer)}")
        return cast(Json, answer.json())

    def _request(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, **arguments: Any
    ) -> httpx.Response:
        authorization = {"Authorization": f"Bearer {self.token}"}
        url = f"{self.address}/v1/imports{path}"
        return self.client.request(method, url, headers={**authorization, **(headers or {})}, **arguments)


def open_file(file: Path) -> BinaryIO:
    """Open a file, unpacked when its name ends in .gz."""
    return cast(BinaryIO, gzip.open(file, "rb") if file.suffix == ".gz" else file.open("rb"))


def drawn_up(file: Path) -> datetime:
    """Return when a file was written last: what it says is not younger."""
    return datetime.fromtimestamp(file.stat().st_mtime, tz=UTC)


def upload(service: ImportService, import_id: str, content: BinaryIO, *, offset: int) -> Iterator[int]:
    """Send a file from `offset` on; tell how many bytes are there after each piece."""
    content.seek(offset)
    while piece := content.read(PIECE_BYTES):
        offset += len(piece)
        due = service.send(import_id, piece, offset=offset - len(piece))
        if due != offset:
            content.seek(due)
            offset = due
        yield offset


def follow(service: ImportService, import_id: str, wait: Callable[[float], None] = sleep) -> Iterator[Json]:
    """Tell how far an import is, until it has ended."""
    while True:
        found = service.get(import_id)
        yield found
        if found["state"] in ENDED:
            return
        wait(0.5)
