"""Japanese addresses: prefecture, city, town, street as 1-2-3, building, postal code.

Sources: 住居表示に関する法律 (街区方式: 丁目, 番 and 号; elsewhere 番地), the postal code file of Japan Post for
names of municipalities (`municipalities`). What is written at will is folded: 丁目-番-号 and hyphens, kanji and
full-width numerals, ケ ヶ が, 之 ノ の, 大字 字, Kyoto's ways along the streets. Towns and buildings are never looked
up or corrected: a new one must not become its neighbour.
"""

import re
from dataclasses import dataclass

from identity_service.rules.normalisation.municipalities import (
    Area,
    Municipality,
    area_of,
    municipalities_at,
    one_spelling,
    prefectures,
)
from identity_service.rules.normalisation.numerals import NUMERAL, number_of, written_out
from identity_service.rules.normalisation.text import dashes, hyphens, lower, nfkc
from identity_service.rules.normalisation.variants import one_writing

MAX_LENGTH = 400
_POSTAL_CODE = re.compile(r"(?:〒|t)?\s*([0-9]{3})\s*-?\s*([0-9]{4})", re.IGNORECASE)
_LEADING_POSTAL_CODE = re.compile(r"^(?:〒\s*[0-9]{3}\s*-?\s*[0-9]{4}|[0-9]{3}-[0-9]{4})[\s,、]*")
_JAPANESE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]")
_COUNTRY = re.compile(r"^(?:日本国?|japan)[\s,、]*", re.IGNORECASE)
_UNKNOWN_CITY = re.compile(r"^(?:[^0-9]{1,6}?郡[^0-9]{1,8}?[町村]|[^0-9]{1,8}?市[^0-9]{1,4}?区|[^0-9]{1,8}?[市区町村])")

_BEFORE_NUMBERS = re.compile(r"[0-9].*$", re.DOTALL)
_KANJI_BEFORE_SIGN = re.compile(f"{NUMERAL}+(?=丁目|番地|番(?![町丁館街場])|号(?!線)|-[0-9])")
_KANJI_ROW = re.compile(f"(?<!{NUMERAL}){NUMERAL}+(?:[-のノ之]{NUMERAL}+)+(?![町丁条])")
_LONG_VOWEL_MARK = re.compile(
    "(?<=[0-9〇一二三四五六七八九十目番地号])\\s*[-ー]\\s*(?=[0-9〇一二三四五六七八九十a-zA-Z])"
)
_NUMBER_IN_TOWN = re.compile(r"[0-9]+(?=条|線|番町|番丁|軒|号線)")
_SECTION = re.compile(r"大字|(?<![文一-十])小字|(?<![文一-十])字(?!町)")
_KYOTO_WAY = re.compile(r"^.+(?:上る|下る|上ル|下ル|東入る|西入る|東入ル|西入ル|東入|西入)")

_NUMBER = r"[0-9]+(?![0-9]|\s*(?:号室|階|[fF]\b))"
_STREET = re.compile(
    f"(?P<first>{_NUMBER})"
    f"(?P<more>(?:\\s*(?:(?:丁目|番地|番)\\s*[-のノ之]?|[-のノ之])\\s*{_NUMBER}){{0,2}})"
    r"\s*(?:丁目|番地|番|号(?!室|棟|館))?"
)
_DIGITS = re.compile(r"[0-9]+")
_AFTER_STREET = re.compile(r"^[\s\-,、のノ]+")
_ROOM_SIGN = re.compile(r"(?<=[0-9a-z])号室?(?=$|[^0-9a-z])|[#\s・,、]+")
_FLOOR = re.compile(r"(?<=[0-9])階")


@dataclass(frozen=True)
class Address:
    """Parts of an address for comparison; None where it does not say."""

    prefecture: str | None = None
    city: str | None = None
    town: str | None = None
    street: str | None = None
    """Numbers of chome, block and house, or of the lot: "1-2-3"."""
    building: str | None = None
    """Name and room in lower case without blanks: "ハイツ神南101"."""
    postal_code: str | None = None


