"""Files that arrive in pieces: inflated within bounds, whatever they claim to be."""

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servicekit.errors import Invalid
from servicekit.uploads import PIECE, Inflater


def inflated(sent: bytes, *, size: int) -> list[bytes]:
    """Everything that comes out of what is sent in pieces of a size."""
    inflater, found = Inflater(), list[bytes]()
    for start in range(0, len(sent), size):
        found += inflater.take(sent[start : start + size])
    inflater.finish()
    return found


@given(st.lists(st.binary(max_size=300) | st.just(b"ab" * 100_000), min_size=1, max_size=4), st.integers(1, 5000))
def test_members_come_out_as_they_went_in(members: list[bytes], size: int) -> None:
    pieces = inflated(b"".join(gzip.compress(member, 1) for member in members), size=size)
    assert b"".join(pieces) == b"".join(members)
    assert all(len(piece) <= PIECE for piece in pieces)


def test_a_bomb_comes_out_piece_by_piece() -> None:
    pieces = Inflater().take(gzip.compress(b"0" * 20_000_000))
    assert all(len(next(pieces)) <= PIECE for _ in range(10))


@given(st.binary(max_size=100), st.integers(1, 200))
def test_what_is_no_gzip_is_refused(content: bytes, size: int) -> None:
    with pytest.raises(Invalid):
        inflated(content[:2].replace(b"\x1f", b"x") + content[2:], size=size)


@given(st.integers(1, 60))
def test_what_is_cut_off_is_refused(missing: int) -> None:
    whole = gzip.compress(b"segment,cell_size\n" * 50)
    with pytest.raises(Invalid):
        inflated(whole[:-missing] if missing < len(whole) else b"", size=7)
