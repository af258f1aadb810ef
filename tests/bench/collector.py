"""A collector that accepts traces and forgets them, so that exporting is part of what a trace costs."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.collector import listening_collector


@contextmanager
def forgetful_collector() -> Iterator[str]:
    """Give the OTLP endpoint. Fails when no trace was ever sent."""
    requests = 0

    def forget(_body: bytes) -> None:
        nonlocal requests
        requests += 1

    with listening_collector(forget) as endpoint:
        yield endpoint
    assert requests, "tracing was on, but no trace arrived"
