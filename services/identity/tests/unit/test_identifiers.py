"""How identifiers are written, blocked and ranked."""

import pytest

from identity_service.rules.identifiers import Identifier, Namespace, Namespaces, identifier, pattern_problem

NAMESPACES = Namespaces()


@pytest.mark.parametrize(
    ("namespace", "value", "normal"),
    [
        ("user_id", " 00123 ", "00123"),
        ("user_id", 123, "123"),
        ("user_id", 123.0, "123"),
        ("email", " Hanako@Example.JP ", "hanako@example.jp"),
        ("email", "ｈａｎａｋｏ＠example.jp", "hanako@example.jp"),
        ("phone", "+81 (90) 1234-5678", "+819012345678"),
        ("phone", "０９０－１２３４－５６７８", "+819012345678"),
        ("phone", 9012345678, "+819012345678"),
        ("line", "U4af4980629", "U4af4980629"),
        ("android.idfa", "x", "x"),
    ],
)
def test_values_have_one_normal_form(namespace: str, value: object, normal: str) -> None:
    assert identifier(namespace, value) == Identifier(namespace, normal)


@pytest.mark.parametrize(
    ("namespace", "normaliser", "value", "normal"),
    [
        ("member_card", "digits", "1234-5678", "12345678"),
        ("email", "email_gmail", "h.a+shop@gmail.com", "ha@gmail.com"),
        ("email", "plain", "Hanako@Example.JP", "Hanako@Example.JP"),
        ("x", "handle", "https://x.com/Hanako", "hanako"),
    ],
)
def test_a_namespace_chooses_its_normaliser(namespace: str, normaliser: str, value: object, normal: str) -> None:
    assert identifier(namespace, value, normaliser=normaliser) == Identifier(namespace, normal)


@pytest.mark.parametrize(
    ("namespace", "value"),
    [
        ("user_id", ""),
        ("user_id", "  "),
        ("user_id", None),
        ("user_id", True),
        ("user_id", {"id": 1}),
        ("user_id", "x" * 513),
        ("email", "hanako"),
        ("email", "@example.jp"),
        ("email", "a b@example.jp"),
        ("email", 5),
        ("phone", "no"),
        ("phone", "123"),
        ("", "x"),
        ("a b", "x"),
        ("1st", "x"),
    ],
)
def test_what_cannot_identify_is_not_an_identifier(namespace: str, value: object) -> None:
    assert identifier(namespace, value) is None


@pytest.mark.parametrize(
    "value",
    [
        "0",
        "000",
        "-",
        "0-0",
        "00000000-0000-0000-0000-000000000000",
        "-1",
        "null",
        "NULL",
        "undefined",
        "Anonymous",
        "N/A",
        "na",
        "none",
    ],
)
def test_leftovers_of_developers_are_blocked(value: str) -> None:
    assert NAMESPACES.usable([Identifier("user_id", value), Identifier("anything", value)]) == []


@pytest.mark.parametrize("value", ["00001", "10", "0a", "nullable", "anonymous1", "-2", "nobody"])
def test_what_only_looks_like_a_leftover_is_not_blocked(value: str) -> None:
    assert NAMESPACES.usable([Identifier("user_id", value)]) == [Identifier("user_id", value)]


def test_the_strongest_comes_first_and_each_once() -> None:
    names = [("zz", "1"), ("anonymous_id", "a"), ("email", "b@c"), ("aa", "1"), ("user_id", "u"), ("email", "b@c")]
    kept = NAMESPACES.usable([Identifier(*name) for name in names])
    assert [one.namespace for one in kept] == ["user_id", "email", "anonymous_id", "aa", "zz"]


def test_a_unique_namespace_has_one_value_whatever_its_limit() -> None:
    assert Namespace(name="member", limit=5, is_unique=True).most_values == 1


@pytest.mark.parametrize("pattern", ["(", "a{99999999999}", "(a+)+", "((ab)*c)*", "x" * 201, "\x00", "(?:a*){2,}"])
def test_patterns_that_break_or_take_for_ever_are_refused(pattern: str) -> None:
    assert pattern_problem(pattern) is not None


@pytest.mark.parametrize("pattern", ["[0-]*", "test.*", "(abc|def)?", "a{3}"])
def test_ordinary_patterns_are_taken(pattern: str) -> None:
    assert pattern_problem(pattern) is None
