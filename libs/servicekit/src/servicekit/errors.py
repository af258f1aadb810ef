"""Errors that carry meaning, and the one place where they become HTTP (RFC 9457 problem+json)."""

from collections.abc import Iterator, Sequence
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

PROBLEM_JSON = "application/problem+json"


PROBLEM_RESPONSES: dict[int | str, dict[str, Any]] = {
    "4XX": {
        "description": "Refused; the problem says why and, where a field is wrong, which.",
        "content": {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
}
"""What every operation documents; it takes the place of FastAPI's own validation error."""

PROBLEM_SCHEMA: dict[str, Any] = {
    "title": "Problem",
    "description": "RFC 9457 problem details.",
    "type": "object",
    "required": ["type", "title", "status", "detail", "instance"],
    "properties": {
        "type": {"type": "string", "description": "`urn:kizuna:problem:<code>`"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What is wrong, and what to do next."},
        "instance": {"type": "string", "description": "The path asked."},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "detail"],
                "properties": {"field": {"type": "string"}, "detail": {"type": "string"}},
            },
        },
    },
}


def document_problems(app: FastAPI) -> None:
    """Put the Problem schema into this app's OpenAPI document."""
    generate = app.openapi

    def with_problem() -> dict[str, Any]:
        document = generate()
        document.setdefault("components", {}).setdefault("schemas", {})["Problem"] = PROBLEM_SCHEMA
        return document

    app.openapi = with_problem  # type: ignore[method-assign]  # FastAPI's own way to extend the document


class ServiceError(Exception):
    """A refusal with a meaning. `field` names what is wrong with dots and indices, e.g. `steps.2.next`."""

    status = 500
    code = "internal"
    title = "Internal error"

    def __init__(self, detail: str, *, field: str | None = None, errors: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = [(field, detail), *errors] if field is not None else list(errors)


class Invalid(ServiceError):
    """The request is understood but wrong."""

    status, code, title = 422, "invalid", "Invalid request"


class Unauthorized(ServiceError):
    """No credential, or one that does not verify."""

    status, code, title = 401, "unauthorized", "Unauthorized"


class Forbidden(ServiceError):
    """The credential is good but does not allow this."""

    status, code, title = 403, "forbidden", "Forbidden"


class NotFound(ServiceError):
    """There is no such thing."""

    status, code, title = 404, "not_found", "Not found"


class Conflict(ServiceError):
    """The present state does not allow this."""

    status, code, title = 409, "conflict", "Conflict"


class Gone(ServiceError):
    """It existed and does no longer."""

    status, code, title = 410, "gone", "Gone"


class PreconditionFailed(ServiceError):
    """`If-Match` names another version than the present one."""

    status, code, title = 412, "precondition_failed", "Precondition failed"


class TooLarge(ServiceError):
    """The body is larger than allowed."""

    status, code, title = 413, "too_large", "Content too large"


class Unavailable(ServiceError):
    """A part this needs is down; try again after `retry_after` seconds."""

    status, code, title = 503, "unavailable", "Service unavailable"

    def __init__(self, detail: str, *, retry_after: int = 2) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


def problem(
    *, status: int, code: str, title: str, detail: str, instance: str, errors: Sequence[tuple[str, str]] = ()
) -> JSONResponse:
    """Build a problem+json response; `errors` are (field, detail) pairs."""
    body: dict[str, Any] = {
        "type": f"urn:kizuna:problem:{code}",
        "title": title,
        "status": status,
        "detail": detail,
        "instance": instance,
    }
    if errors:
        body["errors"] = [{"field": field, "detail": text} for field, text in errors]
    return JSONResponse(body, status_code=status, media_type=PROBLEM_JSON)


def render(error: ServiceError, *, instance: str) -> JSONResponse:
    """Turn a refusal into its problem response, with the headers it calls for."""
    response = problem(
        status=error.status,
        code=error.code,
        title=error.title,
        detail=error.detail,
        instance=instance,
        errors=error.errors,
    )
    if isinstance(error, Unavailable):
        response.headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, Unauthorized):
        response.headers["WWW-Authenticate"] = 'Bearer realm="kizuna"'
    return response


def _field(location: Sequence[int | str], body: object, *, blamed: object) -> str:
    if location and location[0] == "body" and len(location) > 1:
        named = list(_without_union_tags(location[1:], body, blamed=blamed))
        return ".".join(named) or ('""' if named else "body")  # a field whose name is empty
    parts = [str(part) for part in location]
    return ".".join(parts[1:] if parts and parts[0] in {"query", "path", "header"} and len(parts) > 1 else parts)


_A_KEY = "[key]"
"""What pydantic adds where the name itself does not fit."""


def _without_union_tags(location: Sequence[int | str], body: object, *, blamed: object) -> Iterator[str]:
    """Drop what pydantic adds where it chose between models: it is no part of what was sent.

    A part that is not there and yet leads further is such a choice: what is missing, or whose default does not fit,
    stands last - unless the thing itself is `blamed`. So is the kind of a thing, which may be a field's name as well,
    where it comes first; and a name said of what has no names.
    """
    value = body
    is_kind_known = False
    for index, part in enumerate(location):
        is_last = index == len(location) - 1
        if isinstance(value, dict):
            if part not in value and part != _A_KEY and (not is_last or value == blamed):
                continue
            if value.get("kind") == part and not is_kind_known and not is_last:
                is_kind_known = True
                continue
        elif isinstance(part, str) and value is not None and part != _A_KEY:
            continue
        is_kind_known = False
        yield str(part)
        if isinstance(value, dict):
            value = value.get(part)
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            value = value[part]
        else:
            value = None


async def _on_service_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ServiceError)
    return render(error, instance=request.url.path)


async def _on_validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    broken_json = any(item["type"] == "json_invalid" for item in error.errors())
    return problem(
        status=400 if broken_json else 422,
        code="invalid_json" if broken_json else Invalid.code,
        title="Body is not JSON" if broken_json else Invalid.title,
        detail="The body is not valid JSON." if broken_json else "The request does not fit; see errors.",
        instance=request.url.path,
        # pydantic's messages may repeat the input; only its fixed part is passed on
        errors=[
            (
                _field(item["loc"], error.body, blamed=None if item["type"] == "missing" else item.get("input")),
                item["msg"],
            )
            for item in error.errors()[:20]
        ],
    )


_HTTP_PROBLEMS = {
    404: (NotFound.code, NotFound.title),
    405: ("method_not_allowed", "Method not allowed"),
    413: (TooLarge.code, TooLarge.title),
}


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code, title = _HTTP_PROBLEMS.get(error.status_code, ("http_error", "Refused"))
    response = problem(
        status=error.status_code,
        code=code,
        title=title,
        detail=str(error.detail),
        instance=request.url.path,
    )
    response.headers.update(error.headers or {})
    return response


def install_error_handlers(app: FastAPI) -> None:
    """Make every refusal of this app a problem+json answer."""
    app.add_exception_handler(ServiceError, _on_service_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_exception)
