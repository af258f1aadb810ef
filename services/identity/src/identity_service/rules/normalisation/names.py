"""Names of persons: one writing for comparison, honorifics off, full names split."""

import re

from identity_service.rules.normalisation.text import lower

MAX_LENGTH = 200
_BLANKS = re.compile(r"[\s・･=゠,.]+")


def name_value(value: object) -> str | None:
    """Return a name for comparison: NFKC, lower case, without blanks; None when there is nothing."""
    if not isinstance(value, str) or len(value) > MAX_LENGTH:
        return None
    return _BLANKS.sub("", lower(value)) or None
