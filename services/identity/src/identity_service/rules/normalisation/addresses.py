"""Japanese addresses."""

import re

from identity_service.rules.normalisation.text import hyphens, nfkc

_POSTAL_CODE = re.compile(r"(?:〒|t)?\s*([0-9]{3})\s*-?\s*([0-9]{4})", re.IGNORECASE)


def postal_code_value(value: object) -> str | None:
    """Return a Japanese postal code as 7 digits, or None when it is none.

    A whole number (JSON) is read as digits that lost their first 0 in a spreadsheet: 600001 -> 0600001.
    """
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 10**7:
        return f"{value:07d}"
    if not isinstance(value, str) or len(value) > 64:
        return None
    match = _POSTAL_CODE.fullmatch(hyphens(nfkc(value)))
    return None if match is None else match[1] + match[2]
