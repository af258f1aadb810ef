"""Errors as clients of the graph see them: `extensions.code` says what kind, `extensions.field` what is wrong."""

from collections.abc import Sequence
from typing import Any, Literal

import structlog
from graphql import GraphQLError

from servicekit.workers import describe

log = structlog.get_logger(__name__)

Code = Literal[
    "UNAUTHENTICATED",
    "FORBIDDEN",
    "NOT_FOUND",
    "BAD_USER_INPUT",
    "CONFLICT",
    "UNAVAILABLE",
    "TIMEOUT",
    "LIMIT_EXCEEDED",
    "TOO_LARGE",
    "GRAPHQL_PARSE_FAILED",
    "GRAPHQL_VALIDATION_FAILED",
    "INTERNAL",
]


class GatewayError(Exception):
    """A field's answer that cannot be given. graphql-core adds the path and copies `extensions` into the response.

    Not a GraphQLError on purpose: one failed call answers several fields, and each needs its own path.
    """

    def __init__(
        self,
        message: str,
        *,
        code: Code,
        service: str | None = None,
        field: str | None = None,
        errors: Sequence[tuple[str, str]] = (),
    ) -> None:
        super().__init__(message)
        self.code = code
        self.extensions: dict[str, Any] = {"code": code}  # Any: a JSON object
        if service is not None:
            self.extensions["service"] = service
        if field is not None:
            self.extensions["field"] = field
        if errors:
            self.extensions["errors"] = [{"field": name, "detail": detail} for name, detail in errors]


def bad_input(message: str, *, field: str) -> GatewayError:
    """An argument that cannot be meant so."""
    return GatewayError(message, code="BAD_USER_INPUT", field=field)


def request_error(message: str, *, code: Code, field: str | None = None) -> GraphQLError:
    """An error of the request as a whole: nothing was executed."""
    extensions: dict[str, Any] = {"code": code}  # Any: a JSON object
    if field is not None:
        extensions["field"] = field
    return GraphQLError(message, extensions=extensions)


def present(error: GraphQLError, *, default_code: Code = "INTERNAL") -> dict[str, Any]:
    """Format an error for the response, without what an unexpected exception may carry (possibly personal data)."""
    cause = error.original_error
    if cause is not None and not isinstance(cause, GatewayError | GraphQLError):
        log.error("resolver_failed", error=describe(cause), path=_names(error.path))
        masked = GraphQLError("Internal error", nodes=error.nodes, path=error.path, extensions={"code": "INTERNAL"})
        return dict(masked.formatted)
    formatted = dict(error.formatted)
    extensions = dict(error.extensions or {})
    extensions.setdefault("code", default_code)
    formatted["extensions"] = extensions
    return formatted


def _names(path: Sequence[str | int] | None) -> str:
    return ".".join(str(part) for part in path or ())