def postal_code_value(value: object) -> str | None:
    """Return a Japanese postal code as 7 digits, or None when it is none.

    A whole number (JSON) is read as digits that lost their first 0 in a spreadsheet: 600001 -> 0600001.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:07d}" if 0 < value < 10**7 else None
    if not isinstance(value, str) or len(value) > 64:
        return None
    match = _POSTAL_CODE.fullmatch(hyphens(nfkc(value)))
    return None if match is None else match[1] + match[2]


def is_japanese(text: str) -> bool:
    """Tell whether an address is written in Japanese script."""
    return _JAPANESE.search(text) is not None


def split_address(text: str, *, postal_code: str | None = None) -> Address:
    """Return the parts of an address in Japanese script. `postal_code` (7 digits) fills in what the text leaves out."""
    text = _COUNTRY.sub("", nfkc(text)[:MAX_LENGTH])
    leading = _LEADING_POSTAL_CODE.match(hyphens(text))
    if leading is not None:
        postal_code = postal_code or re.sub("[^0-9]", "", leading.group())
        text = text[leading.end() :]
    text = one_writing(_COUNTRY.sub("", text))
    prefecture, text = _take_prefecture(text)
    municipality, city, text = _take_city(text, prefecture)
    area = area_of(postal_code) if postal_code and municipality is None and not (prefecture and city) else None
    municipality = municipality or _place(city, prefecture, area)
    town, street, building = _split_rest(
        text, is_kyoto=municipality is not None and municipality.name.startswith("京都市")
    )
    if town is None and area is not None and municipality is not None and area.city == municipality.name:
        town = area.town or None
    return Address(
        prefecture=prefecture if municipality is None else municipality.prefecture,
        city=city if municipality is None else municipality.name,
        town=town,
        street=street,
        building=building,
        postal_code=postal_code,
    )


def building_value(text: str) -> str | None:
    """Return a building and room for comparison: ハイツ神南 １０１号室 -> ハイツ神南101."""
    simpler = lower(hyphens_of_numbers(one_writing(nfkc(text))))
    simpler = nfkc(_ROOM_SIGN.sub("", _FLOOR.sub("f", simpler)).strip("-"))
    if simpler != text:  # what was taken out may leave another sign behind a number: 1 号, 1号号
        return building_value(simpler)
    return simpler or None


def hyphens_of_numbers(text: str) -> str:
    """Return text with every hyphen lookalike as `-`, ー only between numbers."""
    return _LONG_VOWEL_MARK.sub("-", dashes(text))


def _take_prefecture(text: str) -> tuple[str | None, str]:
    text = text.lstrip(" ,、")
    for prefecture in prefectures():
        if text.startswith(prefecture):
            return prefecture, text[len(prefecture) :]
    return None, text


def _take_city(text: str, prefecture: str | None) -> tuple[Municipality | None, str | None, str]:
    """Return (the municipality when only one can be meant, its name as found, the rest)."""
    text = text.lstrip(" ,、")
    squeezed = _BEFORE_NUMBERS.sub("", text).replace(" ", "")
    found = municipalities_at(one_spelling(squeezed))
    if found is None:
        unknown = _UNKNOWN_CITY.match(squeezed) if prefecture else None
        if unknown is None:
            return None, None, text
        return None, one_spelling(unknown.group()), _after(text, unknown.end())
    name, candidates = found
    rest = _after(text, len(name))
    if prefecture is not None:
        candidates = tuple(one for one in candidates if one.prefecture == prefecture)
        if not candidates:
            return None, name, rest
    return (candidates[0] if len(candidates) == 1 else None), name, rest


def _after(text: str, length: int) -> str:
    """Return what follows the first `length` characters that are no blanks."""
    place = 0
    while length:
        length -= text[place] != " "
        place += 1
    return text[place:]


def _place(city: str | None, prefecture: str | None, area: Area | None) -> Municipality | None:
    """Return the municipality a postal code tells, unless the text says another."""
    if area is None or (prefecture is not None and prefecture != area.prefecture):
        return None
    if city is not None and not one_spelling(area.city).endswith(city):
        return None
    return Municipality(area.prefecture, area.city)


def _split_rest(text: str, *, is_kyoto: bool) -> tuple[str | None, str | None, str | None]:
    """Return (town, street, building) of what follows the city."""
    text = _numbers_as_digits(text)
    match = _STREET.search(text)
    if match is None:
        before, _, after = text.strip().partition(" ")
        return _town(before, is_kyoto=is_kyoto), None, building_value(after)
    street = "-".join(str(int(number)) for number in _DIGITS.findall(match["first"] + match["more"]))
    building = building_value(_AFTER_STREET.sub("", text[match.end() :]))
    return _town(text[: match.start()], is_kyoto=is_kyoto), street, building


def _numbers_as_digits(text: str) -> str:
    """Write what counts chome, blocks and houses in digits, and numbers of a town's name (北1条) in kanji."""
    text = hyphens_of_numbers(_NUMBER_IN_TOWN.sub(lambda found: written_out(int(found.group()[:4])), text))
    text = _KANJI_ROW.sub(
        lambda found: "-".join(str(number_of(one)) for one in re.split("[-のノ之]", found.group())), text
    )
    return _KANJI_BEFORE_SIGN.sub(lambda found: str(number_of(found.group())), text)


def _town(text: str, *, is_kyoto: bool) -> str | None:
    town = _SECTION.sub("", text.replace(" ", "").strip("-,、"))
    if is_kyoto:
        town = _KYOTO_WAY.sub("", town)
    return one_spelling(town) or None
