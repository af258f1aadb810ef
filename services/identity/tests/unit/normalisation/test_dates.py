"""Dates: Western and Japanese writings, and what is not guessed."""

import pytest

from identity_service.rules.normalisation import NORMALISERS


@pytest.mark.parametrize(
    ("value", "normal", "reason"),
    [
        ("1985-04-01", "1985-04-01", "ISO 8601"),
        ("1985-4-1", "1985-04-01", "without zeros in front"),
        ("1985/04/01", "1985-04-01", "slashes, usual in Japan"),
        ("1985.4.1", "1985-04-01", "dots"),
        ("19850401", "1985-04-01", "packed"),
        (19850401, "1985-04-01", "packed, as a number"),
        ("１９８５年４月１日", "1985-04-01", "kanji signs, full-width digits"),
        ("1985年 4月 1日生まれ", "1985-04-01", "blanks and a word behind"),
        ("一九八五年四月一日", "1985-04-01", "kanji digits"),
        ("1985-04-01T00:00:00.000Z", "1985-04-01", "a timestamp: its day as written"),
        ("1985-04-01 09:30", "1985-04-01", "the same with a blank"),
        ("1985年4月1日(月)", "1985-04-01", "with the weekday"),
        ("昭和60年4月1日", "1985-04-01", "Showa 60 is 1985"),
        ("昭和六十年四月一日", "1985-04-01", "in kanji numerals"),
        ("昭和60.4.1", "1985-04-01", "era and dots"),
        ("S60.4.1", "1985-04-01", "the era's letter"),
        ("s60/04/01", "1985-04-01", "in lower case"),
        ("S600401", "1985-04-01", "packed"),
        ("㍼60年4月1日", "1985-04-01", "the era as one character (NFKC)"),
        ("昭60-4-1", "1985-04-01", "the era's first character"),
        ("令和元年5月1日", "2019-05-01", "元年 is year 1"),
        ("平成元年1月8日", "1989-01-08", "the first day of Heisei"),
        ("昭和64年1月7日", "1989-01-07", "the last day of Showa"),
        ("平成31年6月1日", "2019-06-01", "a form printed before the era changed"),
        ("昭和64年3月1日", "1989-03-01", "the same"),
        ("大正15年12月25日", "1926-12-25", "the day that belongs to two eras"),
        ("昭和元年12月25日", "1926-12-25", "the same day"),
        ("M45.7.30", "1912-07-30", "the last day of Meiji"),
        ("2024-02-29", "2024-02-29", "a leap day"),
        ("2000-02-29", "2000-02-29", "a leap day of a century divisible by 400"),
        ("2023-02-29", None, "no leap year"),
        ("1900-02-29", None, "no leap year: a century"),
        ("昭和60年2月29日", None, "1985 was no leap year"),
        ("1985-13-01", None, "no such month"),
        ("1985-04-31", None, "no such day"),
        ("0000-00-00", None, "a database's nothing"),
        ("1985-00-00", None, "day not known"),
        ("85/4/1", None, "two digits: 1985, Showa 85, Heisei?"),
        ("60.4.1", None, "two digits without an era"),
        ("01/04/1985", None, "1 April or 4 January"),
        ("平成32年1月1日", None, "Heisei ended in its 31st year"),
        ("令和元年4月30日", None, "Reiwa began on 1 May"),
        ("昭和0年1月1日", None, "eras begin with 1"),
        ("1600-01-01", None, "before the solar calendar came to Japan"),
        ("2200-01-01", None, "too late for anybody here"),
        ("1985年4月", None, "no day"),
        ("不明", None, "not known"),
        (True, None, "not text"),
        (None, None, "nothing"),
    ],
)
def test_date(value: object, normal: str | None, reason: str) -> None:
    assert NORMALISERS["date"](value) == normal, reason
