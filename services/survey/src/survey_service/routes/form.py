"""The form behind a personal link: pages for customers, JSON for programs. Public: the token is the credential."""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any, NamedTuple, cast
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from pydantic import BaseModel, ValidationError

from servicekit.errors import ServiceError, TooLarge
from servicekit.http import ClockDependency, Session, TransactionalRoute, resource
from survey_service.errors import AnswersDoNotFit, ExpiredLink, UnknownLink, UnreadableForm, UnsupportedForm
from survey_service.pages.renderer import FIELD_PREFIX, Pages
from survey_service.pages.texts import preferred_language
from survey_service.routes.responses import answer_views
from survey_service.rules.links import LinkSigner
from survey_service.schemas import FormView, StatedCommitment, SubmitAnswers, SubmittedView
from survey_service.service import responses as service
from survey_service.service.responses import OpenForm, Page, Submission

MAXIMUM_BODY_BYTES = 512 * 1024
"""Dozens of long Japanese texts fit, nine bytes a character in a form; it is not a file store."""
MAXIMUM_FIELDS = 500

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"


class FormRoute(TransactionalRoute):
    """A refusal becomes a page for a person and stays a problem for a program; all carry the pages' headers."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap the transaction: what is refused is rolled back before it is explained."""
        handle = super().get_route_handler()

        async def handle_and_explain(request: Request) -> Response:
            pages: Pages = resource(request, "pages")
            try:
                response = await handle(request)
            except ServiceError as error:
                if _speaks_json(request):
                    raise
                response = _explain(error, request, pages=pages)
            response.headers.update(pages.headers)
            return response

        return handle_and_explain


class Form(NamedTuple):
    """What every form route works with."""

    pages: Pages
    links: LinkSigner
    zone: ZoneInfo


def _form(request: Request) -> Form:
    return Form(resource(request, "pages"), resource(request, "links"), resource(request, "zone"))


FormDependency = Annotated[Form, Depends(_form)]
Token = Annotated[str, Path(description="The signed token of a personal link", max_length=200)]

router = APIRouter(tags=["form"], route_class=FormRoute)

_PROBLEM = {"application/problem+json": {"schema": {"type": "object"}}, "text/html": {}}
_REFUSALS: dict[int | str, dict[str, Any]] = {  # FastAPI's own type of its `responses`
    404: {"description": "Not one of our links", "content": _PROBLEM},
    410: {"description": "The link has expired", "content": _PROBLEM},
}
_HTML_OR_JSON = {"text/html": {"schema": {"type": "string"}}}


@router.get(
    "/f/{token}",
    response_class=HTMLResponse,
    responses={
        200: {"model": FormView, "description": "The form: a page, or JSON when asked for", "content": _HTML_OR_JSON},
        **_REFUSALS,
    },
)
async def show_form(
    token: Token,
    request: Request,
    session: Session,
    clock: ClockDependency,
    form: FormDependency,
    page: Annotated[str, Query()] = "",
) -> Response:
    """Show the form with what was answered so far; `page` is a step: questions, follow_up or thanks."""
    opened = await service.open_form(session, token, links=form.links, now=clock.now())
    if _speaks_json(request):
        return _json(_form_view(opened))
    if page == "thanks" and opened.response is not None:
        return HTMLResponse(form.pages.show_thanks(opened, await service.commitments_of(session, opened)))
    step: Page = "follow_up" if page == "follow_up" and opened.has_follow_ups else "questions"
    return HTMLResponse(form.pages.show_form(opened, page=step))


