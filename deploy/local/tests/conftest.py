"""A home of its own and free ports for every test."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from kizuna_local.addresses import Addresses
from kizuna_local.home import Home
from kizuna_local.testing import Launcher, free_port_base


@pytest.fixture
def home(parts_directory: Path) -> Iterator[Home]:
    root = parts_directory / f"kizuna-{uuid4().hex[:8]}"
    yield Home(root)
    shutil.rmtree(root, ignore_errors=True)


@pytest.fixture
def launcher(home: Home) -> Iterator[Launcher]:
    command = Launcher(home, Addresses(free_port_base()))
    yield command
    command("down")
