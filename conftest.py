"""What all tests share: the declared streams. The chassis' plugin (`servicekit.testing`) brings the real parts."""

from types import ModuleType

import pytest

import gateway  # noqa: F401  # now, or pytest takes the folder of that name at the root for the package
from contracts import topology as declared


@pytest.fixture(scope="session")
def topology() -> ModuleType:
    """The streams and consumers of the platform."""
    return declared
