"""Which answers a questionnaire accepts, which follow-ups they call for, and what NPS group they mean."""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from survey_service.rules.questionnaire import (
    CommitmentQuestion,
    MultipleChoiceQuestion,
    NpsQuestion,
    Question,
    Questionnaire,
    ScaleQuestion,
    ShownWhen,
    SingleChoiceQuestion,
    TextQuestion,
    maximum_of,
    minimum_of,
)

Value = int | str | list[str]
"""A number (nps, scale), an option's key, options' keys (in the questionnaire's order), or text."""
Answers = dict[str, Value]
"""Question's key -> value, in the questionnaire's order; a question left out is not in it."""

Code = Literal[
    "nothing_answered",
    "required",
    "unknown_question",
    "not_asked",
    "wrong_type",
    "out_of_range",
    "unknown_option",
    "too_many",
    "too_long",
]


class AnswerProblem(NamedTuple):
    """Why an answer is refused; `minimum` and `maximum` are the limits where the code has any.

    `question_key` is empty when it is about the response as a whole.
    """

    question_key: str
    code: Code
    minimum: int = 0
    maximum: int = 0


def is_asked(question: Question, answers: Mapping[str, object]) -> bool:
    """Tell whether the question is asked, given the answers to the unconditional ones."""
    return question.shown_when is None or _holds(question.shown_when, answers.get(question.shown_when.question_key))


def _holds(condition: ShownWhen, value: object) -> bool:
    if condition.any_of is not None:
        given = value if isinstance(value, list) else [value]
        return any(key in given for key in condition.any_of)
    if not isinstance(value, int):
        return False
    return (condition.at_least is None or value >= condition.at_least) and (
        condition.at_most is None or value <= condition.at_most
    )


def first_page(questionnaire: Questionnaire) -> list[Question]:
    """Return the questions everybody is asked."""
    return [question for question in questionnaire.questions if question.shown_when is None]


def follow_ups(questionnaire: Questionnaire, answers: Mapping[str, object]) -> list[Question]:
    """Return the questions these answers call for, in order."""
    return [
        question
        for question in questionnaire.questions
        if question.shown_when is not None and is_asked(question, answers)
    ]


def check_answers(questionnaire: Questionnaire, given: Mapping[str, object]) -> tuple[Answers, list[AnswerProblem]]:
    """Check a whole response: every question that is asked, nothing else.

    Returns the answers in the questionnaire's order, without empty ones, and every problem found; answers are only good
    when there is none.
    """
    known = {question.key for question in questionnaire.questions}
    problems = [AnswerProblem(key, "unknown_question") for key in given if key not in known]
    first, first_problems = check_page(first_page(questionnaire), given)
    asked = follow_ups(questionnaire, first)
    second, second_problems = check_page(asked, given)
    asked_keys = {question.key for question in [*first_page(questionnaire), *asked]}
    not_asked = [
        AnswerProblem(key, "not_asked")
        for key, value in given.items()
        if key in known - asked_keys and not _is_empty(value)
    ]
    return in_order(questionnaire, {**first, **second}), [*problems, *first_problems, *second_problems, *not_asked]


def check_page(questions: Sequence[Question], given: Mapping[str, object]) -> tuple[Answers, list[AnswerProblem]]:
    """Check the answers to these questions only; other keys are ignored."""
    answers: Answers = {}
    problems: list[AnswerProblem] = []
    for question in questions:
        value = given.get(question.key)
        if _is_empty(value):
            if question.required:
                problems.append(AnswerProblem(question.key, "required"))
            continue
        checked = _check_value(question, value)
        if isinstance(checked, AnswerProblem):
            problems.append(checked)
        else:
            answers[question.key] = checked
    return answers, problems


def merge_first_page(questionnaire: Questionnaire, *, stored: Answers, given: Answers) -> Answers:
    """Replace the first page's answers; keep those follow-ups that are still called for."""
    kept = {question.key for question in follow_ups(questionnaire, given)}
    return in_order(questionnaire, {**given, **{key: value for key, value in stored.items() if key in kept}})


