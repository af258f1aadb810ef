"""Lists as departments really write them, cut into records."""

import csv
import gzip
import io
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servicekit.records import (
    CP932,
    CSV,
    MAX_RECORD_BYTES,
    MAX_RECORD_LINES,
    NDJSON,
    UTF_8,
    Record,
    RecordReader,
    Stretch,
    UnreadableHeader,
    guess_encoding,
)


def read(
    data: bytes, *, file_format: str = CSV, encoding: str = UTF_8, pieces: int = 1 << 20
) -> tuple[list[Record], RecordReader]:
    reader = RecordReader(file_format=file_format, encoding=encoding)

    def records() -> Iterator[Record]:
        for start in range(0, len(data), pieces):
            yield from reader.feed(data[start : start + pieces])
        yield from reader.finish()

    return list(records()), reader


def seen(data: bytes, **how: str) -> list[tuple[int, object, bool]]:
    """Return (line, values, whether it can be read) per record."""
    return [(one.line, list(one.values), one.problem is None) for one in read(data, **how)[0]]  # type: ignore[arg-type]


def test_quotes_commas_and_newlines_inside_a_field() -> None:
    data = b'id,remark\r\n1,"said ""no"",\r\nthen yes"\r\n2,5" disk\r\n3,plain'
    assert seen(data) == [
        (2, ["1", 'said "no",\r\nthen yes'], True),
        (4, ["2", '5" disk'], True),
        (5, ["3", "plain"], True),
    ]


def test_a_broken_quote_costs_its_own_line() -> None:
    lines = ["id,name", *(f'{number},"n{number}"' for number in range(300))]
    lines[150] = '149,"n149'
    found = seen("\n".join(lines).encode())
    assert [line for line, _, is_good in found if not is_good] == [151]
    assert len(found) == 300


def test_a_quote_that_is_never_closed_costs_its_own_line() -> None:
    lines = ["id,name", "1,a", '2,"b', *(f"{number},c" for number in range(3, 500))]
    found = seen("\n".join(lines).encode())
    assert [line for line, _, is_good in found if not is_good] == [3]
    assert len(found) == 499


def test_a_record_of_too_many_lines_is_given_up_and_the_next_lines_are_read() -> None:
    data = b'id,name\n1,"' + b"x\n" * MAX_RECORD_LINES + b'"\n2,b\n'
    found = seen(data)
    assert found[0] == (2, [], False)
    assert found[-1] == (MAX_RECORD_LINES + 3, ["2", "b"], True)


@pytest.mark.parametrize("pieces", [1, 7, 4096, 1 << 20])
def test_a_line_that_is_too_long_is_skipped_to_its_end(pieces: int) -> None:
    data = b"id,name\n1,a\n2," + b"x" * (3 * MAX_RECORD_BYTES) + b"\n3,c\n"
    if pieces == 1:
        data = data.replace(b"x" * (2 * MAX_RECORD_BYTES), b"")
    records, _ = read(data, pieces=pieces)
    assert [(one.line, one.problem is None) for one in records] == [(2, True), (3, False), (4, True)]


def test_undecodable_bytes_are_an_error_of_their_record() -> None:
    assert seen("id,name\n1,髙\n2,é\n".encode() + b"3,\xff\n" + "4,﨑\n".encode()) == [
        (2, ["1", "髙"], True), (3, ["2", "é"], True), (4, [], False), (5, ["4", "﨑"], True),
    ]  # fmt: skip
    quoted = b'id,name\n1,"a\n\xff\n9,9"\n2,b\n'
    assert seen(quoted) == [(2, [], False), (5, ["2", "b"], True)]  # the record ends where its quotes say


def test_japanese_encodings_and_characters_of_nec_and_ibm() -> None:
    text = "番号,氏名\r\n1,髙橋\r\n2,山﨑\r\n3,①表ソ十\r\n"  # second bytes of ソ and 表 are a backslash, of 十 \x8f\x5c
    for encoding in (UTF_8, CP932):
        records, reader = read(text.encode(encoding), encoding=encoding)
        assert reader.columns == ("番号", "氏名")
        assert [list(one.values) for one in records] == [["1", "髙橋"], ["2", "山﨑"], ["3", "①表ソ十"]]
    # 髙 and 﨑 by NEC's selection too, not only by IBM's extension
    assert [list(one.values) for one in read(b"id\n\xee\xe0\n\xed\x95\n", encoding=CP932)[0]] == [["髙"], ["﨑"]]
    assert seen(b"id\n\xfd\n", encoding=CP932) == [(2, [], False)]
    assert read("\ufeffid\n1\n".encode())[1].columns == ("id",)


