"""Bring YAML documents to the running platform; what is there already stays as it is.

Kinds: Source, Namespace, Segment, Ranks, Topic, Template, Creative, Campaign, Journey, Questionnaire. A document is
{kind, key, spec}, and for segments and journeys `publish: true`.
"""

import argparse
from pathlib import Path

import httpx

from kizuna_local.documents import Applier, Change, read_documents
from kizuna_local.home import Home

MARKS = {"create": "+", "change": "~", "none": "="}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-f", "--file", type=Path, required=True, action="append", help="a YAML file; may be repeated")
    parser.add_argument("--dry-run", action="store_true", help="only show what would change")


def run(arguments: argparse.Namespace) -> int:
    """Apply every file in the order given."""
    documents = [document for file in arguments.file for document in read_documents(file)]
    changed = 0
    with httpx.Client(timeout=30) as client:
        applier = Applier(client, Home.from_environment().credentials_file)
        for change in applier.apply(documents, dry_run=arguments.dry_run):
            _print(change)
            changed += change.action != "none"
    would = " would be" if arguments.dry_run else ""
    print(f"{len(documents)} documents, {changed}{would} changed.")
    return 0


def _print(change: Change) -> None:
    print(f"{MARKS[change.action]} {change.document}")
    for line in change.difference:
        print(f"    {line}")
