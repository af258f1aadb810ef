"""Romaji to katakana and back.

Sources: ローマ字のつづり方 (Kunrei; 内閣告示 1954) and Hepburn as passports write it (旅券法施行規則 別表; `oh` for
a long o).
"""

import re

from identity_service.rules.normalisation.text import nfkc

_PLAIN_ROWS = """
- アイウエオ  k カキクケコ  s サシスセソ  t タチツテト  n ナニヌネノ  h ハヒフヘホ  m マミムメモ  r ラリルレロ
g ガギグゲゴ  z ザジズゼゾ  d ダヂヅデド  b バビブベボ  p パピプペポ
"""
_GLIDES = "ky キ sy シ sh シ ty チ ch チ cy チ ny ニ hy ヒ my ミ ry リ gy ギ zy ジ jy ジ j ジ dy ヂ by ビ py ピ"
_SINGLE = "ya ヤ yu ユ yo ヨ wa ワ wo ヲ fu フ tsu ツ shi シ chi チ ji ジ je ジェ she シェ che チェ"
_HEPBURN_OWN = "シ shi チ chi ツ tsu フ fu ジ ji ヂ ji ヅ zu ヰ i ヱ e ヲ o ン n ヴ bu"


def _pairs(text: str) -> list[tuple[str, str]]:
    words = text.split()
    return list(zip(words[::2], words[1::2], strict=True))


def _syllables() -> dict[str, str]:
    """Return romaji syllable -> katakana."""
    syllables = dict(_pairs(_SINGLE))
    for consonant, row in _pairs(_PLAIN_ROWS):
        syllables |= {consonant.strip("-") + vowel: kana for vowel, kana in zip("aiueo", row, strict=True)}
    for consonants, kana in _pairs(_GLIDES):
        syllables |= {consonants + vowel: kana + small for vowel, small in zip("auo", "ャュョ", strict=True)}
    return syllables


_KANA_OF = _syllables()
_ROMAJI_OF = {kana: letters for letters, kana in _KANA_OF.items() if len(kana) == 1} | dict(_pairs(_HEPBURN_OWN))
_LONG_LETTERS = {ord(long): f"{vowel}ー" for vowel, longs in _pairs("a āâ i īî u ūû e ēê o ōô") for long in longs}
_BETWEEN = re.compile(r"[\s.,\-・]+")
_SYLLABLE = re.compile(
    "|".join(sorted(_KANA_OF, key=len, reverse=True))
    + r"|ー|(?P<nasal>n'|n(?![aiueoy])|m(?=[bmp]))"
    + r"|(?P<double>([kstpgzdbjc])(?=\3)|t(?=ch))|(?P<long>(?<=o)h(?![aiueoy]))"
)


def kana_of_romaji(text: str) -> str | None:
    """Return katakana of Hepburn, Kunrei, passport or keyboard romaji; None when its syllables are not Japanese."""
    letters = _BETWEEN.sub("", nfkc(text).lower().replace("’", "'")).translate(_LONG_LETTERS)
    kana: list[str] = []
    place = 0
    while place < len(letters):
        match = _SYLLABLE.match(letters, place)
        if match is None:
            return None
        kana.append(_kana_of(match))
        place = match.end()
    return "".join(kana) or None


def _kana_of(match: re.Match[str]) -> str:
    if match["nasal"]:
        return "ン"
    if match["double"]:
        return "ッ"
    return "ー" if match["long"] else _KANA_OF.get(match.group(), "ー")


_O_SOUNDS = "オコソトノホモヨロゴゾドボポョ"
_U_SOUNDS = "ウクスツヌフムユルグズヅブプュ"
_ONLY_LONG = re.compile(f"(?<=[{_O_SOUNDS}])(?<!ノ(?=ウエ))(?:ウ|オ(?!$))|(?<=[{_U_SOUNDS}])ウ|ー")
"""ウ after o and u sounds, オ after o sounds unless it ends the name (ヨコオ, yokoo). ノウエ is two words (inoue)."""
_VOWEL_OF_SMALL = {"ャ": "a", "ュ": "u", "ョ": "o", "ァ": "a", "ィ": "i", "ゥ": "u", "ェ": "e", "ォ": "o"}


def hepburn(katakana: str) -> str:
    """Return Hepburn romaji of a reading in katakana as passports write it; anything else is left out.

    Long vowels are short, ッ doubles, ン is m before b, m and p: ユウコ yuko, ハットリ hattori, ホンマ homma.
    """
    kana = _ONLY_LONG.sub("", katakana)
    letters = ""
    for place, sign in enumerate(kana):
        following = _ROMAJI_OF.get(kana[place + 1 : place + 2], "")
        if sign in _VOWEL_OF_SMALL:
            letters = _with_small(letters, sign)
        elif sign == "ッ":
            letters += "t" if following.startswith("ch") else following[:1].strip("aiueo")
        elif sign == "ン":
            letters += "m" if following.startswith(("b", "m", "p")) else "n"
        else:
            letters += _ROMAJI_OF.get(sign, "")
    return letters


def _with_small(letters: str, small: str) -> str:
    """Return キ + ャ as kya, シ + ャ as sha, ジ + ェ as je."""
    stem = letters[:-1]
    glide = "y" if small in "ャュョ" and not stem.endswith(("sh", "ch", "j")) else ""
    return f"{stem}{glide}{_VOWEL_OF_SMALL[small]}"
