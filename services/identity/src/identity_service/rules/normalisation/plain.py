"""Ids of machines and people's handles: text as a source writes it, in as few forms as is safe."""

import re

from identity_service.rules.normalisation.text import hyphens, lower, nfkc

MAX_LENGTH = 512
_SEPARATORS = re.compile(r"[\s\-]+")
_PROFILE_ADDRESS = re.compile(
    r"(?:https?://)?(?:www\.|m\.|mobile\.)?"
    r"(?:x\.com|twitter\.com|instagram\.com|facebook\.com|threads\.(?:net|com)|tiktok\.com|youtube\.com|"
    r"line\.me/(?:r/)?ti/p|page\.line\.me)/(?P<handle>[^/?#\s]+)/?(?:[?#].*)?"
)
_HANDLE = re.compile(r"[\w.\-]{1,64}")


def plain_value(value: object) -> str | None:
    """Return an id as text without surrounding blanks, numbers as their digits; None when there is nothing to use.

    Nothing else is folded: ids of machines tell apart case, width and every sign.
    """
    if isinstance(value, str):
        text = value.strip()
    elif isinstance(value, bool) or not isinstance(value, int | float):
        return None
    elif isinstance(value, float):
        text = str(int(value)) if value.is_integer() else str(value)
    else:
        text = _digits_of(value)
    return text if 0 < len(text) <= MAX_LENGTH else None


def lower_value(value: object) -> str | None:
    """Return an id in NFKC and lower case: for ids that people type, such as login names."""
    text = plain_value(value)
    text = None if text is None else lower(text)  # at most MAX_LENGTH, but NFKC can make more of it
    return text if text and len(text) <= MAX_LENGTH else None


def digits_value(value: object) -> str | None:
    """Return a number on a card as digits: `0234-5678 ９０` -> 0234567890; None when it holds anything else."""
    text = plain_value(value)
    if text is None:
        return None
    digits = _SEPARATORS.sub("", hyphens(nfkc(text)))
    return digits if digits.isascii() and digits.isdigit() else None


def handle_value(value: object) -> str | None:
    """Return a social handle in lower case without @, also out of a profile's address; None when it is none.

    Sources: X ("Your username ... is not case sensitive"), Instagram, Threads, TikTok and LINE ids (lower case only)
    by their help pages. LINE's user ids (U and 32 hex digits) are ids of machines: `plain` is for them.
    """
    text = lower_value(value)
    if text is None:
        return None
    address = _PROFILE_ADDRESS.fullmatch(text)
    handle = (text if address is None else address["handle"]).removeprefix("%40").lstrip("@~")
    return handle if _HANDLE.fullmatch(handle) else None


def _digits_of(number: int) -> str:
    """Python refuses to write integers beyond its digit limit; such a one is no id."""
    return str(number) if number.bit_length() < 2048 else ""
