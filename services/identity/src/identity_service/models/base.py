"""The base of identity's tables."""

from typing import TYPE_CHECKING

from servicekit.tables import service_base

if TYPE_CHECKING:
    from sqlmodel import SQLModel

    Base = SQLModel  # mypy cannot follow a base class made at run time
else:
    Base = service_base()
