"""A file about segments is read line by line, and what looks like people is refused."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profile_service.rules.identifying import is_identifying_name, is_identifying_value
from profile_service.rules.insights import (
    MAX_PROBLEMS,
    Cell,
    CellReader,
    Cells,
    LineProblem,
    Shape,
    column_problem,
    header_problem,
)

SHAPE = Shape(frozenset({"dormant", "gold"}), ["prefecture"], {"spend": "number", "loyal": "share"}, 10)
GOOD: dict[str, object] = {"segment": "gold", "prefecture": "東京都", "cell_size": 120, "spend": 3400.5, "loyal": 0.25}


def read_lines(*rows: dict[str, object]) -> tuple[list[Cell], CellReader]:
    read = CellReader(SHAPE)
    return [cell for line, row in enumerate(rows, start=1) if (cell := read.read(line, row)) is not None], read


def problems(*rows: dict[str, object]) -> list[LineProblem]:
    return read_lines(*rows)[1].problems


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
    [problem] = problems(GOOD, GOOD | {"prefecture": value})
    assert (problem.line, problem.column) == (2, "prefecture")
    assert value not in problem.detail


@pytest.mark.parametrize("value", ["東京都", "150-0002", "30-39", "2026-11-22", "A", "very high", "1,000,000+"])
def test_values_that_divide_a_segment_are_taken(value: str) -> None:
    assert problems(GOOD | {"prefecture": value}) == []


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
    cells, read = read_lines(GOOD, GOOD | {"prefecture": "大阪府"} | wrong)
    assert [(each.line, each.column) for each in read.problems] == [(2, column)]
    assert (read.lines, read.refused, len(cells)) == (2, 1, 1)


def test_of_many_problems_the_first_are_named_and_all_are_counted() -> None:
    read = CellReader(SHAPE)
    for line in range(1, 201):
        read.read(line, {}, problem="Not a JSON object.")
    read.refuse_repeated([(7, 3)], lines=50)
    assert (read.lines, read.refused, len(read.problems)) == (200, 250, MAX_PROBLEMS)
    assert [(each.line, each.column) for each in read.problems if each.column == "segment"] == [(7, "segment")]
    assert [each.line for each in read.problems] == sorted(each.line for each in read.problems)


def test_a_file_must_have_exactly_the_datasets_columns() -> None:
    assert header_problem(["loyal", "spend", "cell_size", "prefecture", "segment"], SHAPE) is None
    for columns in ([], ["segment", "cell_size"], ["segment", *SHAPE.columns], [*SHAPE.columns, "email"]):
        assert header_problem(columns, SHAPE) is not None


@given(st.lists(st.integers(min_value=0, max_value=30), max_size=30))
def test_no_cell_below_the_minimum_is_ever_taken(sizes: list[int]) -> None:
    rows = [GOOD | {"prefecture": f"p{place}", "cell_size": size} for place, size in enumerate(sizes)]
    cells, read = read_lines(*rows)
    assert [cell.cell_size for cell in cells] == [size for size in sizes if size >= SHAPE.minimum_cell_size]
    assert read.refused == len(sizes) - len(cells)


SPELLINGS = {
    "": True, "12": True, "12.0": True, "0.50": True, "-0": True, " 12": True, "-1": True, "999999999999999": True,
    "0.33333333333333333333": True, "0.5000000000000001": True,
    "007": False, "+5": False, "1_0": False, "1e2": False, "１２": False, "NaN": False, "null": False, "true": False,
    "1,2": False, "[1": False, "2]": False, '"a': False, "Infinity": False, "1e15": False, "1" * 5000: False,
    "[" * 5000: False, "12.00000000000000000001": False, "1.00000000000000000001": False,
    "999999999999999.9999": False,
}  # fmt: skip
"""As suppliers write numbers; whether many are read at once."""


def row(**others: object) -> dict[str, object]:
    return {"segment": "gold", "prefecture": "東京都", "cell_size": "120", "spend": "1", "loyal": "0.25"} | others


def read_together(*rows: dict[str, object]) -> list[Cell] | None:
    read = CellReader(SHAPE)
    cells = read.read_together(1, {name: [each[name] for each in rows] for name in SHAPE.columns})
    assert (read.lines, read.refused) == (0 if cells is None else len(rows), 0)
    return None if cells is None else unfolded(cells)


@pytest.mark.parametrize(("spelling", "is_together"), SPELLINGS.items())
def test_a_number_is_the_same_whether_read_with_others_or_by_itself(spelling: str, *, is_together: bool) -> None:
    rows = [row(), row(spend=spelling), row()]
    cells = read_together(*rows)
    assert (cells is not None) == is_together
    assert cells is None or repr(cells) == repr(read_lines(*rows)[0])  # 1 and 1.0 are equal, and written differently


usual = {
    "segment": st.sampled_from(["gold", "dormant"]),
    "prefecture": st.sampled_from(["東京都", "30-39", 'a"b', "a\\b"]),
    "cell_size": st.sampled_from(["10", "120.0", 10, 11.0]),
    "spend": st.one_of(st.sampled_from([text for text, is_usual in SPELLINGS.items() if is_usual]), st.floats(0, 9)),
    "loyal": st.sampled_from(["", "1", "0.0", 0.5, 0, None]),
}
unusual = st.sampled_from(
    ["", "nobody", "a\tb", "x" * 101, "090-1234-5678", "a@b.jp", 2026, 1.5, True, None, -0.1, "1.1", "9", "10.5", "1e1"]
)


@given(
    st.lists(st.fixed_dictionaries(usual), min_size=1, max_size=5),
    st.none() | st.tuples(st.sampled_from(list(usual)), unusual),
)
def test_lines_read_together_are_what_each_is_by_itself(
    rows: list[dict[str, object]], odd: tuple[str, object] | None
) -> None:
    if odd is not None:
        rows[-1] |= dict([odd])
    cells = read_together(*rows)
    expected, one_by_one = read_lines(*rows)
    assert cells is None or (one_by_one.refused, repr(cells)) == (0, repr(expected))


def unfolded(cells: Cells) -> list[Cell]:
    return [
        Cell(
            line,
            cells.segments[place],
            {name: values[place] for name, values in cells.dimensions.items()},
            cells.cell_sizes[place],
            {name: values[place] for name, values in cells.measures.items()},
        )
        for place, line in enumerate(cells.lines)
    ]


@given(st.lists(st.tuples(st.integers(10, 10**6), st.decimals(0, 1, places=3)), min_size=1, max_size=20))
def test_what_suppliers_write_is_read_together(rows: list[tuple[int, Decimal]]) -> None:
    cells = read_together(*(row(cell_size=str(size), loyal=str(share)) for size, share in rows))
    assert cells is not None
    assert [(cell.cell_size, cell.measures["loyal"]) for cell in cells] == [
        (size, float(share)) for size, share in rows
    ]
