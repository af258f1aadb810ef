"""Call simple resolvers directly.

Strawberry wraps every resolver to convert arguments to input classes, to build its `Info` and to run field extensions.
A resolver that takes only its object and scalars needs none of that, and the customer's fields are all such.
"""

import inspect
from collections.abc import Callable
from typing import Any

from graphql import GraphQLField, GraphQLObjectType, GraphQLSchema, get_nullable_type, is_scalar_type

Resolve = Callable[..., Any]  # Any: resolvers answer what they answer


def shorten(schema: GraphQLSchema) -> None:
    """Replace the wrapped resolvers of a schema by the bare ones wherever that makes no difference."""
    for kind in schema.type_map.values():
        if isinstance(kind, GraphQLObjectType) and kind is not schema.subscription_type:
            for field in kind.fields.values():
                bare = _bare_resolver(field)
                if bare is not None:
                    field.resolve = bare


def _bare_resolver(field: GraphQLField) -> Resolve | None:
    definition = field.extensions.get("strawberry-definition")
    resolver = definition.base_resolver if definition is not None else None
    if definition is None or resolver is None or definition.extensions or definition.permission_classes:
        return None
    function: Resolve = resolver.wrapped_func
    parameters = list(inspect.signature(function).parameters)
    python_names = [argument.python_name for argument in definition.arguments]
    names = dict(zip(python_names, field.args, strict=True))
    # scalars come as Python values already
    if parameters != ["self", *names] or not all(_is_scalar(argument.type) for argument in field.args.values()):
        return None
    if not field.args:
        return lambda source, _info: function(source)
    if parameters == ["self", *field.args]:
        return lambda source, _info, **arguments: function(source, **arguments)
    return lambda source, _info, **arguments: function(
        source, **{name: arguments[graph_name] for name, graph_name in names.items() if graph_name in arguments}
    )


def _is_scalar(kind: Any) -> bool:  # Any: graphql-core's input types
    return bool(is_scalar_type(get_nullable_type(kind)))
