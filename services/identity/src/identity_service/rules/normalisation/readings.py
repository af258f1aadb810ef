"""Readings of names: kana and romaji in one katakana form, and katakana as romaji.

Sources: romaji by ローマ字のつづり方 (Kunrei, 内閣告示 1954) and Hepburn as passports write it (旅券法施行規則 別表; `oh` for a long o).
Old systems (全銀協 bank format, half-width kana) have no small kana, hence small and large are one here.
"""

import re

from identity_service.rules.normalisation.text import nfkc

_HIRAGANA_TO_KATAKANA = {code: code + 0x60 for code in [*range(0x3041, 0x3097), 0x309D, 0x309E]}
_SAME_SOUND = str.maketrans("ァィゥェォッャュョヮヵヶヰヱヲヂヅ", "アイウエオツヤユヨワカケイエオジズ")
_FOREIGN_V = (("ヴァ", "バ"), ("ヴィ", "ビ"), ("ヴェ", "ベ"), ("ヴォ", "ボ"), ("ヴ", "ブ"))
_REPEATED = re.compile("(.)[ヽゝ]")
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

    One form for one sound: hiragana, half-width kana and romaji as katakana; small as large kana; ヂヅ as ジズ; ヲヰヱ as オイエ; a
    long vowel, however written (オウ オオ オー ō oh), as ー. Length itself stays: オノ (小野) is not オーノ (大野).
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
    kana = _REPEATED.sub(r"\1\1", kana).translate(_SAME_SOUND)
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


_ROMAJI: dict[str, str] = {}
for _consonant, _kana in {
    "": "アイウエオ", "k": "カキクケコ", "s": "サシスセソ", "t": "タチツテト", "n": "ナニヌネノ", "h": "ハヒフヘホ",
    "m": "マミムメモ", "r": "ラリルレロ", "g": "ガギグゲゴ", "z": "ザジズゼゾ", "d": "ダヂヅデド", "b": "バビブベボ", "p": "パピプペポ",
}.items():  # fmt: skip
    _ROMAJI.update({_consonant + _vowel: _sign for _vowel, _sign in zip("aiueo", _kana, strict=True)})
_ROMAJI.update(
    {"ya": "ヤ", "yu": "ユ", "yo": "ヨ", "wa": "ワ", "wo": "ヲ", "fu": "フ", "tsu": "ツ", "shi": "シ", "chi": "チ"}
)
for _written, _kana in {
    "ky": "キ", "sy": "シ", "sh": "シ", "ty": "チ", "ch": "チ", "cy": "チ", "ny": "ニ", "hy": "ヒ", "my": "ミ", "ry": "リ", "gy": "ギ",
    "zy": "ジ", "jy": "ジ", "j": "ジ", "dy": "ヂ", "by": "ビ", "py": "ピ",
}.items():  # fmt: skip
    _ROMAJI.update({f"{_written}{_vowel}": _kana + _small for _vowel, _small in zip("auo", "ャュョ", strict=True)})
_ROMAJI.update({"ji": "ジ", "je": "ジェ", "she": "シェ", "che": "チェ"})
_LONG_LETTERS = str.maketrans({
    "ā": "aー", "ī": "iー", "ū": "uー", "ē": "eー", "ō": "oー", "â": "aー", "î": "iー", "û": "uー", "ê": "eー", "ô": "oー",
})  # fmt: skip
_SYLLABLE = re.compile(
    "|".join(sorted(_ROMAJI, key=len, reverse=True))
    + r"|ー|(?P<moraic>n'|n(?![aiueoy])|m(?=[bmp]))|(?P<double>([kstpgzdbjc])(?=\3)|t(?=ch))|(?P<long>(?<=o)h(?![aiueoy]))"
)


def kana_of_romaji(text: str) -> str | None:
    """Return katakana of Hepburn, Kunrei, passport or keyboard romaji; None when it is not Japanese by its syllables."""
    letters = _NOT_APOSTROPHE.sub("", nfkc(text).lower().replace("’", "'")).translate(_LONG_LETTERS)
    kana: list[str] = []
    place = 0
    while place < len(letters):
        match = _SYLLABLE.match(letters, place)
        if match is None:
            return None
        kana.append(_kana_of(match))
        place = match.end()
    return "".join(kana) or None


_NOT_APOSTROPHE = re.compile(r"[\s.,\-・]+")


def _kana_of(match: re.Match[str]) -> str:
    if match["moraic"]:
        return "ン"
    if match["double"]:
        return "ッ"
    if match["long"]:
        return "ー"
    return _ROMAJI.get(match.group(), "ー")


_HEPBURN: dict[str, str] = {}
for _kana, _letters in {
    "アイウエオ": ",i,u,e,o", "カキクケコ": "ka,ki,ku,ke,ko", "サシスセソ": "sa,shi,su,se,so", "タチツテト": "ta,chi,tsu,te,to",
    "ナニヌネノ": "na,ni,nu,ne,no", "ハヒフヘホ": "ha,hi,fu,he,ho", "マミムメモ": "ma,mi,mu,me,mo", "ヤユヨ": "ya,yu,yo",
    "ラリルレロ": "ra,ri,ru,re,ro", "ワヰヱヲン": "wa,i,e,o,n", "ガギグゲゴ": "ga,gi,gu,ge,go", "ザジズゼゾ": "za,ji,zu,ze,zo",
    "ダヂヅデド": "da,ji,zu,de,do", "バビブベボ": "ba,bi,bu,be,bo", "パピプペポ": "pa,pi,pu,pe,po", "ヴ": "bu",
}.items():  # fmt: skip
    _HEPBURN.update(dict(zip(_kana, (_letters if _letters[0] != "," else f"a{_letters}").split(","), strict=True)))


def hepburn(kana: str) -> str | None:
    """Return Hepburn romaji of a reading as passports write it: every long vowel short, ッ doubled, ン as m before b, m, p.

    None when it holds anything but kana. Source: 旅券法施行規則 別表 (ヘボン式). ユウコ -> yuko, ハットリ -> hattori, ホンマ -> homma.
    """
    if not is_kana(kana):
        return None
    signs = _short(re.sub(r"[\s・]", "", katakana(kana)))
    letters = ""
    for place, sign in enumerate(signs):
        if sign in "ャュョ" and letters.endswith("i"):
            stem = letters[:-1]
            letters = stem + ("" if stem.endswith(("sh", "ch", "j")) else "y") + {"ャ": "a", "ュ": "u", "ョ": "o"}[sign]
        elif sign == "ッ":
            following = _HEPBURN.get(signs[place + 1 : place + 2], "")
            letters += "t" if following.startswith("ch") else following[:1].strip("aiueo")
        elif sign == "ン":
            letters += "m" if _HEPBURN.get(signs[place + 1 : place + 2], "")[:1] in tuple("bmp") else "n"
        else:
            letters += _HEPBURN.get(sign.translate(_SAME_SOUND), "")
    return letters


_SMALL_O_SOUND = re.compile(f"(?<=[{_ROWS['o']}ョ])[ウオ](?!$)|(?<=[{_ROWS['o']}ョ])ウ$|(?<=[{_ROWS['u']}ュ])ウ|ー")


def _short(kana: str) -> str:
    """Drop what only lengthens: ウ after o and u sounds, オ after o sounds unless it ends the name (横尾 ヨコオ -> yokoo)."""
    return _SMALL_O_SOUND.sub("", kana)
