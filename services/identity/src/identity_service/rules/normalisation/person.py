"""What traits say of a person, as written and normalised for comparison.

Traits: Segment's spec of reserved traits (`firstName`, `lastName`, `name`, `birthday`, `gender`, `email`, `phone`,
`address`), what Japanese forms call the same things, and either in any case and with any of `_`, `-`, blanks between
words.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from identity_service.rules.normalisation.addresses import (
    Address,
    building_value,
    is_japanese,
    postal_code_value,
    split_address,
)
from identity_service.rules.normalisation.dates import date_value
from identity_service.rules.normalisation.emails import email_value
from identity_service.rules.normalisation.names import FullName, name_value, split_full_name, without_honorific
from identity_service.rules.normalisation.phones import phone_value
from identity_service.rules.normalisation.readings import reading_value
from identity_service.rules.normalisation.text import lower, nfkc

FIELDS: tuple[str, ...] = (
    "surname", "given_name", "surname_kana", "given_name_kana", "full_name", "birth_date", "gender", "email", "phone",
    "postal_code", "prefecture", "city", "town", "street", "building",
)  # fmt: skip
"""Keys of both results. A whole address in one text is written under `street`."""

MAX_LENGTH = 500

_FULL_NAME_KANA = "full_name_kana"
_COUNTRY = "country"
_ADDRESS = "address"

_KEYS_OF: Mapping[str, str] = {
    "surname": "lastname familyname surname sei 姓 名字 苗字 名前(姓) お名前(姓) 氏名(姓)",
    "given_name": "firstname givenname forename mei 名 下の名前 名前(名) お名前(名) 氏名(名)",
    "surname_kana": "lastnamekana familynamekana surnamekana seikana kanasei lastnamephonetic phoneticlastname "
    "セイ せい 姓(カナ) 姓カナ 姓(かな) 姓かな 姓(フリガナ) 姓フリガナ カナ姓 フリガナ(セイ) フリガナ(姓)",
    "given_name_kana": "firstnamekana givennamekana meikana kanamei firstnamephonetic phoneticfirstname "
    "メイ めい 名(カナ) 名カナ 名(かな) 名かな 名(フリガナ) 名フリガナ カナ名 フリガナ(メイ) フリガナ(名)",
    "full_name": "name fullname 氏名 名前 お名前 姓名 顧客名 会員名 氏名(漢字) 漢字氏名",
    _FULL_NAME_KANA: "namekana fullnamekana kananame kana phoneticname furigana フリガナ ふりがな ヨミガナ よみがな "
    "カナ カナ氏名 氏名カナ 氏名(カナ) 氏名フリガナ 氏名(フリガナ) お名前(カナ) お名前(フリガナ)",
    "birth_date": "birthday birthdate dateofbirth dob 生年月日 誕生日",
    "gender": "gender sex 性別",
    "email": "email mail emailaddress mailaddress メールアドレス メール eメール 電子メール",
    "phone": "phone tel telephone phonenumber mobile mobilephone mobilenumber cellphone "
    "電話番号 電話 携帯 携帯電話 携帯番号 携帯電話番号 連絡先電話番号",
    "postal_code": "postalcode postcode zip zipcode 郵便番号 〒",
    "prefecture": "prefecture state region 都道府県 県",
    "city": "city 市区町村 市町村",
    "town": "town 町域 町名 町",
    "street": "street streetaddress addressline1 address1 番地 町名番地 町域番地 町名・番地 丁目番地 以降の住所",
    "building": "building addressline2 address2 apartment 建物 建物名 建物名・部屋番号 マンション名 マンション・ビル名",
    _COUNTRY: "country countrycode 国",
    _ADDRESS: "address 住所 ご住所",
}
_BETWEEN_WORDS = re.compile(r"[\s_\-.]+")


def _key(text: str) -> str:
    return _BETWEEN_WORDS.sub("", nfkc(text).lower())


_FIELD_OF: Mapping[str, str] = {_key(key): field for field, keys in _KEYS_OF.items() for key in keys.split()}

_GENDERS: Mapping[str, str] = {
    sign: gender
    for gender, signs in {
        "male": "male m man 1 男 男性 おとこ オトコ 男子",
        "female": "female f w woman 2 女 女性 おんな オンナ 女子",
        "other": "other x nonbinary non-binary 9 その他 どちらでもない",
    }.items()
    for sign in signs.split()
}
"""1, 2 and 9 by ISO/IEC 5218, where 0 is not known."""


def normalise_person(traits: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, str]]:  # free JSON from a source
    """Return (written, normal) of the person fields among traits, keys of `FIELDS`. Never raises.

    `written` is text as it came, split where it came in one piece. `normal` is for comparison: names in common forms
    of characters, readings in katakana of one sound, E.164, ISO 8601, street as 1-2-3. What cannot be used is left
    out.
    """
    stated = _stated(traits)
    written = _written_names(stated) | {
        field: str(value) for field, value in stated.items() if field in FIELDS and field not in _NAME_FIELDS
    }
    whole = stated.get(_ADDRESS)
    if isinstance(whole, str):
        written.setdefault("street", whole)
    normal: dict[str, str | None] = {**_normal_names(written), **_normal_address(stated)}
    for field, normaliser in _SINGLE.items():
        normal[field] = normaliser(stated[field]) if field in stated else None
    return written, {field: text for field in FIELDS if (text := normal.get(field))}


_NAME_FIELDS = frozenset({"surname", "given_name", "surname_kana", "given_name_kana", "full_name"})


def gender_value(value: object) -> str | None:
    """Return male, female or other; None when it is not said."""
    return _GENDERS.get(_key(str(value))) if isinstance(value, str | int) and not isinstance(value, bool) else None


_SINGLE: Mapping[str, Callable[[object], str | None]] = {
    "birth_date": date_value,
    "gender": gender_value,
    "email": email_value,
    "phone": phone_value,
}


def _stated(traits: Mapping[str, Any]) -> dict[str, str | int]:  # free JSON from a source
    """Return field -> usable value; of several keys for one field the first, and an address's own parts before all."""
    stated: dict[str, str | int] = {}
    flat: list[tuple[str, Any]] = []  # free JSON
    for key, value in traits.items():
        if isinstance(value, Mapping):
            if _FIELD_OF.get(_key(key)) == _ADDRESS:
                flat[:0] = [item for item in value.items() if isinstance(item[0], str)]
        else:
            flat.append((key, value))
    for key, value in flat:
        field = _FIELD_OF.get(_key(key)) if len(key) <= 64 else None
        if field is not None and field not in stated and _is_usable(value):
            stated[field] = value
    return stated


