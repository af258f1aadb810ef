"""The chapter "Who is this?": a group company's lists, a partner's ids, and linking by likeness beside the journey."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from kizuna_demo.group_lists import GroupList, group_lists
from kizuna_demo.imports import bring_list, wait_until_known
from kizuna_demo.linking import finish_linking, start_linking, wait_for_coverage
from kizuna_demo.narration import Bar, Narrator
from kizuna_demo.partner import NAMESPACE, id_syncs, sync_ids
from kizuna_demo.platform import Json, Platform
from kizuna_demo.progress import ImportedList, Progress, save_progress
from kizuna_demo.world import World
from servicekit.clock import Clock

_WAIT_FOR_COUNT_SECONDS = 40.0
"""Identity counts a large base at times of its own; the figures say when it did."""


async def learn_of_others(
    platform: Platform, world: World, *, progress: Progress, directory: Path, clock: Clock, narrator: Narrator
) -> None:
    """The group company's lists come as files, the partner's ids as signed webhooks; then all of it is resolved."""
    lists = group_lists(world)
    dmp_ids = [link["identifiers"][0]["value"] for link in id_syncs(world)]
    progress.lists = [await _bring(platform, world, listed, narrator=narrator) for listed in lists]
    with narrator.step("Partner's DMP: ids, by hashed addresses", total=len(dmp_ids)) as bar:
        progress.synced = await sync_ids(platform, world, clock=clock, on_progress=bar.advance)
    with narrator.step("Everybody on them is somebody"):
        for listed in lists:
            await wait_until_known(platform, listed.namespace, [one.number for one in listed.readable])
        await wait_until_known(platform, NAMESPACE, dmp_ids)
    save_progress(directory, progress)


async def _bring(platform: Platform, world: World, listed: GroupList, *, narrator: Narrator) -> ImportedList:
    with narrator.step(listed.title, total=listed.lines) as bar:
        return await bring_list(platform, world, listed, on_progress=bar.reach)


class LinkingBeside:
    """Linking that goes on beside other steps; shown once those are over."""

    def __init__(self) -> None:
        self._job: Json = {}
        self._bar: Bar | None = None

    def hear(self, job: Json) -> None:
        """So far is the run's job."""
        self._job = job
        if self._bar and job["total"]:
            self._bar.aim(job["total"])
            self._bar.reach(job["done"])

    async def follow(self, linking: Awaitable[None], bar: Bar) -> None:
        """Show how far it is until it is over."""
        self._bar = bar
        if self._job:
            self.hear(self._job)
        await linking


@asynccontextmanager
async def linking_beside(
    platform: Platform, world: World, *, progress: Progress, directory: Path, clock: Clock, narrator: Narrator
) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Identity links who is probably one person, and may count anew, while the body goes on.

    The body is given a step of its own: to wait until everybody is linked.
    """
    beside = LinkingBeside()
    await start_linking(platform, progress=progress, directory=directory)
    lists = group_lists(world)

    async def count_after(linking: Awaitable[None]) -> None:
        await linking
        await wait_for_coverage(platform, world, lists, clock=clock)

    async with asyncio.TaskGroup() as group:
        linking = group.create_task(
            finish_linking(platform, world, lists, progress=progress, directory=directory, on_job=beside.hear)
        )
        counting = group.create_task(count_after(linking))

        async def wait_for_links() -> None:
            with narrator.step("Who is this? Linked by likeness") as bar:
                await beside.follow(linking, bar)

        yield wait_for_links
        with narrator.step("Counting how many are known"):
            await asyncio.wait({counting}, timeout=_WAIT_FOR_COUNT_SECONDS)
        counting.cancel()
