"""Asking a process whether it is ready."""

import httpx


def is_ready(client: httpx.Client, url: str) -> bool:
    """Whether the process at `url` says that it is ready."""
    try:
        return client.get(f"{url}/readyz").status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False
