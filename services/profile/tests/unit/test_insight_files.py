"""A file about segments is read line by line, and what looks like people is refused."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profile_service.rules.identifying import is_identifying_name, is_identifying_value
from profile_service.rules.insights import FileKind, ReadFile, Shape, Unreadable, column_problem, read_file

SHAPE = Shape(frozenset({"dormant", "gold"}), ["prefecture"], {"spend": "number", "loyal": "share"}, 10)
GOOD = {"segment": "gold", "prefecture": "東京都", "cell_size": 120, "spend": 3400.5, "loyal": 0.25}


def read_lines(*rows: object) -> ReadFile:
    return read_file("\n".join(json.dumps(row) for row in rows).encode(), "ndjson", SHAPE)


@pytest.mark.parametrize(
    "name",
    [
        "customer_id",
        "customerId",
        "CustomerID",
        "email",
        "E-Mail",
        "mail_address",
        "phone",
        "電話番号",
        "氏名",
        "user_id",
        "userid",
        "anonymous_id",
        "android.idfa",
        "ios.idfv",
        "ga_client_id",
        "member_no",
        "hashed_email",
        "email_sha256",
        "household_id",
        "name",
        "lastName",
        "address",
        "birthday",
    ],
)
def test_columns_that_identify_people_are_refused(name: str) -> None:
    assert is_identifying_name(name)
    assert column_problem(name) is not None


@pytest.mark.parametrize(
    "name", ["prefecture", "age_band", "gender", "spend", "paid", "household_size", "year", "grid"]
)
def test_columns_that_describe_a_segment_are_taken(name: str) -> None:
    assert column_problem(name) is None


@pytest.mark.parametrize(
    "value",
    [
        "hanako@example.jp",
        "ｈａｎａｋｏ＠example.jp",
        "090-1234-5678",
        "+81 90 1234 5678",
        "https://x.jp/1",
        "192.168.0.17",
        "3b1f8f0c-6a1e-4d0e-9a43-1c6f4f0d2a11",
        "5f4dcc3b5aa765d61d8327deb882cf99",
        "4111 1111 1111 1111",
        "12345678",
        "GA1a2b3c4d5e6f7g8h9i0j",
    ],
)
def test_values_that_look_like_identifiers_are_refused(value: str) -> None:
    assert is_identifying_value(value)
    read = read_lines(GOOD, GOOD | {"prefecture": value})
    assert [(each.line, each.column) for each in read.problems] == [(2, "prefecture")]
    assert value not in read.problems[0].detail


@pytest.mark.parametrize("value", ["東京都", "150-0002", "30-39", "2026-11-22", "A", "very high", "1,000,000+"])
def test_values_that_divide_a_segment_are_taken(value: str) -> None:
    assert read_lines(GOOD | {"prefecture": value}).problems == []


@pytest.mark.parametrize(
    ("wrong", "column"),
    [
        ({"cell_size": 9}, "cell_size"),
        ({"cell_size": None}, "cell_size"),
        ({"cell_size": 10.5}, "cell_size"),
        ({"cell_size": "ten"}, "cell_size"),
        ({"segment": "unknown"}, "segment"),
        ({"segment": ["gold"]}, "segment"),
        ({"spend": "NaN"}, "spend"),
        ({"spend": True}, "spend"),
        ({"spend": 1e15}, "spend"),
        ({"loyal": 1.01}, "loyal"),
        ({"prefecture": ""}, "prefecture"),
        ({"prefecture": {"a": 1}}, "prefecture"),
        ({"prefecture": "x\0"}, "prefecture"),
        ({"email": "x"}, "line"),
    ],
)
def test_a_line_that_does_not_fit_is_named(wrong: dict[str, object], column: str) -> None:
    read = read_lines(GOOD, GOOD | {"prefecture": "大阪府"} | wrong)
    assert [(each.line, each.column) for each in read.problems] == [(2, column)]
    assert (read.lines, read.refused, len(read.cells)) == (2, 1, 1)


def test_the_same_cell_twice_is_refused() -> None:
    assert [each.line for each in read_lines(GOOD, GOOD | {"spend": 1}).problems] == [2]


def test_csv_is_read_as_spreadsheets_write_it() -> None:
    text = (
        '\ufeffsegment,prefecture,cell_size,spend,loyal\r\ngold,"京都, 府",10,,1\r\n\r\ngold,奈良県,9,1,1\r\ngold,x\r\n'
    )
    read = read_file(text.encode(), "csv", SHAPE)
    assert [(cell.line, cell.dimensions, cell.measures) for cell in read.cells] == [
        (2, {"prefecture": "京都, 府"}, {"spend": None, "loyal": 1})
    ]
    assert [(each.line, each.column) for each in read.problems] == [(4, "cell_size"), (5, "line")]


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe", b"segment,cell_size\n", b"segment,segment,cell_size,spend,loyal\n"]
)
def test_a_file_of_other_columns_is_not_read(content: bytes) -> None:
    with pytest.raises(Unreadable):
        read_file(content, "csv", SHAPE)


@given(st.lists(st.integers(min_value=0, max_value=30), max_size=30))
def test_no_cell_below_the_minimum_is_ever_taken(sizes: list[int]) -> None:
    read = read_lines(*(GOOD | {"prefecture": f"p{place}", "cell_size": size} for place, size in enumerate(sizes)))
    assert [cell.cell_size for cell in read.cells] == [size for size in sizes if size >= SHAPE.minimum_cell_size]
    assert read.refused == len(sizes) - len(read.cells)


@given(st.binary(max_size=200))
def test_whatever_is_sent_is_read_or_refused(content: bytes) -> None:
    kinds: tuple[FileKind, ...] = ("csv", "ndjson")
    for kind in kinds:
        with contextlib.suppress(Unreadable):
            assert read_file(content, kind, SHAPE).cells == []
