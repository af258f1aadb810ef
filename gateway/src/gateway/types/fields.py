"""Strawberry's decorators for fields with resolvers, typed: the resolver keeps its own type.

`graphql_type` is what the graph shows where the resolver returns a service's answer that a record is read from.
"""

from collections.abc import Callable
from typing import Annotated, Any, TypeVar, cast

import strawberry

ResolverT = TypeVar("ResolverT", bound=Callable[..., Any])  # Any: arguments and answers differ


Id = Annotated[strawberry.ID, strawberry.argument(name="id")]
"""An argument that the graph calls `id`: the resolver says whose."""


def field(
    *, graphql_type: object = None, name: str | None = None, description: str | None = None
) -> Callable[[ResolverT], ResolverT]:
    """Declare a field; `name` where Python keeps the graph's for itself."""

    def declare(resolver: ResolverT) -> ResolverT:
        declared = strawberry.field(resolver, graphql_type=graphql_type, name=name, description=description)
        return cast("ResolverT", declared)

    return declare


def mutation(*, description: str) -> Callable[[ResolverT], ResolverT]:
    """Declare a change."""

    def declare(resolver: ResolverT) -> ResolverT:
        return cast("ResolverT", strawberry.mutation(resolver, description=description))

    return declare


def subscription(*, description: str) -> Callable[[ResolverT], ResolverT]:
    """Declare a source of updates."""

    def declare(resolver: ResolverT) -> ResolverT:
        return cast("ResolverT", strawberry.subscription(resolver, description=description))

    return declare
