"""Fields that several requests share."""

from typing import Annotated

from pydantic import StringConstraints

from identity_service.rules.identifiers import NAMESPACE_PATTERN

Label = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]+$")
]
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]
NamespaceName = Annotated[str, StringConstraints(pattern=f"^{NAMESPACE_PATTERN}$")]