def merge_follow_ups(questionnaire: Questionnaire, *, stored: Answers, given: Answers) -> Answers:
    """Replace the follow-ups' answers; keep the first page's."""
    first = {question.key for question in first_page(questionnaire)}
    return in_order(questionnaire, {**{key: value for key, value in stored.items() if key in first}, **given})


def in_order(questionnaire: Questionnaire, answers: Answers) -> Answers:
    """Sort answers as the questionnaire asks."""
    return {question.key: answers[question.key] for question in questionnaire.questions if question.key in answers}


def read_form(questions: Sequence[Question], fields: Mapping[str, Sequence[str]]) -> dict[str, object]:
    """Turn a form's texts into values: whole numbers where numbers are asked, lists where several may be chosen.

    `fields` is question's key -> values as posted. What cannot be turned stays text, so that checking refuses it.
    """
    values: dict[str, object] = {}
    for question in questions:
        posted = list(fields.get(question.key, ()))
        if isinstance(question, MultipleChoiceQuestion | CommitmentQuestion):
            values[question.key] = posted
        elif len(posted) == 1:
            values[question.key] = (
                _whole_number(posted[0]) if isinstance(question, NpsQuestion | ScaleQuestion) else posted[0]
            )
        elif posted:
            values[question.key] = posted
    return values


def _whole_number(text: str) -> object:
    # isdecimal alone would let int() read other scripts' digits; a form's radio buttons send ASCII only
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 3 else text


def _is_empty(value: object) -> bool:
    return value is None or value == [] or (isinstance(value, str) and not value.strip())


def _check_value(question: Question, value: object) -> Value | AnswerProblem:
    match question:
        case NpsQuestion() | ScaleQuestion():
            return _check_number(question, value)
        case SingleChoiceQuestion():
            return _check_choice(question, value)
        case MultipleChoiceQuestion() | CommitmentQuestion():
            return _check_choices(question, value)
        case TextQuestion():
            return _check_text(question, value)


def _check_number(question: NpsQuestion | ScaleQuestion, value: object) -> int | AnswerProblem:
    if not isinstance(value, int) or isinstance(value, bool):
        return AnswerProblem(question.key, "wrong_type", minimum_of(question), maximum_of(question))
    if not minimum_of(question) <= value <= maximum_of(question):
        return AnswerProblem(question.key, "out_of_range", minimum_of(question), maximum_of(question))
    return value


def _check_choice(question: SingleChoiceQuestion, value: object) -> str | AnswerProblem:
    if not isinstance(value, str):
        return AnswerProblem(question.key, "wrong_type")
    if value not in {option.key for option in question.options}:
        return AnswerProblem(question.key, "unknown_option")
    return value


def _check_choices(question: MultipleChoiceQuestion | CommitmentQuestion, value: object) -> list[str] | AnswerProblem:
    if not isinstance(value, list) or not all(isinstance(key, str) for key in value):
        return AnswerProblem(question.key, "wrong_type")
    keys = [option.key for option in question.options]
    if not set(value) <= set(keys):
        return AnswerProblem(question.key, "unknown_option")
    chosen = [key for key in keys if key in value]
    if isinstance(question, MultipleChoiceQuestion) and question.at_most is not None and len(chosen) > question.at_most:
        return AnswerProblem(question.key, "too_many", maximum=question.at_most)
    return chosen


def _check_text(question: TextQuestion, value: object) -> str | AnswerProblem:
    if not isinstance(value, str):
        return AnswerProblem(question.key, "wrong_type")
    text = _clean(value)
    if len(text) > question.maximum_length:
        return AnswerProblem(question.key, "too_long", maximum=question.maximum_length)
    return text


def _clean(text: str) -> str:
    """Unify line ends, drop characters nobody typed on purpose (controls, lone surrogates) and outer blanks."""
    unified = text.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(
        mark
        for mark in unified
        if mark in "\n\t" or (mark >= " " and not "\x7f" <= mark <= "\x9f" and not "\ud800" <= mark <= "\udfff")
    ).strip()


def nps_score(questionnaire: Questionnaire, answers: Mapping[str, Value]) -> int | None:
    """Return the NPS question's answer, if it has one."""
    scores = (answers.get(question.key) for question in questionnaire.questions if isinstance(question, NpsQuestion))
    return next((score for score in scores if isinstance(score, int)), None)
