"""Text in one form of Unicode: what every other normaliser starts from.

Source: Unicode Standard Annex #15 (NFKC), Unicode Technical Standard #37 (ideographic variation sequences).
"""

import re
from unicodedata import normalize

_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e0fff\ud800-\udfff]"
)
"""Controls, zero-width and direction marks, tags, variation selectors (IVS: U+E0100-E01EF), lone surrogates."""
_LOOSE_VOICING = re.compile("\\s+([\u3099\u309a])")
_DASHES = "\u02d7\u2010\u2011\u2012\u2013\u2014\u2015\u2043\u207b\u208b\u2212\u2500\u2501\u2796\u2e3a\u2e3b\ufe63\uff0d"
_LONG_VOWEL_MARKS = "\u30fc\uff70"
_TO_HYPHEN = dict.fromkeys(map(ord, _DASHES), "-")
_ALL_TO_HYPHEN = _TO_HYPHEN | dict.fromkeys(map(ord, _LONG_VOWEL_MARKS), "-")


def nfkc(text: str) -> str:
    """Return text in NFKC without invisible characters and without blanks around.

    NFKC makes full-width letters half-width and half-width kana full-width, and tears some signs apart: the spacing
    sound marks U+309B/U+309C become a blank and a combining mark ("か゛" -> "か ゙"). That blank is taken out again
    and the two are joined ("が").
    """
    if text.isascii() and text.isprintable():
        return text.strip()
    text = _INVISIBLE.sub("", normalize("NFKC", text))
    return normalize("NFKC", _LOOSE_VOICING.sub(r"\1", text)).strip()


def lower(text: str) -> str:
    """Return text in NFKC and in lower case, in a form that this function leaves as it is."""
    text = nfkc(text)
    return text.lower() if text.isascii() else nfkc(text.lower())


def dashes(text: str) -> str:
    """Return text with every hyphen, dash, minus and box line as `-`; the ー of kana stays."""
    return text.translate(_TO_HYPHEN)


def hyphens(text: str) -> str:
    """Return text with every hyphen lookalike, ー too, as `-`. Only for text of numbers."""
    return text.translate(_ALL_TO_HYPHEN)
