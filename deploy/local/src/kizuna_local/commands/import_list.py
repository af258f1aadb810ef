"""Import a list of customers (CSV or NDJSON, also .gz) into the running platform.

The upload goes on after an interruption with --resume. Bad lines are named and the others taken.
"""

import argparse
import sys
from pathlib import Path

import httpx

from kizuna_local.errors import LauncherError
from kizuna_local.home import Home
from kizuna_local.uploads import ImportService, drawn_up, follow, open_file, upload

SHOWN_LINES = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path)
    parser.add_argument("--source", help="the source that brings it")
    parser.add_argument(
        "--mapping",
        action="append",
        default=[],
        metavar="COLUMN=TARGET",
        help="what a column is: user_id, anonymous_id, occurred_at, traits.<name>, external_ids.<namespace>, "
        "sha256.<namespace>; may be repeated",
    )
    parser.add_argument("--kind", choices=["customers", "id_syncs"], default="customers")
    parser.add_argument("--format", choices=["csv", "ndjson"], help="default: by the file's name")
    parser.add_argument("--encoding", choices=["auto", "utf-8", "cp932"], default="auto")
    parser.add_argument("--as-of", help="when the list was drawn up (ISO 8601; default: when the file was written)")
    parser.add_argument("--dry-run", action="store_true", help="say everything, change nothing")
    parser.add_argument("--resume", metavar="IMPORT_ID", help="go on with an upload that was interrupted")


def run(arguments: argparse.Namespace) -> int:
    """Bring the file and wait until it is read; 1 when it could not be read."""
    with httpx.Client(timeout=60) as client, open_file(arguments.file) as content:
        service = ImportService.from_credentials(client, Home.from_environment().credentials_file)
        import_id = arguments.resume or service.announce(_announcement(arguments))
        print(f"import {import_id}")
        for size in upload(service, import_id, content, offset=int(service.get(import_id)["size"])):
            _progress(f"{size} bytes sent")
        service.start(import_id)
        found = {"state": "failed"}
        for found in follow(service, import_id):
            _progress(f"{found['lines_read']} lines read, {found['accepted']} taken, {found['rejected']} not")
        print(f"\n{found['state']}{': ' + str(found['problem']) if found.get('problem') else ''}")
        for line in service.rejected_lines(import_id, first=SHOWN_LINES):
            print(f"  line {line['line']} {line['field']}: {line['detail']}")
    return 0 if found["state"] == "done" else 1


def _announcement(arguments: argparse.Namespace) -> dict[str, object]:
    mapping = dict(pair.rsplit("=", 1) for pair in arguments.mapping if "=" in pair)
    if arguments.source is None or not mapping:
        raise LauncherError("Name the source and what the columns are: --source SOURCE --mapping COLUMN=TARGET ...")
    name = arguments.file.name.removesuffix(".gz")
    return {
        "source_id": arguments.source,
        "kind": arguments.kind,
        "format": arguments.format or ("ndjson" if name.endswith((".ndjson", ".jsonl")) else "csv"),
        "encoding": arguments.encoding,
        "mapping": mapping,
        "as_of": arguments.as_of or drawn_up(arguments.file).isoformat(),
        "dry_run": arguments.dry_run,
    }


def _progress(text: str) -> None:
    if sys.stdout.isatty():
        print(f"\r{text}\033[K", end="", flush=True)
