"""From a form and what was posted to HTML."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from zoneinfo import ZoneInfo

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from survey_service.pages.texts import TEXTS, Texts, describe_problem, show_instant
from survey_service.repository.commitments import CommitmentRow
from survey_service.rules.answers import AnswerProblem
from survey_service.rules.questionnaire import (
    Language,
    NpsQuestion,
    Question,
    ScaleQuestion,
    SingleChoiceQuestion,
    TextQuestion,
    maximum_of,
    minimum_of,
)
from survey_service.service.responses import OpenForm, Page, questions_of

FIELD_PREFIX = "answer-"
"""A question's field is named with this and its key, so that no key can collide with the form's own fields."""


@dataclass(frozen=True)
class Choice:
    """One button or box."""

    value: str
    text: str
    chosen: bool


@dataclass(frozen=True, kw_only=True)
class ShownQuestion:
    """A question as the template shows it; `id` names the field and its first control."""

    id: str
    kind: str
    text: str
    required: bool
    hints: list[str]
    problem: str | None
    control: str = ""
    is_scale: bool = False
    choices: list[Choice]
    maximum_length: int = 0
    written: str = ""

    @property
    def described_by(self) -> str:
        """The ids of the hints and of the problem, for screen readers."""
        hints = [f"{self.id}-hint-{number}" for number in range(1, len(self.hints) + 1)]
        return " ".join([*hints, f"{self.id}-problem"] if self.problem else hints)


@dataclass(frozen=True)
class ShownProblem:
    """A line of the error summary; `target` is the control it is about, if it is on the page."""

    target: str | None
    question: str
    text: str


@dataclass(frozen=True, kw_only=True)
class ShownPage:
    """One step of a form as the template shows it."""

    name: Page
    title: str
    notice: str | None
    introduction: str | None
    questions: list[ShownQuestion]
    problems: list[ShownProblem]
    changeable_until: str


class Pages:
    """Renders the pages; holds the templates, the style and the headers that go with them."""

    def __init__(self, *, zone: ZoneInfo) -> None:
        self._zone = zone
        style = files("survey_service.pages").joinpath("style.css").read_text(encoding="utf-8")
        environment = Environment(
            loader=PackageLoader("survey_service.pages"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.globals["style"] = Markup(style)  # noqa: S704  our own file, no input
        self._environment = environment
        self.headers = _headers(style)

    def show_form(
        self,
        form: OpenForm,
        *,
        page: Page,
        given: Mapping[str, object] | None = None,
        problems: Sequence[AnswerProblem] = (),
    ) -> str:
        """Render a step; `given` is what was posted and refused, instead of what is stored."""
        texts = TEXTS[form.questionnaire.language]
        questions = questions_of(form, page)
        shown = _show_questions(questions, form.answers if given is None else given, problems=problems, texts=texts)
        return self._render(
            "form.html",
            texts,
            page=ShownPage(
                name=page,
                title=form.questionnaire.title,
                notice=self._notice(form, page, texts=texts),
                introduction=form.questionnaire.introduction if page == "questions" else None,
                questions=shown,
                problems=_summarise(questions, problems, texts=texts),
                changeable_until=self._changeable_until(form, texts),
            ),
        )

    def show_thanks(self, form: OpenForm, commitments: Sequence[CommitmentRow]) -> str:
        """Render the last page, with what was promised."""
        texts = TEXTS[form.questionnaire.language]
        return self._render(
            "thanks.html",
            texts,
            thanks=form.questionnaire.thanks,
            promises=[commitment.text for commitment in commitments if commitment.status != "withdrawn"],
            changeable_until=self._changeable_until(form, texts),
        )

    def show_expired(self, language: Language) -> str:
        """Render what a link leads to when its time is over."""
        texts = TEXTS[language]
        return self._render("closed.html", texts, title=texts.expired_title, explanation=texts.expired)

    def show_unknown(self, language: Language) -> str:
        """Render what a wrong link leads to."""
        texts = TEXTS[language]
        return self._render("closed.html", texts, title=texts.unknown_title, explanation=texts.unknown)

    def show_refused(self, language: Language) -> str:
        """Render that something was posted which no form of ours posts."""
        texts = TEXTS[language]
        return self._render("closed.html", texts, title=texts.refused_title, explanation=texts.refused)

    def _render(self, template: str, texts: Texts, **context: object) -> str:
        return self._environment.get_template(template).render(texts=texts, **context)

    def _notice(self, form: OpenForm, page: Page, *, texts: Texts) -> str | None:
        if page == "follow_up":
            return texts.follow_up_introduction
        if form.response is None:
            return None
        return texts.answered_at.format(instant=show_instant(form.response.answered_at, texts, zone=self._zone))

    def _changeable_until(self, form: OpenForm, texts: Texts) -> str:
        return texts.changeable_until.format(instant=show_instant(form.invitation.expires_at, texts, zone=self._zone))


def _headers(style: str) -> dict[str, str]:
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return {
        "Content-Security-Policy": (
            f"default-src 'none'; style-src 'sha256-{digest}';"
            " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        ),
        "Cache-Control": "no-store",
        "X-Robots-Tag": "noindex, nofollow",
        # the address is the credential: it must not travel to another site
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
    }


def _show_questions(
    questions: Sequence[Question], values: Mapping[str, object], *, problems: Sequence[AnswerProblem], texts: Texts
) -> list[ShownQuestion]:
    by_key = {problem.question_key: describe_problem(problem, texts) for problem in problems}
    return [
        _show_question(question, values.get(question.key), problem=by_key.get(question.key), texts=texts)
        for question in questions
    ]


def _show_question(question: Question, value: object, *, problem: str | None, texts: Texts) -> ShownQuestion:
    hints = [hint for hint in (question.hint, _limits(question, texts)) if hint is not None]
    is_text, is_scale = isinstance(question, TextQuestion), isinstance(question, NpsQuestion | ScaleQuestion)
    return ShownQuestion(
        id=FIELD_PREFIX + question.key,
        kind=question.kind,
        text=question.text,
        required=question.required,
        hints=hints,
        problem=problem,
        control="" if is_text else "radio" if is_scale or isinstance(question, SingleChoiceQuestion) else "checkbox",
        is_scale=is_scale,
        choices=_choices(question, value),
        maximum_length=question.maximum_length if isinstance(question, TextQuestion) else 0,
        written=value if is_text and isinstance(value, str) else "",
    )


def _choices(question: Question, value: object) -> list[Choice]:
    if isinstance(question, TextQuestion):
        return []
    chosen = {str(item) for item in value} if isinstance(value, list) else {str(value)}
    if isinstance(question, NpsQuestion | ScaleQuestion):
        points = [str(point) for point in range(minimum_of(question), maximum_of(question) + 1)]
        return [Choice(point, point, point in chosen) for point in points]
    return [Choice(option.key, option.text, option.key in chosen) for option in question.options]


def _limits(question: Question, texts: Texts) -> str | None:
    match question:
        case NpsQuestion() | ScaleQuestion():
            defaults = (texts.nps_minimum, texts.nps_maximum) if isinstance(question, NpsQuestion) else (None, None)
            low, high = question.minimum_label or defaults[0], question.maximum_label or defaults[1]
            if low is None or high is None:
                return None
            return texts.scale_hint.format(
                minimum=minimum_of(question), minimum_label=low, maximum=maximum_of(question), maximum_label=high
            )
        case TextQuestion():
            return texts.at_most_characters.format(maximum=question.maximum_length)
        case _:
            at_most = getattr(question, "at_most", None)
            return None if at_most is None else texts.at_most.format(maximum=at_most)


def _summarise(questions: Sequence[Question], problems: Sequence[AnswerProblem], *, texts: Texts) -> list[ShownProblem]:
    words = {question.key: question.text for question in questions}
    shown = [
        ShownProblem(
            FIELD_PREFIX + problem.question_key if problem.question_key in words else None,
            words.get(problem.question_key, ""),
            describe_problem(problem, texts),
        )
        for problem in problems
    ]
    return list(dict.fromkeys(shown))  # several unknown fields are one line
