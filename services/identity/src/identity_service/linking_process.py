"""The scoring of a run of probabilistic linking, in a process of its own: `python -m identity_service.linking_process`.

It is told its task by standard input and answers by standard output: JSON objects, each after its length (4 bytes, the
highest first). Task: database_url, upper, lower, engine, spark_master, across_entities, since, until, model. Answers:
`{"pairs": [...]}` any number of times, then `{"figures": {...}}`; or `{"problem": "a sentence"}`.

It ends when its standard input does, that is, with the process that started it. It writes nothing to the database.
"""

import asyncio
import json
import os
import struct
import sys
import threading
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple
from uuid import UUID

import asyncpg

from identity_service.linking.results import (
    PERSON_FIELDS,
    FieldAgreement,
    LinkingEngineMissing,
    LinkingFigures,
    LinkingResult,
    LinkingSettings,
    ScoredPair,
    UnusableRecords,
)
from identity_service.repository import scoring as repository
from identity_service.rules.linking import compartments

if TYPE_CHECKING:
    import pyarrow as pa

Json = dict[str, Any]  # the task and the answers, as the module's docstring says

_PAIRS_PER_MESSAGE = 500
_COLUMNS = ("record_id", "customer_id", "source_id", *PERSON_FIELDS)


class Compartment(NamedTuple):
    """Legal entities whose records may all be compared with each other, and these records."""

    entities: frozenset[str]
    records: "pa.Table"

    @property
    def name(self) -> str:
        """Under which its model is kept from run to run."""
        return json.dumps(sorted(self.entities), ensure_ascii=False)


class Base(NamedTuple):
    """What is scored, as of one moment."""

    compartments: list[Compartment]
    changed: frozenset[str] | None
    """Customers to score against all; None: all against all."""
    apart: frozenset[tuple[str, str]]


def main() -> None:
    """Take a task, answer, end."""
    answers = _keep_answers_apart()
    (length,) = struct.unpack(">I", sys.stdin.buffer.read(4))
    task: Json = json.loads(sys.stdin.buffer.read(length))
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        for answer in _answers(task):
            _say(answers, answer)
    except (LinkingEngineMissing, UnusableRecords) as error:
        _say(answers, {"problem": f"{error}"})
    except Exception as error:  # noqa: BLE001 - whatever it is, the run must learn of it; messages may be personal
        from servicekit.workers import describe

        _say(answers, {"problem": f"Scoring failed: {describe(error)}."})


