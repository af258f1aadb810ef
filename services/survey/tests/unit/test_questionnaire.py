"""Which questionnaires make sense, and that problems name their place."""

from typing import Any

import pytest
from pydantic import ValidationError

from survey_service.rules.questionnaire import Questionnaire, check_questionnaire


def questionnaire(*questions: dict[str, Any]) -> Questionnaire:
    """Return a questionnaire of these questions."""
    return Questionnaire.model_validate({"title": "Your opinion", "language": "en", "questions": list(questions)})


NPS = {"key": "recommend", "kind": "nps", "text": "Would you recommend us?"}
OPTIONS = [{"key": "a", "text": "A"}, {"key": "b", "text": "B"}]
PROMISE = {"key": "p", "text": "P", "kind": "tell_me_first", "subject": "s", "owner_department": "crm"}


def follow_up(**condition: object) -> dict[str, Any]:
    """Return a free text asked when `condition` holds."""
    return {"key": "why", "kind": "text", "text": "Why?", "shown_when": condition}


@pytest.mark.parametrize(
    ("questions", "path"),
    [
        ([NPS, {**NPS, "kind": "text"}], "questions.1.key"),
        ([NPS, {**NPS, "key": "again"}], "questions.1.kind"),
        ([follow_up(question_key="recommend", at_most=6), NPS], "questions.0.shown_when.question_key"),
        ([NPS, follow_up(question_key="recommend")], "questions.1.shown_when.at_least"),
        ([NPS, follow_up(question_key="recommend", at_least=7, at_most=6)], "questions.1.shown_when.at_least"),
        ([NPS, follow_up(question_key="recommend", at_most=6, any_of=["a"])], "questions.1.shown_when.any_of"),
        (
            [
                NPS,
                follow_up(question_key="recommend", at_most=6),
                {**follow_up(question_key="why", at_most=1), "key": "deeper"},
            ],
            "questions.2.shown_when.question_key",
        ),
        (
            [
                {"key": "one", "kind": "single_choice", "text": "?", "options": OPTIONS},
                follow_up(question_key="one", any_of=["a", "c"]),
            ],
            "questions.1.shown_when.any_of.1",
        ),
        (
            [{"key": "one", "kind": "single_choice", "text": "?", "options": [*OPTIONS, OPTIONS[0]]}],
            "questions.0.options.2.key",
        ),
        (
            [{"key": "some", "kind": "multiple_choice", "text": "?", "options": OPTIONS, "at_most": 3}],
            "questions.0.at_most",
        ),
        (
            [{"key": "offer", "kind": "commitment", "text": "?", "options": [PROMISE], "required": True}],
            "questions.0.required",
        ),
    ],
)
def test_a_problem_names_its_place(questions: list[dict[str, Any]], path: str) -> None:
    assert path in [problem.path for problem in check_questionnaire(questionnaire(*questions))]


def test_a_sensible_questionnaire_has_no_problem() -> None:
    sensible = questionnaire(
        NPS,
        follow_up(question_key="recommend", at_most=6),
        {"key": "offer", "kind": "commitment", "text": "?", "options": [PROMISE]},
    )
    assert check_questionnaire(sensible) == []


@pytest.mark.parametrize("text", ["", "nul\0", "two\nlines", "x" * 501])
def test_text_that_cannot_be_stored_or_shown_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        questionnaire({**NPS, "text": text})