def test_the_encoding_is_guessed_from_the_beginning() -> None:
    assert guess_encoding("髙橋".encode(), is_all=True) == UTF_8
    assert guess_encoding("髙橋".encode()[:-1], is_all=False) == UTF_8
    assert guess_encoding("髙橋".encode()[:-1], is_all=True) == CP932
    assert guess_encoding("髙橋".encode(CP932), is_all=True) == CP932


def test_one_broken_character_makes_no_other_encoding_of_a_file() -> None:
    lines = ["名", "東京", "日本", "大阪"]  # bytes that are something else in CP932
    for encoding in (UTF_8, CP932):
        broken = "\n".join(lines).encode(encoding) + b"\n\xff\n"
        assert guess_encoding(broken, is_all=True) == encoding
        records = read(broken, encoding=encoding)[0]
        assert [(list(one.values), one.problem is None) for one in records] == [
            (["東京"], True), (["日本"], True), (["大阪"], True), ([], False),
        ]  # fmt: skip
    assert guess_encoding(b"\xef\xbb\xbfid\n\xff\n", is_all=True) == UTF_8


@pytest.mark.parametrize(
    ("content", "advice"),
    [
        (gzip.compress(b"id\n1\n"), "unpack"),
        (b"PK\x03\x04\x14\x00\x06\x00[Content_Types].xml", "save it as CSV"),
        ("id,name\n1,a\n".encode("utf-16"), "UTF-16"),
    ],
)
@pytest.mark.parametrize("file_format", [CSV, NDJSON])
def test_what_is_sent_by_mistake_is_told_what_to_do(content: bytes, advice: str, file_format: str) -> None:
    with pytest.raises(UnreadableHeader, match=advice):
        read(content, file_format=file_format)


def test_a_file_whose_lines_end_with_cr_alone_is_told_so() -> None:
    with pytest.raises(UnreadableHeader, match="carriage return"):
        read(b"id,name\r1,a\r2,b\r")


def test_fields_are_counted() -> None:
    assert seen(b"a,b\n1\n1,2\n1,2,3\n1,2,\n") == [
        (2, ["1"], False), (3, ["1", "2"], True), (4, ["1", "2", "3"], False), (5, ["1", "2", ""], True),
    ]  # fmt: skip


def test_blank_lines_are_no_records_and_are_counted() -> None:
    assert seen(b"\na\n\n  \n1\n\n") == [(5, ["1"], True)]


@pytest.mark.parametrize("data", [b'"a\n1\n', b"\xff\n1\n", b"," * 2000])
def test_a_header_that_cannot_be_read_ends_the_reading(data: bytes) -> None:
    with pytest.raises(UnreadableHeader):
        read(data)


def test_ndjson_lines() -> None:
    data = b'{"id": "1"}\n[1]\n{"id": \n\n{"id": 2, "deep": {"a": [1]}}'
    records, _ = read(data, file_format=NDJSON)
    assert [(one.line, one.values, one.problem is None) for one in records] == [
        (1, {"id": "1"}, True), (2, {}, False), (3, {}, False), (5, {"id": 2, "deep": {"a": [1]}}, True),
    ]  # fmt: skip


anything = st.one_of(
    st.binary(max_size=400), st.text('a,"\n\r ソ髙', max_size=200).map(lambda text: text.encode(CP932)),
    st.text('{}[]":1,\n', max_size=200).map(str.encode),
)  # fmt: skip


@given(
    data=anything,
    pieces=st.integers(1, 50),
    file_format=st.sampled_from([CSV, NDJSON]),
    encoding=st.sampled_from([UTF_8, CP932]),
)
def test_any_bytes_in_any_pieces_are_read_to_the_end(data: bytes, pieces: int, file_format: str, encoding: str) -> None:
    try:
        at_once, whole = read(data, file_format=file_format, encoding=encoding)
    except UnreadableHeader:
        with pytest.raises(UnreadableHeader):
            read(data, file_format=file_format, encoding=encoding, pieces=pieces)
        return
    in_pieces, cut = read(data, file_format=file_format, encoding=encoding, pieces=pieces)
    assert in_pieces == at_once
    assert (whole.offset, cut.offset) == (len(data), len(data))
    assert whole.line == data.count(b"\n") + 1 + (not data.endswith(b"\n") and data not in {b"", b"\xef\xbb\xbf"})


