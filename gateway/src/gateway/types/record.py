"""Records: types of the graph whose fields are plain attributes of a decoded answer.

Nothing in a record can fail or wait once the answer is there, so the executor may read a whole page of records in one
compiled function (`gateway.projection`) instead of field by field.
"""

from collections.abc import Callable
from typing import TypeVar

import strawberry

ClassT = TypeVar("ClassT", bound=type)

ANSWERS: dict[str, type] = {}
"""Record type's name in the graph -> the answer class it is read from."""


def record(answer: type) -> Callable[[ClassT], ClassT]:
    """Declare a record of the graph, read from `answer`; its docstring becomes the description."""

    def declare(cls: ClassT) -> ClassT:
        ANSWERS[cls.__name__] = answer
        return strawberry.type(cls, description=(cls.__doc__ or "").strip())

    return declare
