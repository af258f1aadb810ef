"""Dates as ISO 8601 calendar dates (YYYY-MM-DD): Western, Japanese, and with era names.

Eras by 元号を改める政令 and 元号法: Meiji from 1868-01-25 (counted in the solar calendar, used from Meiji 6, as
written backwards), Taisho 1912-07-30, Showa 1926-12-25, Heisei 1989-01-08, Reiwa 2019-05-01. A change's day belongs
to both eras.
"""

import re
from datetime import date

from identity_service.rules.normalisation.numerals import arabic
from identity_service.rules.normalisation.text import hyphens, nfkc

EARLIEST = date(1868, 1, 25)
LATEST = date(2199, 12, 31)

_ERAS: dict[str, tuple[date, date]] = {
    "明治": (date(1868, 1, 25), date(1912, 7, 30)),
    "大正": (date(1912, 7, 30), date(1926, 12, 25)),
    "昭和": (date(1926, 12, 25), date(1989, 1, 7)),
    "平成": (date(1989, 1, 8), date(2019, 4, 30)),
    "令和": (date(2019, 5, 1), LATEST),
}
_ERA_SIGNS = {"m": "明治", "t": "大正", "s": "昭和", "h": "平成", "r": "令和"}
_ERA_SIGNS |= {name[0]: name for name in _ERAS} | {name: name for name in _ERAS}

_ERA_DATE = re.compile(
    r"(明治?|大正?|昭和?|平成?|令和?|[mtshr])\.?\s*([0-9]{1,2})\s*[-年./]\s*([0-9]{1,2})\s*[-月./]\s*([0-9]{1,2})\s*日?"
)
_PACKED_ERA_DATE = re.compile(r"([mtshr])([0-9]{2})([0-9]{2})([0-9]{2})")
_YEAR_FIRST = re.compile(r"([0-9]{4})\s*[-年./]\s*([0-9]{1,2})\s*[-月./]\s*([0-9]{1,2})\s*日?(?:生まれ|生)?")
_PACKED = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})")
_TIME = re.compile(r"(?<=[0-9日])(?:t| +)[0-9]{1,2}:[0-9]{2}.*$", re.DOTALL)
_WEEKDAY = re.compile(r"\s*\([日月火水木金土](?:曜日?)?\)")


def date_value(value: object) -> str | None:
    """Return a date as YYYY-MM-DD, or None when it is none, is impossible, or can be read in two ways.

    Never guessed: years of two digits without an era (85/4/1), day and month in the order of a country (01/04/1985).
    The time of a timestamp is dropped, the day stays as written (a birthday has no time zone).
    """
    if isinstance(value, int) and 0 < value < 10**8:
        value = str(value)
    if not isinstance(value, str) or len(value) > 64:
        return None
    text = _TIME.sub("", _WEEKDAY.sub("", arabic(hyphens(nfkc(value))).lower()))
    text = re.sub(r"元(?=\s*年)", "1", text).strip()
    for pattern in (_YEAR_FIRST, _PACKED):
        match = pattern.fullmatch(text)
        if match is not None:
            return _iso(int(match[1]), int(match[2]), int(match[3]))
    for pattern in (_ERA_DATE, _PACKED_ERA_DATE):
        match = pattern.fullmatch(text)
        if match is not None:
            return _in_era(_ERA_SIGNS[match[1]], int(match[2]), int(match[3]), int(match[4]))
    return None


def _in_era(era: str, year: int, month: int, day: int) -> str | None:
    """Return the date of an era; None when the era had ended or not begun by then.

    Forms printed before a change are filled in with the old era for a while (平成31年6月), so that the last year of
    an era is taken whole.
    """
    first, last = _ERAS[era]
    written = _iso(first.year + year - 1, month, day) if year >= 1 else None
    if written is None:
        return None
    moment = date.fromisoformat(written)
    return written if first <= moment and moment.year <= last.year else None


def _iso(year: int, month: int, day: int) -> str | None:
    try:
        moment = date(year, month, day)
    except ValueError:
        return None
    return moment.isoformat() if EARLIEST <= moment <= LATEST else None
