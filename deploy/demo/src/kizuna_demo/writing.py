"""The same person as another department writes it: old characters, half-width readings, years of the emperor."""

from datetime import date
from unicodedata import normalize

from kizuna_demo.addresses import Address

_OLD_CHARACTERS = str.maketrans("沢浜高崎辺斎桜国広恵真竜沢滝塩関蔵栄宝", "澤濱髙﨑邉齋櫻國廣惠眞龍澤瀧鹽關藏榮寶")
_FULL_WIDTH_DIGITS = str.maketrans("0123456789", "０１２３４５６７８９")
_ERAS = ((date(2019, 5, 1), "R"), (date(1989, 1, 8), "H"), (date(1926, 12, 25), "S"))


def _half_width_table() -> dict[int, str]:
    """Full-width katakana -> half-width, voiced ones as two characters; NFKC goes the other way."""
    table = {ord(normalize("NFKC", half)): half for half in map(chr, range(0xFF66, 0xFF9E))}
    for half in map(chr, range(0xFF66, 0xFF9E)):
        for mark in "\uff9e\uff9f":
            voiced = normalize("NFKC", half + mark)
            if len(voiced) == 1:
                table[ord(voiced)] = half + mark
    return table


_HALF_WIDTH = _half_width_table()


def half_width(katakana: str) -> str:
    """ガク -> ｶﾞｸ, as terminals of old wrote readings."""
    return katakana.translate(_HALF_WIDTH)


def old_characters(name: str) -> str:
    """高沢 -> 髙澤, as the family register writes names."""
    return name.translate(_OLD_CHARACTERS)


def japanese_date(day: date) -> str:
    """1970-03-05 -> S45.3.5. Raises ValueError before 1926-12-25."""
    for first, letter in _ERAS:
        if day >= first:
            return f"{letter}{day.year - first.year + 1}.{day.month}.{day.day}"
    raise ValueError(f"{day} is before the eras known here.")


def address_in_words(address: Address, *, with_prefecture: bool = True) -> str:
    """東京都渋谷区絆台１丁目２番３号, in one piece as on a delivery note."""
    block, lot, house = (str(number).translate(_FULL_WIDTH_DIGITS) for number in address.numbers)
    place = address.prefecture + address.city if with_prefecture else address.city
    return f"{place}{address.town}{block}丁目{lot}番{house}号"