def _is_usable(value: Any) -> bool:  # free JSON from a source
    if isinstance(value, str):
        return 0 < len(value) <= MAX_LENGTH and bool(nfkc(value))
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**15


def _written_names(stated: Mapping[str, str | int]) -> dict[str, str]:
    """Return the names as written; what came in one piece fills the parts that did not come."""
    written = {field: text for field in _NAME_FIELDS if isinstance(text := stated.get(field), str)}
    _fill(written, "surname", "given_name", whole=written.get("full_name"))
    if "given_name" not in written and " " in nfkc(written.get("surname", "")):
        whole = written.pop("surname")
        written.setdefault("full_name", whole)
        _fill(written, "surname", "given_name", whole=whole)
    kana = stated.get(_FULL_NAME_KANA)
    _fill(written, "surname_kana", "given_name_kana", whole=kana if isinstance(kana, str) else None)
    return written


def _fill(written: dict[str, str], surname: str, given_name: str, *, whole: str | None) -> None:
    if whole is None or surname in written or given_name in written:
        return
    split: FullName | None = split_full_name(whole)
    if split is not None:
        written[surname], written[given_name] = split.surname, split.given_name


def _normal_names(written: Mapping[str, str]) -> dict[str, str | None]:
    normal: dict[str, str | None] = {}
    for field in ("surname", "given_name", "full_name"):
        normal[field] = name_value(without_honorific(written[field])) if field in written else None
    if normal["surname"] and normal["given_name"]:
        normal["full_name"] = normal["surname"] + normal["given_name"]
    own = {field: _reading(written.get(field)) for field in ("surname", "given_name")}
    is_japanese_name = all(own.values()) or not all(written.get(field, "").isascii() for field in own)
    for field, reading in own.items():
        stated = _reading(written.get(f"{field}_kana"))
        # A name in kana or romaji says its own reading; romaji only when both names are Japanese (not John Smith).
        normal[f"{field}_kana"] = stated or (reading if is_japanese_name else None)
    return normal


def _reading(text: str | None) -> str | None:
    return None if text is None else reading_value(without_honorific(text))


def _normal_address(stated: Mapping[str, str | int]) -> dict[str, str | None]:
    parts = {field: str(stated[field]) for field in ("prefecture", "city", "town", "street") if field in stated}
    whole = stated.get(_ADDRESS)
    postal_code = postal_code_value(stated.get("postal_code"))
    text = whole if isinstance(whole, str) else _joined(parts)
    is_abroad = _is_abroad(str(stated.get(_COUNTRY, "")))
    if is_abroad or (text and not is_japanese(text)):
        return _foreign_address(stated, parts, whole=whole, is_abroad=is_abroad)
    address = split_address(text, postal_code=postal_code) if text or postal_code else Address()
    rooms = [one for one in (address.building, building_value(str(stated.get("building", "")))) if one]
    return {
        "prefecture": address.prefecture,
        "city": address.city,
        "town": address.town,
        "street": address.street,
        "building": "".join(dict.fromkeys(rooms)) or None,
        "postal_code": address.postal_code,
    }


def _joined(parts: Mapping[str, str]) -> str:
    """Put the parts together, leaving out one that the next repeats (state 東京都, street 東京都渋谷区...)."""
    text = ""
    for field in ("street", "town", "city", "prefecture"):
        part = nfkc(parts.get(field, ""))
        if not text.startswith(part):
            text = f"{part} {text}".strip()
    return text


def _is_abroad(country: str) -> bool:
    return bool(country) and _key(country) not in {"jp", "jpn", "japan", "日本", "日本国", "nippon", "392"}


def _foreign_address(
    stated: Mapping[str, str | int], parts: Mapping[str, str], *, whole: object, is_abroad: bool
) -> dict[str, str | None]:
    """An address in Latin script is folded in width, case, blanks and punctuation only."""
    postal_code = stated.get("postal_code")
    normal = {field: _words(part) for field, part in parts.items()}
    if isinstance(whole, str):
        normal.setdefault("street", _words(whole))
    normal["building"] = _words(str(stated.get("building", "")))
    normal["postal_code"] = _words(str(postal_code or "")) if is_abroad else postal_code_value(postal_code)
    return normal


def _words(text: str) -> str | None:
    return " ".join(re.findall(r"\w+", lower(text))) or None
