"""Answers: what is accepted, what follows from them. Random questionnaires and answers where a rule has an algebra."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from survey_service.rules.answers import (
    Answers,
    check_answers,
    check_page,
    first_page,
    follow_ups,
    merge_first_page,
    merge_follow_ups,
    nps_score,
    read_form,
)
from survey_service.rules.questionnaire import Questionnaire

OPTIONS = [{"key": key, "text": key.upper()} for key in ("a", "b", "c")]
PROMISES = [
    {"key": key, "text": key, "kind": "tell_me_first", "subject": key, "owner_department": "crm"} for key in ("x", "y")
]
EVERYTHING = Questionnaire.model_validate(
    {
        "title": "Everything",
        "language": "en",
        "questions": [
            {"key": "recommend", "kind": "nps", "text": "?", "required": True},
            {"key": "stars", "kind": "scale", "text": "?"},
            {"key": "one", "kind": "single_choice", "text": "?", "options": OPTIONS},
            {"key": "some", "kind": "multiple_choice", "text": "?", "options": OPTIONS, "at_most": 2},
            {"key": "words", "kind": "text", "text": "?", "maximum_length": 20},
            {"key": "offer", "kind": "commitment", "text": "?", "options": PROMISES},
            {
                "key": "why_low",
                "kind": "text",
                "text": "?",
                "required": True,
                "shown_when": {"question_key": "recommend", "at_most": 6},
            },
            {
                "key": "why_high",
                "kind": "text",
                "text": "?",
                "shown_when": {"question_key": "recommend", "at_least": 9},
            },
            {
                "key": "about_a",
                "kind": "text",
                "text": "?",
                "shown_when": {"question_key": "some", "any_of": ["a"]},
            },
        ],
    }
)

words = st.text(alphabet="abc ", min_size=1, max_size=20).filter(str.strip)
keys = st.lists(st.sampled_from("abc"), max_size=2, unique=True)
first_answers = st.fixed_dictionaries(
    {"recommend": st.integers(0, 10)},
    optional={
        "stars": st.integers(1, 5),
        "one": st.sampled_from("abc"),
        "some": keys,
        "words": words,
        "offer": st.lists(st.sampled_from("xy"), unique=True),
    },
)
second_answers = st.fixed_dictionaries({"why_low": words}, optional={"why_high": words, "about_a": words})
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=2),
)


def good(given: dict[str, Any]) -> Answers:
    """Return the first page's answers of `given`, which must be good."""
    answers, problems = check_page(first_page(EVERYTHING), given)
    assert problems == []
    return answers


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({}, ("recommend", "required")),
        ({"recommend": 11}, ("recommend", "out_of_range")),
        ({"recommend": True}, ("recommend", "wrong_type")),
        ({"recommend": "9"}, ("recommend", "wrong_type")),
        ({"recommend": 8, "stars": 0}, ("stars", "out_of_range")),
        ({"recommend": 8, "one": "d"}, ("one", "unknown_option")),
        ({"recommend": 8, "some": ["a", "b", "c"]}, ("some", "too_many")),
        ({"recommend": 8, "some": "a"}, ("some", "wrong_type")),
        ({"recommend": 8, "words": "x" * 21}, ("words", "too_long")),
        ({"recommend": 8, "offer": ["z"]}, ("offer", "unknown_option")),
        ({"recommend": 8, "colour": "red"}, ("colour", "unknown_question")),
        ({"recommend": 8, "why_low": "slow"}, ("why_low", "not_asked")),
        ({"recommend": 3}, ("why_low", "required")),
        ({"recommend": 3, "why_low": " "}, ("why_low", "required")),
    ],
)
def test_a_wrong_answer_is_refused_by_name(given: dict[str, object], problem: tuple[str, str]) -> None:
    _, problems = check_answers(EVERYTHING, given)
    assert problem in [(found.question_key, found.code) for found in problems]


@given(st.dictionaries(st.sampled_from([question.key for question in EVERYTHING.questions]), anything))
def test_whatever_is_sent_is_judged_never_a_crash(given: dict[str, object]) -> None:
    answers, problems = check_answers(EVERYTHING, given)
    if not problems:
        assert check_answers(EVERYTHING, answers) == (answers, [])


@given(first_answers, second_answers)
def test_two_pages_give_what_one_response_gives(first: dict[str, Any], second: dict[str, Any]) -> None:
    page_one = merge_first_page(EVERYTHING, stored={}, given=good(first))
    asked = {question.key for question in follow_ups(EVERYTHING, page_one)}
    follow = {key: value for key, value in second.items() if key in asked}
    page_two, problems = check_page(follow_ups(EVERYTHING, page_one), follow)
    merged = merge_follow_ups(EVERYTHING, stored=page_one, given=page_two)
    assert problems == []
    assert (merged, []) == check_answers(EVERYTHING, {**first, **follow})


@given(first_answers, first_answers, second_answers)
def test_revising_the_first_page_keeps_only_follow_ups_still_asked(
    before: dict[str, Any], after: dict[str, Any], second: dict[str, Any]
) -> None:
    stored: Answers = {**good(before), **{key: value.strip() for key, value in second.items()}}
    merged = merge_first_page(EVERYTHING, stored=stored, given=good(after))
    asked = {question.key for question in follow_ups(EVERYTHING, merged)}
    assert {key for key in merged if key in second} == asked & second.keys()
    assert merge_first_page(EVERYTHING, stored=merged, given=good(after)) == merged


@given(first_answers)
def test_a_browser_form_means_what_json_means(first: dict[str, Any]) -> None:
    fields = {
        key: [str(item) for item in value] if isinstance(value, list) else [str(value)] for key, value in first.items()
    }
    assert good(read_form(first_page(EVERYTHING), fields)) == good(first)
    assert nps_score(EVERYTHING, good(first)) == first["recommend"]


def test_invisible_characters_are_dropped_from_words() -> None:
    assert good({"recommend": 8, "words": " a\0b\ud800\r\nc\x07 "})["words"] == "ab\nc"