def _keep_answers_apart() -> BinaryIO:
    """Give standard output to the answers alone: what libraries print goes to standard error."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return answers


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(1)


def _say(answers: BinaryIO, answer: Json) -> None:
    body = json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode()
    answers.write(struct.pack(">I", len(body)) + body)
    answers.flush()


def _answers(task: Json) -> Iterator[Json]:
    base = asyncio.run(_read_base(task))
    results = {one.name: _score(one, base, task) for one in base.compartments}
    pairs = _best_of(pair for result in results.values() for pair in result.pairs)
    holders = asyncio.run(_find_oldest_anchors(task, pairs))
    named = _named_by_anchors(pairs, holders, _RecordsOf(base, pairs))
    while batch := list(islice(named, _PAIRS_PER_MESSAGE)):
        yield {"pairs": batch}
    yield {"figures": _figures(base, results)}


async def _read_base(task: Json) -> Base:
    """Read everything that is compared, as of one moment."""
    connection = await asyncpg.connect(task["database_url"], server_settings={"application_name": "identity-linking"})
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            sources = await repository.find_record_sources(connection)
            until = datetime.fromisoformat(task["until"])
            permits = await repository.find_permits(connection, at=until)
            groups = compartments(
                {source.legal_entity for source in sources}, permits, across_entities=task["across_entities"]
            )
            tables = [Compartment(group, await _read_records(connection, sorted(group))) for group in groups]
            changed = None
            if task["since"]:
                since = datetime.fromisoformat(task["since"])
                found = await repository.find_changed_customers(connection, since=since, until=until)
                changed = frozenset(str(customer_id) for customer_id in found)
            apart = await repository.find_apart(connection)
    finally:
        await connection.close()
    used = [one for one in tables if one.records.num_rows]
    return Base(used, changed, frozenset((str(one), str(other)) for one, other in apart))


async def _read_records(connection: asyncpg.Connection, entities: Sequence[str]) -> "pa.Table":
    """Stream the person records of these legal entities into a table, without holding them as rows."""
    reading, writing = os.pipe()
    parsing = asyncio.create_task(asyncio.to_thread(_parse, reading))
    with os.fdopen(writing, "wb") as pipe:

        async def write(data: bytes) -> None:
            pipe.write(data)  # waits for the parser, which has a thread of its own

        await repository.copy_records(connection, entities, write)
    return await parsing


def _parse(descriptor: int) -> "pa.Table":
    import pyarrow as pa
    from pyarrow import csv

    with os.fdopen(descriptor, "rb") as pipe:
        return csv.read_csv(
            pipe,
            parse_options=csv.ParseOptions(newlines_in_values=True),
            convert_options=csv.ConvertOptions(
                column_types=dict.fromkeys(_COLUMNS, pa.string()),
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )


def _score(compartment: Compartment, base: Base, task: Json) -> LinkingResult:
    from identity_service.linking.engine import link

    settings = LinkingSettings(
        upper=task["upper"], lower=task["lower"], engine=task["engine"], spark_master=task["spark_master"]
    )
    return link(
        compartment.records,
        settings=settings,
        changed_customers=base.changed,
        kept_apart=base.apart,
        model=(task["model"] or {}).get(compartment.name),
    )


def _best_of(pairs: Iterable[ScoredPair]) -> list[ScoredPair]:
    """Return each pair of customers once, as the compartment with the best score for it has it; the best first."""
    best: dict[tuple[str, str], ScoredPair] = {}
    for pair in pairs:
        key = pair.customer_id, pair.other_customer_id
        known = best.get(key)
        if known is None or (pair.outcome, -pair.score) < (known.outcome, -known.score):  # "link" before "review"
            best[key] = pair
    return sorted(best.values(), key=lambda pair: (-pair.score, pair.customer_id, pair.other_customer_id))


async def _find_oldest_anchors(task: Json, pairs: Sequence[ScoredPair]) -> dict[str, UUID]:
    """Return the oldest anchor of each scored customer that still is one."""
    asked = {customer for pair in pairs for customer in (pair.customer_id, pair.other_customer_id)}
    connection = await asyncpg.connect(task["database_url"], server_settings={"application_name": "identity-linking"})
    try:
        found = await repository.find_oldest_anchors(connection, [UUID(customer) for customer in asked])
    finally:
        await connection.close()
    return {str(customer_id): anchor_id for customer_id, anchor_id in found.items()}


class _RecordsOf:
    """The person records of the customers in some pairs: which of them was compared."""

    def __init__(self, base: Base, pairs: Sequence[ScoredPair]) -> None:
        asked = {customer for pair in pairs for customer in (pair.customer_id, pair.other_customer_id)}
        self._rows: dict[str, dict[str, Json]] = {}
        for compartment in base.compartments:
            for row in _rows_of(compartment.records, asked):
                self._rows.setdefault(row["customer_id"], {})[row["record_id"]] = row

    def saying(self, customer_id: str, values: Sequence[tuple[Sequence[str], str | None]]) -> str:
        """Return the record of a customer that says these values (of these parts), the first by its id."""
        rows = self._rows[customer_id]
        return max(sorted(rows), key=lambda record_id: sum(_said(rows[record_id], *value) for value in values))


def _said(row: Json, parts: Sequence[str], value: str | None) -> bool:
    return (" ".join(said for part in parts if (said := row.get(part))) or None) == value


def _rows_of(records: "pa.Table", customer_ids: Collection[str]) -> Iterator[Json]:
    import pyarrow as pa
    from pyarrow import compute

    wanted = compute.is_in(records["customer_id"], value_set=pa.array(sorted(customer_ids), pa.string()))
    for batch in records.filter(wanted).to_batches():
        yield from batch.to_pylist()


def _named_by_anchors(
    pairs: Sequence[ScoredPair], oldest_anchors: dict[str, UUID], records: _RecordsOf
) -> Iterator[Json]:
    """Say each pair by its customers' oldest anchors (the smaller first) and by the records that hold the values."""
    for pair in pairs:
        one, other = oldest_anchors.get(pair.customer_id), oldest_anchors.get(pair.other_customer_id)
        if one is not None and other is not None:
            yield _named(pair, one, other, records)


