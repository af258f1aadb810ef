"""Telephone numbers in E.164 (ITU-T), by Google's libphonenumber (`phonenumbers`).

A number of the right length for its country is taken (`is_possible`), even when no known range holds it: ranges are
opened faster than metadata is (Japan's 060 mobiles), and refusing a real number would lose a customer's only
identifier. A number that carries letters must lie in a known range. What has no area code, or is too short or too
long for its country, identifies nobody.

The package is imported at the first number that needs it. Japanese mobile numbers, nearly all that arrive, do not:
one pattern reads them.
"""

import re

from identity_service.rules.normalisation.text import hyphens, nfkc

DEFAULT_REGION = "JP"
MAX_LENGTH = 100
_MOST_DIGITS = 26
"""Of a number with the longest prefix to dial (010), E.164's 15, and an extension; more is two numbers, or none."""
_JAPANESE_MOBILE = re.compile(r"(?:\+?81(?:0|-?\(0\))?|0)([789]0[1-9][0-9]{7})")
"""電気通信番号計画 (総務省告示): 0A0-CDEF-GHJK, C not 0; here for 070, 080 and 090."""
_JAPAN = 81
_JAPANESE_PLAN = re.compile(r"[5-9]0[1-9][0-9]{7}|[1-9](?!0)[0-9]{8}")
"""Without the trunk 0: ten digits after 50 to 90, nine in an area. libphonenumber takes 8 to 17 for possible."""
_SEPARATORS = {ord(separator): None for separator in "-(). "}
_LETTER = re.compile(r"[^\W\d_]")
_TRUNK_ZERO = re.compile(r"^(\+[0-9]{1,3}[^0-9(]*)\(0\)")
_EXTENSION_WORD = re.compile(r"\s*(?:内線|ext(?:ension|n)?\.?|[x;,#]).*$", re.IGNORECASE | re.DOTALL)
_REMARK = re.compile(r"\s*\([^()0-9]+\)\s*$")
_LABEL = re.compile(r"^\s*(?:tel|phone|mobile|fax|電話番号|電話|携帯|自宅|勤務先)\s*[:.]?\s*", re.IGNORECASE)


def phone_value(value: object) -> str | None:
    """Return a telephone number as E.164 (region JP where it names no country), or None when it is not one.

    A whole number (JSON) is read as digits that lost their first 0 in a spreadsheet: 9012345678 -> +819012345678.
    """
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    if isinstance(value, int) and not 0 <= value < 10**15:
        return None
    return phone_in_region(str(value), region=DEFAULT_REGION)


def phone_in_region(text: str, *, region: str) -> str | None:
    """Return a telephone number as E.164; `region` (ISO 3166) is where a number without country is dialled."""
    if len(text) > MAX_LENGTH:
        return None
    text = hyphens(nfkc(text))
    if region == DEFAULT_REGION:
        mobile = _JAPANESE_MOBILE.fullmatch(text.translate(_SEPARATORS))
        if mobile is not None:
            return f"+81{mobile.group(1)}"
    return _by_libphonenumber(text, region) if sum(map(str.isdigit, text)) <= _MOST_DIGITS else None


def _by_libphonenumber(text: str, region: str) -> str | None:
    text = _TRUNK_ZERO.sub(r"\1", _EXTENSION_WORD.sub("", _REMARK.sub("", _LABEL.sub("", text))))
    number = _e164(text, region)
    if number is None and text.startswith("00"):
        # 00 is how most countries dial abroad; Japan's own is 010, which libphonenumber knows.
        number = _e164(f"+{text[2:]}", region)
    return number


def _e164(text: str, region: str) -> str | None:
    import phonenumbers

    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    number.extension = None
    if not phonenumbers.is_valid_number(number):
        is_possible = phonenumbers.is_possible_number_with_reason(number) == phonenumbers.ValidationResult.IS_POSSIBLE
        is_in_plan = number.country_code != _JAPAN or _JAPANESE_PLAN.fullmatch(str(number.national_number))
        if not (is_possible and is_in_plan) or text.startswith("00") or _LETTER.search(text):
            return None
    written = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    # A number outside known ranges may read differently once it is written with its country; such a one is not certain.
    return written if phonenumbers.parse(written, region) == number else None
