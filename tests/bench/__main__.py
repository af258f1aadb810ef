"""`make bench`: prints each figure of quality.md that this version answers for."""

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

import psutil

from kizuna_local import event_log
from kizuna_local.addresses import Addresses
from kizuna_local.home import Home
from kizuna_local.real_parts import build_nats, build_postgres
from servicekit.embedded.postgres import EmbeddedPostgres
from tests.bench import growth, ingest, pipeline, relay, resolution, segments
from tests.bench.collector import forgetful_collector
from tests.bench.linking import measure as linking
from tests.bench.report import progress
from tests.running_platform import RunningPlatform, create_source, running_platform

IDLE_SECONDS = 20
START_LIMIT_SECONDS = 45.0
FIGURES = ("P1", "P2", "P5", "P6", "P7", "P7-large", "P8", "P9", "P10", "P11", "P12", "tracing")
LARGE = ("P10-large",)
"""Measured only when asked for: ten million customers take hours and 170 GB (EVENTS_PER_CUSTOMER=2 SEGMENTS=10: 25)."""
NO_PLATFORM = {"P5", "P6", "P7", "P7-large", "P8", "P9", "P10", "P10-large", "tracing"}


def main() -> None:
    """Measure what was asked for, print one line each."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument(
        "figures",
        nargs="*",
        default=FIGURES,
        metavar="figure",
        help=f"of {', '.join(FIGURES)} (default: these), {', '.join(LARGE)}",
    )
    wanted = set(parser.parse_args().figures)
    say(f"{psutil.cpu_count()} cores; ratios: median (lowest - highest) of 5 interleaved pairs")
    if "P7" in wanted:
        for ratio in [*resolution.measure(), *resolution.measure_resolvers()]:
            say(ratio.line())
    if "P7-large" in wanted:
        say(resolution.measure_large())
    if "P9" in wanted:
        say(relay.measure().line())
    measure_segments(wanted)
    if "P8" in wanted:
        for comparison in linking.measure():
            say(comparison.line())
    with tempfile.TemporaryDirectory(prefix="kizuna-bench-") as directory:
        Path(directory).chmod(0o755)
        if wanted - NO_PLATFORM:
            with running_platform(Path(directory) / "home") as platform:
                measure_platform(platform, wanted)
        if "tracing" in wanted:
            measure_tracing(Path(directory))


def measure_segments(wanted: set[str]) -> None:
    """What profile's database answers for, on populations that are made once."""
    if "P5" in wanted:
        for ratio in segments.measure_p5():
            say(ratio.line())
    if "P6" in wanted:
        say(segments.measure_p6().line())
    if "P10" in wanted:
        for line in growth.measure_p10():
            say(line)
    if "P10-large" in wanted:
        for line in growth.measure_p10([10_000, 10 * segments.MILLION]):
            say(line)


def measure_platform(platform: RunningPlatform, wanted: set[str]) -> None:
    """What one platform answers for: its start, its idleness, its speed."""
    if "P12" in wanted:
        verdict = "met" if platform.seconds_to_ready <= START_LIMIT_SECONDS else "NOT met"
        say(
            f"P12  {platform.seconds_to_ready:6.1f} s  fresh state to ready  target {START_LIMIT_SECONDS:g} s: "
            + verdict
        )
    if "P11" in wanted:
        say(idle_line(platform))
    home = Home(platform.home)
    addresses = Addresses.from_environment(platform.environment)
    if "P2" in wanted:
        key, database = create_source(platform, "bench-pipeline"), bench_database(build_postgres(home))
        for ratio in pipeline.measure(platform, key, database):
            say(ratio.line())
    if "P1" in wanted:
        administrator = build_nats(home, addresses).url_for(event_log.ADMINISTRATOR)
        say(ingest.measure(platform, create_source(platform, "bench-ingest"), administrator).line())


def bench_database(postgres: EmbeddedPostgres) -> str:
    """A database beside the services' own, on the same server."""

    async def create() -> None:
        import asyncpg

        administrator = await asyncpg.connect(postgres.url())
        await administrator.execute("CREATE DATABASE bench")
        await administrator.close()

    asyncio.run(create())
    return postgres.url("bench")


def idle_line(platform: RunningPlatform) -> str:
    """P11: CPU and memory (proportional set size) of everything, doing nothing."""
    time.sleep(5)
    before = pipeline.cpu_seconds(platform)
    time.sleep(IDLE_SECONDS)
    share = (pipeline.cpu_seconds(platform) - before) / IDLE_SECONDS * 100
    memory = sum(process.memory_full_info().pss for process in platform.processes()) / 1e6
    met = "met" if share < 3 and memory < 1200 else "NOT met"
    return f"P11  {share:6.1f} % of one core, {memory:,.0f} MB  idle  target < 3 %, < 1,200 MB: {met}"


def measure_tracing(directory: Path) -> None:
    """CPU per event with tracing off and on, on two platforms side by side, in turns."""
    with (
        forgetful_collector() as endpoint,
        running_platform(directory / "off") as off,
        running_platform(directory / "on", OTEL_EXPORTER_OTLP_ENDPOINT=endpoint) as on,
    ):
        keys = {id(platform): create_source(platform, "bench") for platform in (off, on)}
        costs: dict[int, list[float]] = {id(off): [], id(on): []}
        for turn in range(6):
            for platform in (off, on):
                cost = pipeline.cpu_per_event(platform, keys[id(platform)], turn * 1000)
                if turn:  # the first turn warms up
                    costs[id(platform)].append(cost)
            progress(f"tracing: turn {turn + 1} of 6")
    without, with_traces = (sorted(costs[id(platform)])[2] for platform in (off, on))
    say(f"CPU  {without:6.0f} µs per event without tracing, {with_traces:.0f} µs with ({with_traces / without:.2f}x)")


def say(line: str) -> None:
    """Print a line of the report at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":  # processes that a measurement spawns read this module, too
    main()