def _named(pair: ScoredPair, anchor: UUID, other_anchor: UUID, records: _RecordsOf) -> Json:
    parts = [_parts_of(field) for field in pair.fields]
    values = [(names, field.value) for names, field in zip(parts, pair.fields, strict=True)]
    other_values = [(names, field.other_value) for names, field in zip(parts, pair.fields, strict=True)]
    sides = [
        (str(anchor), _split(records.saying(pair.customer_id, values))),
        (str(other_anchor), _split(records.saying(pair.other_customer_id, other_values))),
    ]
    (one, record), (other, other_record) = sorted(sides)
    return {
        "anchor_id": one,
        "other_anchor_id": other,
        "record": record,
        "other_record": other_record,
        "score": pair.score,
        "outcome": pair.outcome,
        "contradiction": pair.contradiction,
        "fields": [
            {"field": field.field, "parts": names, "agreement": field.agreement, "weight": field.weight}
            for names, field in zip(parts, pair.fields, strict=True)
        ],
    }


def _parts_of(field: FieldAgreement) -> list[str]:
    """Return the fields of a person record that are compared together under this name."""
    from identity_service.linking.comparisons import person_traits

    parts = {trait.name: list(trait.fields) for trait in person_traits(())}
    return parts.get(field.field, [field.field])


def _split(record_id: str) -> list[str]:
    """Return [anchor, source] of a record id."""
    anchor, _, source = record_id.partition("/")
    return [anchor, source]


def _figures(base: Base, results: dict[str, LinkingResult]) -> Json:
    figures = [result.figures for result in results.values()]
    customers: set[str] = set()
    for compartment in base.compartments:
        customers.update(compartment.records["customer_id"].unique().to_pylist())
    return {
        "records": sum(one.records for one in figures),
        "customers": len(customers),
        "customers_scored": len(customers if base.changed is None else customers & base.changed),
        "pairs_compared": sum(one.pairs_compared for one in figures),
        "precision_estimate": _weighted([(one.precision_estimate, one.linked) for one in figures]),
        "recall_estimate": _weighted([(one.recall_estimate, _true_pairs(one)) for one in figures]),
        "estimated_by": " ".join(dict.fromkeys(one.estimated_by for one in figures)),
        "model": {name: result.model for name, result in results.items()},
    }


def _true_pairs(figures: LinkingFigures) -> float:
    """How many pairs are one person by a run's own estimate: of these its recall speaks."""
    if not figures.recall_estimate or figures.precision_estimate is None:
        return 1.0
    return figures.linked * figures.precision_estimate / figures.recall_estimate


def _weighted(estimates: Sequence[tuple[float | None, float]]) -> float | None:
    """Return the mean of the estimates there are, each by its weight."""
    there = [(estimate, weight or 1e-9) for estimate, weight in estimates if estimate is not None]
    total = sum(weight for _, weight in there)
    return sum(estimate * weight for estimate, weight in there) / total if there else None


if __name__ == "__main__":
    main()