@given(rows=st.lists(st.lists(st.text(max_size=20), min_size=2, max_size=2), max_size=30), pieces=st.integers(1, 50))
def test_what_a_csv_writer_wrote_is_read_back(rows: list[list[str]], pieces: int) -> None:
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\r\n").writerows([["a", "b"], *rows])
    records, _ = read(text.getvalue().encode("utf-8", "replace"), pieces=pieces)
    expected = [[field.encode("utf-8", "replace").decode() for field in row] for row in rows]
    assert [list(one.values) for one in records] == expected
    assert all(one.problem is None for one in records)


@given(data=anything, stop=st.integers(0, 20), file_format=st.sampled_from([CSV, NDJSON]))
def test_reading_goes_on_from_any_record(data: bytes, stop: int, file_format: str) -> None:
    data = (b"a,b\n" if file_format == CSV else b"{}\n") + data
    expected, _ = read(data, file_format=file_format)
    first = RecordReader(file_format=file_format, encoding=UTF_8)
    taken = []
    for record in first.feed(data):
        taken.append(record)
        if len(taken) > stop:
            break
    second = RecordReader(
        file_format=file_format, encoding=UTF_8, columns=first.columns, offset=first.offset, line=first.line
    )
    rest = [*second.feed(data[first.offset :]), *second.finish()]
    assert taken + rest == expected


def in_stretches(data: bytes, pieces: int, **how: str) -> Iterator[Stretch | Record]:
    reader = RecordReader(**how)  # type: ignore[arg-type]  # file_format, encoding
    for start in range(0, len(data), pieces):
        yield from reader.feed_stretches(data[start : start + pieces])
    yield from reader.feed_stretches(b"", is_last=True)


def single(found: Stretch | Record) -> list[Record]:
    if isinstance(found, Record):
        return [found]
    return [Record(found.line + place, values, None) for place, values in enumerate(found.values)]


written = st.lists(
    st.sampled_from(
        ["1,a", '2,"b"', "3,髙\r", '4,"c,d"', '5,"e""f"', '6,"g\nh"', "", " ", "7", "8,i,", "9,j\rk", '"l"m,1']
    ),
    max_size=30,
).map(lambda lines: "\n".join(["a,b", *lines]).encode(CP932))
objects = st.lists(
    st.sampled_from(['{"a": 1}', '{"a": "髙"}\r', "", '{"a": 1}{"a": 2}', "[]", '{"a":', "1}"]), max_size=30
).map(lambda lines: "\n".join(lines).encode(CP932))


@given(
    data=st.one_of(anything.map(lambda data: b"a,b\n" + data), anything, written, objects),
    pieces=st.integers(1, 300),
    file_format=st.sampled_from([CSV, NDJSON]),
    encoding=st.sampled_from([UTF_8, CP932]),
)
def test_stretches_hold_what_the_records_are_one_by_one(
    data: bytes, pieces: int, file_format: str, encoding: str
) -> None:
    try:
        expected, _ = read(data, file_format=file_format, encoding=encoding)
    except UnreadableHeader:
        with pytest.raises(UnreadableHeader):
            list(in_stretches(data, pieces, file_format=file_format, encoding=encoding))
        return
    found = in_stretches(data, pieces, file_format=file_format, encoding=encoding)
    assert [record for one in found for record in single(one)] == expected


def test_lines_with_nothing_unusual_come_together() -> None:
    data = b"a,b\r\n" + b'1,"x"\r\n' * 1000 + b"\r\n" + b"2,y\r\n" * 1000
    found = list(in_stretches(data, 2048, file_format=CSV, encoding=UTF_8))
    together = [one for one in found if isinstance(one, Stretch)]
    assert [record.line for one in found for record in single(one)] == [*range(2, 1002), *range(1003, 2003)]
    assert sum(len(one.values) for one in together) > 1500  # a piece with the blank line is looked at line by line
    assert len(together) < 20
