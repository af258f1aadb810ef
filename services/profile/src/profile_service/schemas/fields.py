"""Kinds of text that several bodies take."""

from typing import Annotated

from pydantic import StringConstraints

Title = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]
Description = Annotated[str, StringConstraints(max_length=2000, pattern=r"^[^\x00]*$")]
