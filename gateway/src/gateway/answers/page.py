"""Relay's page information."""

from __future__ import annotations

from msgspec import Struct


class PageInfoRow(Struct):
    """Relay's page information."""

    has_next_page: bool
    has_previous_page: bool
    start_cursor: str | None
    end_cursor: str | None
