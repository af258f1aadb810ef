"""Who of the lists is who of the shop: identity links by likeness, a person looks at what it is not sure of."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from pathlib import Path

from kizuna_demo.errors import StoryError
from kizuna_demo.group_lists import GroupList
from kizuna_demo.imports import look_up
from kizuna_demo.platform import Json, Platform, chunks
from kizuna_demo.progress import Linked, Progress, save_progress
from kizuna_demo.truth import Record, compare_with_truth, people_by_customer
from kizuna_demo.waiting import wait_until
from kizuna_demo.world import World
from servicekit.clock import Clock

_COUNTED_WITHIN_SECONDS = 300
_ENDED = {"done", "failed", "cancelled"}
_RUN_FIGURES = (
    "records", "customers", "pairs_compared", "linked", "to_review", "precision_estimate", "recall_estimate",
    "started_at", "finished_at",
)  # fmt: skip
_CANDIDATES = "/v1/linking/candidates"
_LARGEST_PAGE = 1000
_LOOKED_AT = 100
"""Candidates, or customers, in which an example is sought."""


async def start_linking(platform: Platform, *, progress: Progress, directory: Path) -> None:
    """Ask for one run over everybody; a story told again finds the run it asked for."""
    if progress.linking_run is None:
        key = f"demo-{progress.today}-linking"
        accepted = await platform.post("identity", "/v1/linking/runs", {"kind": "full"}, idempotency_key=key)
        progress.linking_run = accepted["run_id"]
        save_progress(directory, progress)


async def finish_linking(
    platform: Platform,
    world: World,
    lists: Sequence[GroupList],
    *,
    progress: Progress,
    directory: Path,
    on_job: Callable[[Json], None],
) -> None:
    """Wait for the run, hold it against the truth, and decide as a person would on one candidate and one link.

    `on_job` hears how far the run's job is, whenever that changed.
    """
    run = await _wait_for_run(platform, progress, on_job)
    if progress.linked is None:
        records = await read_records(platform, world, lists)
        truth = compare_with_truth(records)
        undo, undone_was_wrong = await _find_to_undo(platform, records)
        progress.linked = Linked(
            run={name: run[name] for name in _RUN_FIGURES},
            joined=truth.joined,
            same=truth.same,
            right=truth.right,
            accept=await _find_to_accept(platform, records),
            undo=undo,
            undone_was_wrong=undone_was_wrong,
        )
        save_progress(directory, progress)
    await _decide(platform, progress.linked)


async def _wait_for_run(platform: Platform, progress: Progress, on_job: Callable[[Json], None]) -> Json:
    run = await platform.get("identity", f"/v1/linking/runs/{progress.linking_run}")
    await wait_until(
        lambda: platform.get("identity", f"/v1/jobs/{run['job_id']}"),
        lambda job: job["state"] in _ENDED,
        what="customers should be linked",
        on_change=on_job,
        patience_seconds=600,
    )
    run = await platform.get("identity", f"/v1/linking/runs/{progress.linking_run}")
    if run["state"] != "done":
        raise StoryError(f"The linking run is {run['state']}: {run['problem']}")
    return run


async def _find_to_accept(platform: Platform, records: Sequence[Record]) -> str | None:
    """The best candidate in review that is one person, as a look at both would show."""
    people = people_by_customer(records)
    page = await platform.get("identity", _CANDIDATES, state="review", first=_LOOKED_AT)
    for candidate in page["items"]:
        of_one, of_other = (people.get(candidate[side], set()) for side in ("customer_id", "other_customer_id"))
        if candidate["contradiction"] is None and of_one & of_other:
            return str(candidate["candidate_id"])
    return None


async def _find_to_undo(platform: Platform, records: Sequence[Record]) -> tuple[str | None, bool]:
    """A link that joined two people, with True; when there is none, the weakest link, with False."""
    mistaken = [customer_id for customer_id, people in people_by_customer(records).items() if len(people) > 1]
    for customer_id in sorted(mistaken)[:_LOOKED_AT]:
        page = await platform.get("identity", _CANDIDATES, state="linked", customer_id=customer_id)
        for candidate in page["items"]:
            decision = await platform.get("identity", f"/v1/decisions/{candidate['decision_id']}")
            if joined_two_people(records, customer_id, moved=set(decision["anchor_ids"])):
                return str(candidate["candidate_id"]), True
    page = await platform.get("identity", _CANDIDATES, state="linked", first=_LARGEST_PAGE)
    return (str(page["items"][-1]["candidate_id"]), False) if page["items"] else (None, False)


def joined_two_people(records: Iterable[Record], customer_id: str, *, moved: set[str]) -> bool:
    """Whether nobody whose records were moved had records with this customer before."""
    people: dict[bool, set[str]] = {True: set(), False: set()}
    for record in records:
        if record.customer_id == customer_id:
            people[record.anchor_id in moved].add(record.person)
    return all(people.values()) and people[True].isdisjoint(people[False])


async def _decide(platform: Platform, linked: Linked) -> None:
    """Accept one, take one back: what has been decided already stays so."""
    for candidate_id, action, why in (
        (linked.accept, "accept", "The same person: a look at both records shows it (demo)."),
        (linked.undo, "undo", "Two people: the customer says so at the counter (demo)."),
    ):
        if candidate_id is not None:
            await platform.post("identity", f"{_CANDIDATES}/{candidate_id}:{action}", {"why": why})


async def read_records(platform: Platform, world: World, lists: Iterable[GroupList]) -> list[Record]:
    """Everybody the shop or a list names, as identity sees them now."""
    named = [("user_id", {person.user_id: person.user_id for person in world.people})]
    named += [(listed.namespace, {one.number: one.person for one in listed.readable}) for listed in lists]
    return [
        Record(people[value], found["customer_id"], found["anchor_id"])
        for namespace, people in named
        for some in chunks(list(people))
        for value, found in (await look_up(platform, namespace, some)).items()
    ]


async def wait_for_coverage(platform: Platform, world: World, lists: Iterable[GroupList], *, clock: Clock) -> Json:
    """Coverage once it counts what was linked: identity counts a large base in the background, every minute or so."""
    decided_at = clock.now()
    known = len({record.customer_id for record in await read_records(platform, world, lists)})
    return await wait_until(
        lambda: platform.get("identity", "/v1/coverage"),
        lambda seen: bool(seen["known"] == known or datetime.fromisoformat(seen["computed_at"]) > decided_at),
        what=f"coverage should count {known} known customers",
        patience_seconds=_COUNTED_WITHIN_SECONDS,
    )