@router.post(
    "/f/{token}",
    response_class=HTMLResponse,
    responses={
        200: {"model": SubmittedView, "description": "JSON: stored as another revision, or known already"},
        201: {"model": SubmittedView, "description": "JSON: the first response through this link"},
        303: {"description": "Form: stored; what comes next"},
        400: {"description": "Not what its Content-Type says", "content": _PROBLEM},
        413: {"description": "Too large", "content": _PROBLEM},
        415: {"description": "Neither a form nor JSON", "content": _PROBLEM},
        422: {"description": "Answers refused; nothing changed", "content": _PROBLEM},
        **_REFUSALS,
    },
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                JSON: {"schema": SubmitAnswers.model_json_schema()},
                FORM: {
                    "schema": {
                        "type": "object",
                        "description": f"`page`, and `{FIELD_PREFIX}<question_key>` for each question",
                        "properties": {"page": {"type": "string", "enum": ["questions", "follow_up"]}},
                        "additionalProperties": {"type": "string"},
                    }
                },
            },
        }
    },
)
async def submit_form(
    token: Token, request: Request, session: Session, clock: ClockDependency, form: FormDependency
) -> Response:
    """Store answers. As JSON a whole response; as a form one page, the other page's answers stay.

    The same link revises the response until it expires; sending the same twice changes nothing.
    """
    now = clock.now()
    # before the body is read: whoever has no valid link gets no further
    opened = await service.open_form(session, token, links=form.links, now=now, lock=True)
    body = await _read_body(request)
    if _content_type(request) == JSON:
        submitted = await service.submit_answers(session, opened, _read_json(body).answers, now=now, zone=form.zone)
        first_time = submitted.changed and submitted.response.revision == 1
        return _json(_submitted_view(submitted), status=201 if first_time else 200)
    page, fields = _read_form(body)
    if opened.response is None:
        page = "questions"  # nobody gets past the first page without answering it
    try:
        submitted = await service.submit_page(session, opened, fields, page=page, now=now, zone=form.zone)
    except AnswersDoNotFit as refusal:  # nothing was written yet: the same page again, with what was posted
        html = form.pages.show_form(opened, page=page, given=refusal.given, problems=refusal.problems)
        return HTMLResponse(html, status_code=422)
    next_step = "follow_up" if page == "questions" and submitted.form.has_follow_ups else "thanks"
    return RedirectResponse(f"{token}?page={next_step}", status_code=303)


async def _read_body(request: Request) -> bytes:
    if _content_type(request) not in {JSON, FORM}:
        raise UnsupportedForm(f"Send {FORM} or {JSON}.")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAXIMUM_BODY_BYTES:
            raise TooLarge(f"The body is larger than {MAXIMUM_BODY_BYTES} bytes.")
    return bytes(body)


def _read_json(body: bytes) -> SubmitAnswers:
    try:
        return SubmitAnswers.model_validate_json(body)
    except ValidationError as error:
        wrong = [
            {**item, "loc": ("body", *item["loc"])} for item in error.errors(include_input=False, include_url=False)
        ]
        raise RequestValidationError(wrong) from None


def _read_form(body: bytes) -> tuple[Page, dict[str, list[str]]]:
    """Return the page that was posted and its fields by question's key; a foreign field is refused later."""
    try:
        posted = parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=MAXIMUM_FIELDS)
    except ValueError:
        raise UnreadableForm("The form cannot be read.") from None
    page: Page = "questions"
    fields: dict[str, list[str]] = {}
    for name, value in posted:
        if name == "page" and value in {"questions", "follow_up"}:
            page = cast(Page, value)
        else:
            key = name.removeprefix(FIELD_PREFIX) if name.startswith(FIELD_PREFIX) else f"?{name}"
            fields.setdefault(key, []).append(value)
    return page, fields


def _content_type(request: Request) -> str:
    return request.headers.get("Content-Type", "").partition(";")[0].strip().lower()


def _speaks_json(request: Request) -> bool:
    accept = request.headers.get("Accept", "").lower()
    if request.method == "POST" and _content_type(request) != FORM:
        return "text/html" not in accept
    return JSON in accept and "text/html" not in accept


def _explain(error: ServiceError, request: Request, *, pages: Pages) -> Response:
    language = preferred_language(request.headers.get("Accept-Language", ""))
    if isinstance(error, ExpiredLink):
        html = pages.show_expired(error.language)
    elif isinstance(error, UnknownLink):
        html = pages.show_unknown(language)
    else:
        html = pages.show_refused(language)
    return HTMLResponse(html, status_code=error.status)


def _json(view: BaseModel, *, status: int = 200) -> Response:
    return JSONResponse(view.model_dump(mode="json"), status_code=status)


def _form_view(form: OpenForm) -> FormView:
    return FormView(
        questionnaire_key=form.invitation.questionnaire_key,
        expires_at=form.invitation.expires_at,
        revision=0 if form.response is None else form.response.revision,
        answers=answer_views(form.answers),
        **{
            name: getattr(form.questionnaire, name)
            for name in ("title", "language", "introduction", "questions", "thanks")
        },
    )


def _submitted_view(submitted: Submission) -> SubmittedView:
    response = submitted.response
    return SubmittedView.model_validate(
        {
            **vars(response),
            "changed": submitted.changed,
            "answers": answer_views(response.answers),
            "commitments": [StatedCommitment.model_validate(commitment) for commitment in submitted.commitments],
        }
    )
