"""Readings of names: kana and romaji in one katakana form.

Old systems (the banks' 全銀協 format, half-width kana) have no small kana, and 現代仮名遣い (内閣告示 1986) lets a long
o be オウ or オオ by a word's history, so both are folded for comparison.
"""

import re

from identity_service.rules.normalisation.romaji import kana_of_romaji
from identity_service.rules.normalisation.text import nfkc

_HIRAGANA_TO_KATAKANA = {code: code + 0x60 for code in [*range(0x3041, 0x3097), 0x309D, 0x309E]}
_SAME_SOUND = str.maketrans("ァィゥェォッャュョヮヵヶヰヱヲヂヅ", "アイウエオツヤユヨワカケイエオジズ")
_FOREIGN_V = (("ヴァ", "バ"), ("ヴィ", "ビ"), ("ヴェ", "ベ"), ("ヴォ", "ボ"), ("ヴ", "ブ"))
_REPEATED = re.compile("([^ヽヾ])ヽ")
_REPEATED_VOICED = re.compile("([^ヽヾ])ヾ")
_NOT_READING = re.compile(r"[\s・･.,'’\-=゠]+")
_KANA = re.compile(r"[ぁ-ゖァ-ヺーヽヾゝゞ\s・]+")

_ROWS = {
    "a": "アカサタナハマヤラワガザダバパ",
    "i": "イキシチニヒミリギジビピ",
    "u": "ウクスツヌフムユルグズブプ",
    "e": "エケセテネヘメレゲゼデベペ",
    "o": "オコソトノホモヨロゴゾドボポ",
}
_LONG = re.compile(
    f"(?<=[{_ROWS['a']}])ア|(?<=[{_ROWS['i']}])イ|(?<=[{_ROWS['u']}])ウ|(?<=[{_ROWS['e']}])エ|(?<=[{_ROWS['o']}])[ウオ]"
)


def is_kana(text: str) -> bool:
    """Tell whether text is written in hiragana or katakana alone (blanks and middle dots apart)."""
    return _KANA.fullmatch(nfkc(text)) is not None


def katakana(text: str) -> str:
    """Return text with hiragana as katakana, nothing else folded: ゆうこ -> ユウコ."""
    return nfkc(text).translate(_HIRAGANA_TO_KATAKANA)


def reading_value(value: object) -> str | None:
    """Return a reading for comparison, in katakana without blanks; None when it is neither kana nor romaji.

    One form for one sound: hiragana, half-width kana and romaji as katakana; small as large kana; ヂヅ as ジズ;
    ヲヰヱ as オイエ; a long vowel, however written (オウ オオ オー ō oh), as ー. Length itself stays: オノ (小野) is
    not オーノ (大野).
    """
    if not isinstance(value, str) or len(value) > 200:
        return None
    text = nfkc(value)
    if not text:
        return None
    kana = katakana(text) if is_kana(text) else kana_of_romaji(text)
    return one_sound(kana) or None if kana else None


def one_sound(kana: str) -> str:
    """Return katakana with one way of writing for one sound. Its own results stay as they are."""
    kana = _NOT_READING.sub("", kana)
    for foreign, ours in _FOREIGN_V:
        kana = kana.replace(foreign, ours)
    kana = nfkc(_REPEATED_VOICED.sub("\\1\\1\u3099", _REPEATED.sub(r"\1\1", kana))).translate(_SAME_SOUND)
    return _mark_long_vowels(kana)


def without_length(reading: str) -> str:
    """Return a reading without its long-vowel marks, to compare with romaji that drops them (Sato, サトウ)."""
    return reading.replace("ー", "")


def _mark_long_vowels(kana: str) -> str:
    """サトウ -> サトー. From left to right, and a marked vowel lengthens no further."""
    marked: list[str] = []
    for sign in kana:
        before = marked[-1] if marked else ""
        marked.append("ー" if before and _LONG.fullmatch(before + sign, 1) else sign)
    return "".join(marked)
