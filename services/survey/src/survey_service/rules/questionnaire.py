"""What a questionnaire is, and which ones make sense."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Slug = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]
# Control characters are refused: they cannot be seen, and PostgreSQL cannot store NUL in jsonb.
Line = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f]+$")]
Paragraphs = Annotated[
    str, StringConstraints(min_length=1, max_length=5000, pattern=r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]+$")
]
Language = Literal["ja", "en"]
"""The languages the form's own words exist in."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ShownWhen(_Part):
    """A follow-up is asked only when an earlier, unconditional question got such an answer.

    Numbers (nps, scale): `at_least` and `at_most`, inclusive. Choices and commitments: `any_of` the options' keys.
    """

    question_key: Slug
    at_least: Annotated[int, Field(ge=0, le=10)] | None = None
    at_most: Annotated[int, Field(ge=0, le=10)] | None = None
    any_of: Annotated[list[Slug], Field(min_length=1, max_length=50)] | None = None


class _Question(_Part):
    key: Slug
    text: Line
    hint: Line | None = None
    required: bool = False
    shown_when: ShownWhen | None = None


class Option(_Part):
    """One choice."""

    key: Slug
    text: Line


class CommitmentOption(_Part):
    """A promise the customer may take us up on, e.g. "Tell me first when new arrivals come"."""

    key: Slug
    text: Line
    kind: Slug
    """What sort of promise: `tell_me_first`, `tell_me_when_gone`, `keep_price`, `stays_while`..."""
    subject: Line
    """What it is about, e.g. `new_arrivals`."""
    owner_department: Slug
    """Who keeps it."""
    due_days: Annotated[int, Field(ge=0, le=3660)] | None = None
    """Due so many calendar days after it was made; without it the promise stands until withdrawn."""


class NpsQuestion(_Question):
    """How likely to recommend us, 0 to 10 (Reichheld 2003)."""

    kind: Literal["nps"]
    minimum_label: Line | None = None
    maximum_label: Line | None = None


class ScaleQuestion(_Question):
    """A whole number between two labelled ends."""

    kind: Literal["scale"]
    minimum: Annotated[int, Field(ge=0, le=1)] = 1
    maximum: Annotated[int, Field(ge=2, le=10)] = 5
    minimum_label: Line | None = None
    maximum_label: Line | None = None


class SingleChoiceQuestion(_Question):
    """One of several."""

    kind: Literal["single_choice"]
    options: Annotated[list[Option], Field(min_length=2, max_length=50)]


class MultipleChoiceQuestion(_Question):
    """Any of several, at most `at_most`."""

    kind: Literal["multiple_choice"]
    options: Annotated[list[Option], Field(min_length=2, max_length=50)]
    at_most: Annotated[int, Field(ge=1, le=50)] | None = None


class TextQuestion(_Question):
    """Free words."""

    kind: Literal["text"]
    maximum_length: Annotated[int, Field(ge=1, le=4000)] = 1000


class CommitmentQuestion(_Question):
    """Promises offered; every ticked one becomes a commitment to this customer."""

    kind: Literal["commitment"]
    options: Annotated[list[CommitmentOption], Field(min_length=1, max_length=20)]


Question = Annotated[
    NpsQuestion | ScaleQuestion | SingleChoiceQuestion | MultipleChoiceQuestion | TextQuestion | CommitmentQuestion,
    Field(discriminator="kind"),
]


class Questionnaire(_Part):
    """What a customer is asked. Questions without `shown_when` come first, follow-ups on a second page."""

    title: Line
    language: Language
    introduction: Paragraphs | None = None
    questions: Annotated[list[Question], Field(min_length=1, max_length=50)]
    thanks: Paragraphs | None = None
    valid_days: Annotated[int, Field(ge=1, le=3660)] | None = None
    """How long an answer counts for coverage and NPS; without it for good."""


class Problem(NamedTuple):
    """What is wrong, and where: a path with dots and indices, e.g. `questions.2.shown_when.any_of`."""

    path: str
    detail: str


