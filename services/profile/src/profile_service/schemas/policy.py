"""The policy as it is written, read and explained."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from profile_service.rules.policy import Effect, Kind, PolicyDocument, Rule
from servicekit.http import Answer, Body, Key

Text = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]


class PolicyBody(PolicyDocument):
    """Rules, of which the first that matches decides; else `default`. `why` is kept with the change."""

    why: Annotated[str, StringConstraints(min_length=1, max_length=1000, pattern=r"^[^\x00]*$")]

    @property
    def document(self) -> PolicyDocument:
        """Without the reason."""
        return PolicyDocument(default=self.default, rules=self.rules)


class PolicyAnswer(Answer):
    """What holds. Version 0: nobody put a policy, and whoever has the scope reads everything."""

    version: int
    default: Effect
    rules: list[Rule]
    changed_at: datetime | None = None
    changed_by: str | None = None
    why: str | None = None


class PolicyVersionsAnswer(Answer):
    """Newest first; `next` is the cursor to pass as `after`."""

    items: list[PolicyAnswer]
    next: str | None


class CallerBody(Body):
    """Whoever would read."""

    department: Text | None = None
    purpose: Key | None = None
    brands: Annotated[list[Text], Field(max_length=100)] = Field(default=[])
    legal_entity: Text | None = None
    service: Text | None = None


class OriginBody(Body):
    """Whose the source of an event is."""

    department: Text | None = None
    brand: Text | None = None
    legal_entity: Text | None = None


class ExplainQuery(CallerBody):
    """Who would read what; `policy`: by this one instead of the one that holds (a dry run)."""

    kind: Kind
    name: Text
    origin: OriginBody = Field(default=OriginBody(), alias="from")
    policy: PolicyDocument | None = None


class ExplainAnswer(Answer):
    """Whether it may be read, and what decides: a `rule` (its position, from 0), the `default`, or that it is
    `drawn_from` something the caller may not read."""

    effect: Effect
    because: Literal["rule", "default", "drawn_from"]
    position: int | None
    rule: Rule | None
    version: int | None
    """Null: of a dry run."""
