"""What all tests share: the declared streams, and how tests are distributed to processes. The chassis' plugin
(`servicekit.testing`) brings the real parts."""

import gc
from collections.abc import Iterator
from types import ModuleType

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling, Scheduling

import gateway  # noqa: F401  # now, or pytest takes the folder of that name at the root for the package
from contracts import topology as declared

# How long an example takes is the machine's affair: a test that fails for it says nothing of the program.
settings.register_profile("whatever the machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("whatever the machine")


@pytest.fixture(scope="session")
def topology() -> ModuleType:
    """The streams and consumers of the platform."""
    return declared


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Tell the garbage collector that what is imported and collected stays: it need not look through it ever again."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


class _StoriesTogether(LoadFileScheduling):
    """Gives a worker whole files, and all stories on the shared platform to the same one: it starts once."""

    def _split_scope(self, nodeid: str) -> str:
        return "tests/e2e" if nodeid.startswith("tests/e2e/") else super()._split_scope(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling | None:
    """Distribute `--dist loadfile` so; None: as xdist would."""
    return _StoriesTogether(config, log) if config.getoption("dist") == "loadfile" else None
