"""Text of departments' files as numbers, truth values, dates and moments: what can be read in two ways is refused."""

import json
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identity_service.rules.normalisation.dates import EARLIEST, LATEST
from identity_service.rules.typed_values import (
    MAX_DIGITS,
    read_boolean,
    read_list,
    read_moment,
    read_number,
    read_typed,
)

TOKYO = ZoneInfo("Asia/Tokyo")
_WIDE = str.maketrans("0123456789,.-+", "０１２３４５６７８９，．－＋")
whole = st.integers(min_value=0, max_value=10**MAX_DIGITS - 1)
signs = st.sampled_from(["", "-", "+", "−", "▲", "△", "－"])


def is_negative(sign: str) -> bool:
    return sign not in {"", "+"}


@given(number=whole, sign=signs, mark=st.sampled_from(["", "¥", "￥", "\\"]), suffix=st.sampled_from(["", "円"]))
def test_a_whole_number_reads_as_it_is_meant(number: int, sign: str, mark: str, suffix: str) -> None:
    expected = -number if is_negative(sign) else number
    for text in (str(number), f"{number:,}", f"{number:,}".translate(_WIDE), f"000{number}"):
        for written in (f"{sign}{mark}{text}{suffix}", f"{mark}{sign}{text}{suffix}"):
            assert read_number(written) == expected
            assert isinstance(read_number(written), int)


@given(number=st.decimals(min_value=0, max_value=10**9, places=4), sign=signs)
def test_a_number_with_decimals_is_what_json_says_it_is(number: Decimal, sign: str) -> None:
    read = read_number(f"{sign}{number:,f}")
    assert read is not None
    assert abs(Decimal(json.dumps(read))) == number.normalize()
    assert read <= 0 if is_negative(sign) else read >= 0


@given(st.integers() | st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_of_json_stays_what_it_is(number: float) -> None:
    assert read_number(number) == number


@pytest.mark.parametrize(
    "text",
    ["", "1,5", "1.234,56", "12,34", "1,2345", ",123", "1 200", "1.2E+05", "0x10", "１２a", "--1", "-¥-1", "1.", ".5",
     "nan", "inf", "1" * (MAX_DIGITS + 1), "0." + "1" * (MAX_DIGITS + 1), "千二百", "$5", "1200円円"],
)  # fmt: skip
def test_what_could_mean_two_things_or_loses_digits_is_no_number(text: str) -> None:
    assert read_number(text) is None


@pytest.mark.parametrize("value", [True, None, [1], {"a": 1}])
def test_only_text_and_numbers_are_numbers(value: object) -> None:
    assert read_number(value) is None  # type: ignore[arg-type]  # free JSON


@pytest.mark.parametrize(
    ("text", "expected"),
    [("TRUE", True), ("はい", True), ("○", True), ("１", True), ("有", True), ("False", False), ("0", False),
     ("いいえ", False), ("×", False), ("無", False), ("maybe", None), ("2", None), ("", None)],
)  # fmt: skip
def test_truth_values(text: str, expected: bool | None) -> None:
    assert read_boolean(text) is expected


@given(
    st.dates(min_value=date(1901, 1, 2), max_value=date(2198, 12, 30)),
    st.times().map(lambda at: at.replace(microsecond=0)),
)
def test_a_time_without_an_offset_is_meant_where_the_department_is(day: date, clock: time) -> None:
    expected = datetime.combine(day, clock, tzinfo=TOKYO)
    at = expected.replace(tzinfo=None)
    for text in (
        at.isoformat(),
        at.isoformat(" "),
        f"{at:%Y/%m/%d} {at.hour}:{at:%M:%S}",
        f"{at.year}年{at.month}月{at.day}日 {at:%H:%M:%S}",
        f"{at:%Y%m%d%H%M%S}",
        f"{at:%Y/%m/%d %H:%M:%S}".translate(_WIDE),
        expected.isoformat(),
        expected.astimezone(UTC).isoformat(),
    ):
        read = read_moment(text, TOKYO)
        assert read is not None, text
        assert datetime.fromisoformat(read) == expected


@given(st.dates(min_value=max(EARLIEST, date(1901, 1, 2)), max_value=min(LATEST, date(2198, 12, 30))))
def test_a_day_begins_where_the_department_is(day: date) -> None:
    for text in (day.isoformat(), f"{day:%Y/%m/%d}", f"{day:%Y%m%d}"):
        read = read_moment(text, TOKYO)
        assert read is not None
        assert datetime.fromisoformat(read) == datetime(day.year, day.month, day.day, tzinfo=TOKYO)
        assert read_typed(text, "date", TOKYO) == day.isoformat()


@pytest.mark.parametrize(
    "text", ["2026/11/20 3:00 PM", "20/11/2026", "2026/11/20 25:00", "2026-11-31", "9:00", "yesterday"]
)
def test_a_time_that_is_not_understood_is_no_reason_to_take_the_day(text: str) -> None:
    assert read_moment(text, TOKYO) is None


@pytest.mark.parametrize(("value", "expected"), [("007", "007"), (7, "7"), (True, None), (1.5, None), (["a"], None)])
def test_text_stays_text(value: object, expected: str | None) -> None:
    assert read_typed(value, "text", TOKYO) == expected  # type: ignore[arg-type]  # free JSON


@pytest.mark.parametrize(
    ("value", "separator", "elements", "expected"),
    [
        ("限定 | ギフト", "|", "text", ["限定", "ギフト"]), ("1,200、▲3、４", "、", "number", [1200, -3, 4]),
        ("007", ";", "text", ["007"]), ("a::b:c", "::", "text", ["a", "b:c"]), (["a", 7], "|", "text", ["a", "7"]),
        ([1, "1,200", 0.5], None, "number", [1, 1200, 0.5]), ([], None, "text", []),
        ("a|b", None, "text", "A list."),
        (7, "|", "number", "A list, or text"), ({"a": 1}, "|", "text", "A list, or text"),
        ("a||b", "|", "text", "Element 2: nothing"), ("a|b|", "|", "text", "Element 3: nothing"),
        ([None], "|", "text", "Element 1: "),
        ("1;2;1,5", ";", "number", "Element 3: A number"), ([1, [2]], None, "number", "Element 2: A number"),
        ([{"a": 1}], None, "text", "Element 1: Text"), (["a", True], None, "text", "Element 2: Text"),
    ],
)  # fmt: skip
def test_a_list_is_read_element_by_element(value: Any, separator: str | None, elements: str, expected: object) -> None:
    read = read_list(value, separator=separator, elements=elements, zone=TOKYO)
    if isinstance(expected, str):
        assert isinstance(read, str)
        assert read.startswith(expected)
    else:
        assert read == expected


@given(
    st.lists(st.decimals(min_value=0, max_value=10**9, places=2), min_size=1), st.sampled_from([";", "|", " / ", "\n"])
)
def test_numbers_that_were_joined_are_read_back(numbers: list[Decimal], separator: str) -> None:
    joined = separator.join(f"{number:,f}" for number in numbers)
    read = read_list(joined, separator=separator, elements="number", zone=TOKYO)
    assert read == [float(number) for number in numbers]
