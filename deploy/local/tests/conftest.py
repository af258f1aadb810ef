"""A home of its own and free ports for every test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from kizuna_local.addresses import Addresses
from kizuna_local.home import Home
from kizuna_local.testing import Launcher, free_port_base


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "kizuna")


@pytest.fixture
def launcher(home: Home) -> Iterator[Launcher]:
    command = Launcher(home, Addresses(free_port_base()))
    yield command
    command("down")
