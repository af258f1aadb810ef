"""What traits say of a person, as written and normalised for comparison."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from identity_service.rules.normalisation.addresses import postal_code_value
from identity_service.rules.normalisation.dates import date_value
from identity_service.rules.normalisation.emails import email_value
from identity_service.rules.normalisation.names import name_value
from identity_service.rules.normalisation.phones import phone_value
from identity_service.rules.normalisation.readings import reading_value

FIELDS: tuple[str, ...] = (
    "surname", "given_name", "surname_kana", "given_name_kana", "full_name", "birth_date", "gender", "email", "phone",
    "postal_code", "prefecture", "city", "town", "street", "building",
)  # fmt: skip

_KEYS: Mapping[str, str] = {
    "lastname": "surname", "firstname": "given_name", "name": "full_name", "birthday": "birth_date", "gender": "gender",
    "email": "email", "phone": "phone", "lastnamekana": "surname_kana", "firstnamekana": "given_name_kana",
}  # fmt: skip
_NORMAL: Mapping[str, Callable[[object], str | None]] = {
    "surname": name_value, "given_name": name_value, "surname_kana": reading_value, "given_name_kana": reading_value,
    "full_name": name_value, "birth_date": date_value, "email": email_value, "phone": phone_value,
    "postal_code": postal_code_value,
}  # fmt: skip


def normalise_person(traits: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, str]]:  # free JSON from a source
    """Return (written, normal) of the person fields among traits; unusable values are left out. Never raises."""
    written = {field: value for field, value in _fields(traits) if value.strip()}
    normal = {field: _NORMAL.get(field, name_value)(value) for field, value in written.items()}
    return written, {field: value for field, value in normal.items() if value is not None}


def _fields(traits: Mapping[str, Any]) -> Iterator[tuple[str, str]]:  # free JSON from a source
    for key, value in traits.items():
        field = _KEYS.get(key.lower().replace("_", ""))
        if field is not None and isinstance(value, str):
            yield field, value
