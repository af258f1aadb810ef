"""Import a file of a department's system (CSV or NDJSON, also .gz) into the running platform: customers, ids that
belong together, or events such as orders and visits.

The upload goes on after an interruption with --resume. Bad lines are named and the others taken.
"""

import argparse
import csv
import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from kizuna_local.errors import LauncherError
from kizuna_local.home import Home
from kizuna_local.uploads import ImportService, Json, drawn_up, follow, open_file, upload

SHOWN_LINES = 20
TYPES = ("text", "number", "boolean", "date", "datetime")
_LIST = re.compile(
    r"(?P<to>(?:traits|properties)\..+):list(?:\((?P<separator>.+)\))?(?::(?P<elements>text|number))?", re.DOTALL
)
"""`properties.tags:list(|)`, `traits.sizes:list(;):number`."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path)
    parser.add_argument("--source", help="the source that brings it")
    parser.add_argument(
        "--mapping",
        action="append",
        default=[],
        metavar="COLUMN=TARGET[:TYPE]",
        help="what a column is: user_id, anonymous_id, occurred_at, traits.<name>, external_ids.<namespace>, "
        "sha256.<namespace>; of events also event, record_id, properties.<name>; may be repeated. Traits and "
        f"properties have a type: {', '.join(TYPES)} (CSV holds text, and text counts in no sum), or list(SEPARATOR), "
        "list(SEPARATOR):number",
    )
    parser.add_argument(
        "--constant",
        action="append",
        default=[],
        metavar="TARGET=VALUE",
        help="what is the same in every record, such as properties.currency=JPY; numbers, true and false are such, "
        "unless quoted; may be repeated",
    )
    parser.add_argument("--event", metavar="NAME", help="what happened, of a file of events: --constant event=NAME")
    parser.add_argument("--settings", type=Path, help="a JSON file with the body of POST /v1/imports, or part of it")
    parser.add_argument("--kind", choices=["customers", "id_syncs", "events"], help="default: customers")
    parser.add_argument("--format", choices=["csv", "ndjson"], help="default: by the file's name")
    parser.add_argument("--encoding", choices=["auto", "utf-8", "cp932"], help="default: auto")
    parser.add_argument("--time-zone", help="where times without an offset are meant; default: the platform's")
    parser.add_argument("--as-of", help="when the list was drawn up (ISO 8601; default: when the file was written)")
    parser.add_argument("--dry-run", action="store_true", help="say everything, change nothing")
    parser.add_argument("--rejected", type=Path, metavar="FILE", help="write all lines that were not taken to a CSV")
    parser.add_argument("--resume", metavar="IMPORT_ID", help="go on with an upload that was interrupted")


def run(arguments: argparse.Namespace) -> int:
    """Bring the file and wait until it is read and resolved; 1 when it could not be read."""
    with httpx.Client(timeout=60) as client, open_file(arguments.file) as content:
        service = ImportService.from_credentials(client, Home.from_environment().credentials_file)
        import_id = arguments.resume or service.announce(_announcement(arguments))
        print(f"import {import_id}")
        for size in upload(service, import_id, content, offset=int(service.get(import_id)["size"])):
            _progress(f"{size} bytes sent")
        service.start(import_id)
        found: Json = {"state": "failed"}
        for found in follow(service, import_id):
            _progress(f"{100 * found['bytes_read'] // max(found['size'], 1)} % read: {_counts(found)}")
        _say_end(found)
        for line in service.rejected_lines(import_id, first=SHOWN_LINES)["items"]:
            print(f"  line {line['line']} {line['field']}: {line['detail']}")
        if arguments.rejected is not None:
            _write_rejected(service, import_id, arguments.rejected)
    return 0 if found["state"] == "done" else 1


def _announcement(arguments: argparse.Namespace) -> Json:
    said = _settings(arguments.settings)
    mapping = said.get("mapping", {}) | dict(_column(pair) for pair in arguments.mapping)
    constants = said.get("constants", {}) | dict(_constant(pair) for pair in arguments.constant)
    if arguments.event is not None:
        constants["event"] = arguments.event
    flags = {
        "source_id": arguments.source,
        "kind": arguments.kind,
        "format": arguments.format,
        "encoding": arguments.encoding,
        "time_zone": arguments.time_zone,
        "as_of": arguments.as_of,
        "dry_run": arguments.dry_run or None,
    }
    said |= {name: value for name, value in flags.items() if value is not None}
    if "source_id" not in said or not mapping:
        raise LauncherError("Name the source and what the columns are: --source SOURCE --mapping COLUMN=TARGET ...")
    name = arguments.file.name.removesuffix(".gz")
    said.setdefault("format", "ndjson" if name.endswith((".ndjson", ".jsonl")) else "csv")
    said.setdefault("as_of", drawn_up(arguments.file).isoformat())
    return said | {"mapping": mapping} | ({"constants": constants} if constants else {})


def _settings(file: Path | None) -> Json:
    if file is None:
        return {}
    try:
        said = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise LauncherError(f"{file} cannot be read as JSON: {error}.") from error
    if not isinstance(said, dict):
        raise LauncherError(f"{file} holds no JSON object.")
    return said


def _column(pair: str) -> tuple[str, str | Mapping[str, str]]:
    """A column and its target; the column may hold `=`, a target does not."""
    column, equals, target = pair.rpartition("=")
    if not equals:
        raise LauncherError(f"--mapping {pair}: say what the column is, COLUMN=TARGET.")
    if found := _LIST.fullmatch(target):
        return column, {"type": "list"} | {name: said for name, said in found.groupdict().items() if said is not None}
    name, colon, type_name = target.rpartition(":")
    if colon and _LIST.fullmatch(name):
        raise LauncherError(f"--mapping {pair}: the elements of a list are text or number.")
    if colon and type_name in TYPES:
        return column, {"to": name, "type": type_name}
    if colon and name.startswith(("traits.", "properties.")):  # mistyped, it would be part of the name
        known = ", ".join([*TYPES, "list(SEPARATOR)"])
        raise LauncherError(
            f"--mapping {pair}: {type_name} is no type. One of {known}; :text after a name with a colon."
        )
    return column, target


def _constant(pair: str) -> tuple[str, Any]:  # a JSON scalar
    target, equals, value = pair.partition("=")
    if not equals:
        raise LauncherError(f"--constant {pair}: say its value, TARGET=VALUE.")
    try:
        said = json.loads(value)
    except ValueError:
        return target, value
    return target, said if isinstance(said, str | int | float | bool) else value


def _counts(found: Json) -> str:
    repeated = f" ({found['repeated']} of them before)" if found.get("repeated") else ""
    return f"{found['lines_read']} lines read, {found['accepted']} taken{repeated}, {found['rejected']} not"


def _say_end(found: Json) -> None:
    problem = f": {found['problem']}" if found.get("problem") else f": {_counts(found)}"
    print(f"{chr(10) if sys.stdout.isatty() else ''}{found['state']}{problem}")
    for event in found.get("sample", ()):
        said = [f"{name} ({kind})" for name, kind in (event["traits"] | event["properties"]).items()]
        print(f"  would be {event['event'] or event['type']} of {', '.join(event['identifiers'])}: {', '.join(said)}")


def _write_rejected(service: ImportService, import_id: str, file: Path) -> None:
    after: str | None = None
    with file.open("w", encoding="utf-8", newline="") as opened:
        writer = csv.writer(opened)
        writer.writerow(["line", "column", "detail"])
        while True:
            page = service.rejected_lines(import_id, first=1000, after=after)
            writer.writerows([line["line"], line["field"], line["detail"]] for line in page["items"])
            after = page.get("next")
            if after is None:
                return


def _progress(text: str) -> None:
    if sys.stdout.isatty():
        print(f"\r{text}\033[K", end="", flush=True)
