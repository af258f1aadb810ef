"""The story: a real customer base goes once round the loop, through the public APIs only.

Read `tell` from top to bottom. Every step may be repeated: a story that was interrupted goes on when told again.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

import aiohttp
from rich.console import Console

from kizuna_demo.cdnow import TOKYO
from kizuna_demo.check import check_customers
from kizuna_demo.configuration import apply_documents
from kizuna_demo.errors import first_story_error
from kizuna_demo.figures import Figures, gather_figures, read_figures, write_figures
from kizuna_demo.journey import live_through_journey, publish_segments, start_journey
from kizuna_demo.loading import tell_the_world, wait_for_timelines
from kizuna_demo.narration import Narrator
from kizuna_demo.platform import Platform, read_credentials
from kizuna_demo.progress import Progress, load_progress, save_progress
from kizuna_demo.simulation import Simulation
from kizuna_demo.table import show_table
from kizuna_demo.what_we_know import learn_what_we_know
from kizuna_demo.who_is_this import learn_of_others, linking_beside
from kizuna_demo.world import World, build_world
from servicekit.clock import Clock, SystemClock

SEED = 1997
"""The year of the first purchases; any number would do. One interval in twenty misses the true effect."""


def run(credentials_path: Path) -> Figures:
    """Tell the story to the platform behind these credentials; returns the figures of story.json.

    Told already: shows its figures again. Raises StoryError with a sentence when it cannot go on.
    """
    try:
        return asyncio.run(tell(credentials_path, clock=SystemClock(), narrator=Narrator(_console())))
    except ExceptionGroup as group:
        raise first_story_error(group) or group from None


async def tell(credentials_path: Path, *, clock: Clock, narrator: Narrator) -> Figures:
    """The whole story."""
    directory = credentials_path.parent
    figures = read_figures(directory)
    if figures is None:
        figures = await _tell_anew(credentials_path, clock=clock, narrator=narrator)
        write_figures(directory, figures)
    show_table(figures, narrator.console)
    return figures


async def _tell_anew(credentials_path: Path, *, clock: Clock, narrator: Narrator) -> Figures:
    directory = credentials_path.parent
    progress = load_progress(directory, today=clock.now().astimezone(TOKYO).date(), seed=SEED)
    save_progress(directory, progress)
    moments = {"started": clock.now()}
    with narrator.step("Reading CDNOW, generating people"):
        world = build_world(today=progress.today, seed=progress.seed)

    async with connected(credentials_path, narrator=narrator) as platform:
        if not progress.on_timelines:
            told = await tell_the_world(platform, world, narrator=narrator)
            progress.on_timelines = await wait_for_timelines(platform, told, narrator=narrator)
            progress.events, progress.permissions = told.events, told.permissions
            save_progress(directory, progress)
        moments["on_timelines"] = clock.now()

        if progress.linking_run is None:
            await learn_of_others(
                platform, world, progress=progress, directory=directory, clock=clock, narrator=narrator
            )
        moments["others_known"] = clock.now()

        async with linking_beside(
            platform, world, progress=progress, directory=directory, clock=clock, narrator=narrator
        ) as wait_for_links:
            simulation = await _live_through_journey(
                credentials_path, platform, world, progress=progress, clock=clock, narrator=narrator
            )
            await wait_for_links()
            with narrator.step("Comparing every customer with the file"):
                checked = await check_customers(platform, world.purchases, progress.simulated, clock=clock)
        moments["told"] = clock.now()
        known = await learn_what_we_know(
            platform, world, credentials_path=credentials_path, clock=clock, narrator=narrator
        )
        moments["known"] = clock.now()
        figures = await gather_figures(platform, progress=progress, checked=checked, simulation=simulation)
    return {**figures, "what_we_know": known, "moments": _moments(moments)}


async def _live_through_journey(
    credentials_path: Path, platform: Platform, world: World, *, progress: Progress, clock: Clock, narrator: Narrator
) -> Simulation:
    directory = credentials_path.parent
    await apply_documents(credentials_path, "ComputedTrait", "Ranks", "Creative", "Campaign")
    await publish_segments(platform, narrator=narrator)
    await start_journey(platform, progress=progress, directory=directory, narrator=narrator)
    simulation = Simulation(platform, world=world, members=progress.journey_customers, clock=clock)
    await live_through_journey(platform, simulation, progress=progress, directory=directory, narrator=narrator)
    return simulation


@asynccontextmanager
async def connected(credentials_path: Path, *, narrator: Narrator) -> AsyncIterator[Platform]:
    """A platform that knows our sources, with their write keys at hand."""
    with narrator.step("Sources, topics, templates, questionnaire"):
        await apply_documents(
            credentials_path, "Source", "Agreement", "Namespace", "Topic", "Template", "Questionnaire"
        )
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=32)) as session:
        yield Platform(session, read_credentials(credentials_path))


def _console() -> Console:
    """A terminal as wide as it is; anything else is wide enough for the table."""
    console = Console()
    return console if console.is_terminal else Console(width=120)


def _moments(moments: dict[str, datetime]) -> dict[str, str | float]:
    """When things were so far, and how many seconds each part took."""
    return {
        **{name: moment.isoformat() for name, moment in moments.items()},
        "loading_seconds": round((moments["on_timelines"] - moments["started"]).total_seconds(), 1),
        "others_seconds": round((moments["others_known"] - moments["on_timelines"]).total_seconds(), 1),
        "journey_seconds": round((moments["told"] - moments["others_known"]).total_seconds(), 1),
        "knowing_seconds": round((moments["known"] - moments["told"]).total_seconds(), 1),
    }
