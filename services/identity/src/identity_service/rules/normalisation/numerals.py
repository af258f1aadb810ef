"""Kanji numerals as digits.

Source: JIS X 0208 一 to 十, 百, 千, 〇, and the legal forms 壱 弐 参 (大字, 商業登記規則 第四十八条).
"""

import re

_DIGITS = {sign: digit for digit, sign in enumerate("〇一二三四五六七八九")} | {"零": 0, "壱": 1, "弐": 2, "参": 3}
_UNITS = {"十": 10, "拾": 10, "百": 100, "千": 1000}
NUMERAL = f"[{''.join([*_DIGITS, *_UNITS])}]"
_NUMERALS = re.compile(f"{NUMERAL}+")


def number_of(text: str) -> int:
    """Return the number that kanji numerals write: 二十三 -> 23, 一〇五 -> 105, 百二 -> 102."""
    if not any(sign in _UNITS for sign in text):
        return int("".join(str(_DIGITS[sign]) for sign in text))
    total = 0
    digit: int | None = None
    for sign in text:
        if sign in _UNITS:
            total += (1 if digit is None else digit) * _UNITS[sign]
            digit = None
        else:
            digit = (digit or 0) * 10 + _DIGITS[sign]
    return total + (digit or 0)


def arabic(text: str) -> str:
    """Return text with every run of kanji numerals as digits. For text where each of them IS a number."""
    return _NUMERALS.sub(lambda found: str(number_of(found.group())), text)


def written_out(number: int) -> str:
    """Return a number below 10,000 in kanji: 23 -> 二十三."""
    if number == 0:
        return "〇"
    text = ""
    for unit, sign in ((1000, "千"), (100, "百"), (10, "十"), (1, "")):
        digit, number = divmod(number, unit)
        if digit:
            text += ("" if digit == 1 and sign else "〇一二三四五六七八九"[digit]) + sign
    return text
