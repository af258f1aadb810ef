"""What rows have in common on their way from the database."""

import json
from typing import Any


def loads(text: str | None) -> Any:  # any JSON value
    """Read a raw `jsonb` column; None stays None."""
    return None if text is None else json.loads(text)
