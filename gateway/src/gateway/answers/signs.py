"""What profile answers on signs of a changing situation."""

from __future__ import annotations

from msgspec import Raw, Struct, field


class SignOutcomeRow(Struct):
    """What should follow a sign."""

    within_days: int
    event: str | None = None
    where: Raw = field(default_factory=lambda: Raw(b"[]"))
    any_of: Raw = field(default_factory=lambda: Raw(b"null"))
    sign: str | None = None


class SignRow(Struct):
    """A sign as it is edited."""

    key: str
    name: str
    meaning: str
    strength: str
    lifetime_days: int
    status: str
    condition: Raw = field(default_factory=lambda: Raw(b"null"))
    outcome: SignOutcomeRow | None = None
    withheld: bool = False
    is_edited: bool = False
    revision: int = 1
    version: int = 0
    published_at: str | None = None
    archived_at: str | None = None


class SignListAnswer(Struct):
    """GET /v1/signs"""

    items: list[SignRow]
    withheld: bool = False


class SignVersionRow(Struct):
    """What a sign was from a publication on."""

    version: int
    strength: str
    lifetime_days: int
    published_at: str
    condition: Raw = field(default_factory=lambda: Raw(b"null"))
    outcome: SignOutcomeRow | None = None
    withheld: bool = False
    published_by: str | None = None
    why: str | None = None


class SignVersionPageAnswer(Struct):
    """GET /v1/signs/{key}/versions"""

    items: list[SignVersionRow]
    next: str | None = None


class ShowingRow(Struct):
    """A customer who shows a sign."""

    customer_id: str
    detected_at: str
    renewed_at: str


class ShowingPageAnswer(Struct):
    """GET /v1/signs/{key}/customers"""

    items: list[ShowingRow]
    next: str | None = None


class SignShareRow(Struct):
    """How many customers show a sign now."""

    key: str
    name: str
    strength: str
    customers: int
    share: float


class SignCoverageAnswer(Struct):
    """GET /v1/signs:coverage"""

    customers: int
    signs: list[SignShareRow]
    in_a_situation: int | None = None
    share: float | None = None
    withheld: bool = False


class SignPrecisionAnswer(Struct):
    """GET /v1/signs/{key}/precision"""

    first_day: str
    last_day: str
    detected: int
    followed: int
    rate: float | None = None
    base_rate: float | None = None
    lift: float | None = None
