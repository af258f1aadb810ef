"""What survey refuses, beyond what the chassis knows."""

from collections.abc import Sequence

from servicekit.errors import Conflict, Gone, Invalid, NotFound, ServiceError
from survey_service.rules.answers import AnswerProblem, Code
from survey_service.rules.questionnaire import Language, Problem


class UnknownLink(NotFound):
    """The link is not one of ours, or what it led to is gone."""

    def __init__(self) -> None:
        super().__init__("There is no such form. Check that the address is complete.")


class ExpiredLink(Gone):
    """The link was good once."""

    def __init__(self, *, language: Language) -> None:
        super().__init__("This form can no longer be answered.")
        self.language = language


class QuestionnaireDoesNotFit(Invalid):
    """The questionnaire makes no sense; every place is named."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(
            "The questionnaire does not fit; see errors.",
            errors=[(problem.path, problem.detail) for problem in problems],
        )


class AnswersDoNotFit(Invalid):
    """Answers were refused; nothing was stored. `given` is what was posted, to show it again."""

    def __init__(self, problems: Sequence[AnswerProblem], *, given: dict[str, object]) -> None:
        details = [
            (f"answers.{problem.question_key}".rstrip("."), _DETAILS[problem.code].format(**problem._asdict()))
            for problem in problems
        ]
        super().__init__("The answers do not fit; see errors.", errors=details)
        self.problems = list(problems)
        self.given = given


_DETAILS: dict[Code, str] = {
    "nothing_answered": "Answer at least one question.",
    "required": "An answer is required.",
    "unknown_question": "There is no such question.",
    "not_asked": "This question is not asked after these answers.",
    "wrong_type": "The value has the wrong type for this kind of question.",
    "out_of_range": "The number must be between {minimum} and {maximum}.",
    "unknown_option": "There is no such option.",
    "too_many": "At most {maximum} options can be chosen.",
    "too_long": "At most {maximum} characters are allowed.",
}


class UnknownQuestionnaire(NotFound):
    """No questionnaire has this key."""

    def __init__(self) -> None:
        super().__init__("There is no questionnaire with this key.")


class UnknownCommitment(NotFound):
    """No commitment has this id."""

    def __init__(self) -> None:
        super().__init__("There is no commitment with this id.")


class UnsupportedForm(ServiceError):
    """The body is neither a form nor JSON."""

    status, code, title = 415, "unsupported_media_type", "Unsupported media type"


class UnreadableForm(ServiceError):
    """The body is not what its Content-Type says."""

    status, code, title = 400, "unreadable", "Unreadable body"


class StatusNotAllowed(Conflict):
    """The promise's present status does not lead there."""
