"""How a name in kanji may be read, so that it can be compared with a record that has only kana or romaji.

From the base itself, whose records often carry both, and from `japanese-personal-name-dataset` (MIT). Many names have
several readings (裕子: ユウコ, ヒロコ) and some have one that nobody lists: that one fits is evidence, that none does
is a little.
"""

import csv
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files

from identity_service.rules.normalisation.readings import katakana, one_sound, without_length
from identity_service.rules.normalisation.variants import one_writing

MOST_READINGS = 12
_SURNAMES = "last_name_org.csv"
_GIVEN_NAMES = (
    "first_name_man_opti.csv",
    "first_name_woman_opti.csv",
    "first_name_man_org.csv",
    "first_name_woman_org.csv",
)

Readings = Mapping[str, list[str]]
"""Kanji -> its readings without vowel length, the likeliest first."""


def comparable_reading(reading: str) -> str:
    """A reading without the length of its vowels, which romaji drops (Sato, サトー)."""
    return without_length(reading) or reading


def learn_readings(seen: Iterable[tuple[str, str]], listed: Readings) -> Readings:
    """What the base shows (kanji, comparable reading), the most frequent first, then what is listed."""
    shown: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for kanji, reading in seen:
        shown[kanji][reading] += 1
    learned = {
        kanji: [reading for reading, _ in sorted(times.items(), key=lambda one: (-one[1], one[0]))]
        for kanji, times in shown.items()
    }
    return _Readings(learned, listed)


class _Readings(dict[str, list[str]]):
    """Shown and listed readings together, put together when asked for."""

    def __init__(self, shown: Mapping[str, list[str]], listed: Readings) -> None:
        super().__init__()
        self._shown, self._listed = shown, listed

    def __missing__(self, kanji: str) -> list[str]:
        both = [*self._shown.get(kanji, ()), *self._listed.get(kanji, ())]
        self[kanji] = list(dict.fromkeys(both))[:MOST_READINGS]
        return self[kanji]


@cache
def listed_surnames() -> Readings:
    """Surname -> reading, of the dataset."""
    readings: dict[str, list[str]] = {}
    for kanji, _, reading, _ in _rows(_SURNAMES):
        _add(readings, kanji, _listed_sound(reading))
    return readings


@cache
def listed_given_names() -> Readings:
    """Given name -> readings, of the dataset, the more usual first."""
    readings: dict[str, list[str]] = {}
    for file in _GIVEN_NAMES:
        for reading, _, *writings in _rows(file):
            sound = _listed_sound(reading)  # once for its many writings: every run reads the whole list
            for kanji in writings:
                _add(readings, kanji, sound)
    return readings


def _listed_sound(reading: str) -> str:
    return comparable_reading(one_sound(katakana(reading)))


def _add(readings: dict[str, list[str]], kanji: str, sound: str) -> None:
    known = readings.setdefault(one_writing(kanji), [])
    if sound not in known:
        known.append(sound)


def _rows(file: str) -> Iterable[list[str]]:
    text = (files("japanese_personal_name_dataset") / "dataset" / file).read_text(encoding="utf-8")
    return csv.reader(text.splitlines())