def check_questionnaire(questionnaire: Questionnaire) -> list[Problem]:
    """Find what the types cannot say: repeated keys, follow-ups that can never be asked, promises made obligatory."""
    return [
        *_repeated([question.key for question in questionnaire.questions], path="questions"),
        *_more_than_one_nps(questionnaire.questions),
        *(
            problem
            for index, question in enumerate(questionnaire.questions)
            for problem in _check_question(question, f"questions.{index}", earlier=questionnaire.questions[:index])
        ),
    ]


def _check_question(question: Question, path: str, *, earlier: Sequence[Question]) -> Iterator[Problem]:
    if isinstance(question, SingleChoiceQuestion | MultipleChoiceQuestion | CommitmentQuestion):
        yield from _repeated([option.key for option in question.options], path=f"{path}.options")
    if (
        isinstance(question, MultipleChoiceQuestion)
        and question.at_most is not None
        and question.at_most > len(question.options)
    ):
        yield Problem(f"{path}.at_most", f"There are only {len(question.options)} options.")
    if isinstance(question, CommitmentQuestion) and question.required:
        yield Problem(f"{path}.required", "A commitment is an offer; it cannot be required.")
    if question.shown_when is not None:
        yield from _check_shown_when(question.shown_when, f"{path}.shown_when", earlier=earlier)


def _check_shown_when(condition: ShownWhen, path: str, *, earlier: Sequence[Question]) -> Iterator[Problem]:
    asked = next((question for question in earlier if question.key == condition.question_key), None)
    if asked is None:
        yield Problem(f"{path}.question_key", "There is no earlier question with this key.")
        return
    if asked.shown_when is not None:
        yield Problem(f"{path}.question_key", "That question is itself a follow-up; follow-ups cannot be chained.")
    if isinstance(asked, NpsQuestion | ScaleQuestion):
        yield from _check_range(condition, path, minimum=minimum_of(asked), maximum=maximum_of(asked))
    elif isinstance(asked, TextQuestion):
        yield Problem(f"{path}.question_key", "A follow-up cannot depend on free text.")
    else:
        yield from _check_any_of(condition, path, keys={option.key for option in asked.options})


def _check_range(condition: ShownWhen, path: str, *, minimum: int, maximum: int) -> Iterator[Problem]:
    if condition.any_of is not None:
        yield Problem(f"{path}.any_of", "That question has no options; use at_least and at_most.")
    lowest = minimum if condition.at_least is None else condition.at_least
    highest = maximum if condition.at_most is None else condition.at_most
    if condition.at_least is None and condition.at_most is None:
        yield Problem(f"{path}.at_least", "Say at_least, at_most or both.")
    elif max(lowest, minimum) > min(highest, maximum):
        yield Problem(f"{path}.at_least", f"No answer between {minimum} and {maximum} fits.")


def _check_any_of(condition: ShownWhen, path: str, *, keys: set[str]) -> Iterator[Problem]:
    if condition.at_least is not None or condition.at_most is not None:
        yield Problem(f"{path}.at_least", "That question has options; use any_of.")
    if condition.any_of is None:
        yield Problem(f"{path}.any_of", "Say which options call for this question.")
        return
    for index, key in enumerate(condition.any_of):
        if key not in keys:
            yield Problem(f"{path}.any_of.{index}", "That question has no such option.")


def _repeated(keys: Sequence[str], *, path: str) -> Iterator[Problem]:
    for index, key in enumerate(keys):
        if key in keys[:index]:
            yield Problem(f"{path}.{index}.key", "This key is used twice.")


def _more_than_one_nps(questions: Sequence[Question]) -> Iterator[Problem]:
    indices = [index for index, question in enumerate(questions) if isinstance(question, NpsQuestion)]
    for index in indices[1:]:
        yield Problem(f"questions.{index}.kind", "Only one question can be the NPS question.")


def minimum_of(question: NpsQuestion | ScaleQuestion) -> int:
    """Return the lowest answer."""
    return 0 if isinstance(question, NpsQuestion) else question.minimum


def maximum_of(question: NpsQuestion | ScaleQuestion) -> int:
    """Return the highest answer."""
    return 10 if isinstance(question, NpsQuestion) else question.maximum
