"""What changes at identity are given. Identity checks the values; its refusals name them."""

from collections.abc import Sequence
from dataclasses import asdict

import strawberry

from gateway.types.scalars import DateTime

WHY = "The reason; it is kept with the decision: no personal data belongs into it."
ONCE = "Repeating the change with the same key does nothing again and gives the same answer, e.g. after a TIMEOUT."
VERSION = "Refuse (CONFLICT) when somebody has made a change since this version."


@strawberry.input(description="Which customers are one.")
class MergeCustomersInput:
    """As identity takes it."""

    customer_ids: list[strawberry.ID]
    into: strawberry.ID | None = strawberry.field(default=None, description="Who stays; null: the oldest.")
    why: str = strawberry.field(description=WHY)
    idempotency_key: str | None = strawberry.field(default=None, description=ONCE)


@strawberry.input(description="Which identifiers of a customer are somebody else's.")
class SplitCustomerInput:
    """As identity takes it."""

    customer_id: strawberry.ID
    anchor_ids: list[strawberry.ID] = strawberry.field(description="The identifiers that go; at least one must stay.")
    why: str = strawberry.field(description=WHY)
    idempotency_key: str | None = strawberry.field(default=None, description=ONCE)


@strawberry.input(description="Which decision is undone.")
class UndoDecisionInput:
    """As identity takes it."""

    decision_id: strawberry.ID
    why: str = strawberry.field(description=WHY)
    idempotency_key: str | None = strawberry.field(default=None, description=ONCE)


@strawberry.input(description="On which candidate is decided.")
class DecideOnCandidateInput:
    """As identity takes it."""

    candidate_id: strawberry.ID
    why: str = strawberry.field(description=WHY)
    idempotency_key: str | None = strawberry.field(default=None, description=ONCE)


@strawberry.input(description="The rules of one kind of identifier; what is left out is as shipped.")
class NamespaceRulesInput:
    """As identity takes it."""

    name: str
    priority: int = strawberry.field(description="1 is the strongest.")
    limit: int | None = strawberry.field(default=None, description="How many values one customer may have.")
    limit_window: str | None = strawberry.field(default=None, description="ever, yearly, monthly or weekly.")
    unique: bool | None = None
    blocked_values: list[str] | None = strawberry.field(
        default=None, description="Patterns of values that link nobody."
    )
    normaliser: str | None = None
    verified_only: bool | None = None
    shared: bool | None = None
    outside: bool | None = None
    restricted: bool | None = None


def named_rules(namespaces: Sequence[NamespaceRulesInput]) -> list[dict[str, object]]:
    """The rules as identity takes them, without what was left out."""
    return [{name: value for name, value in asdict(namespace).items() if value is not None} for namespace in namespaces]


@strawberry.input(description="All rules at once; a namespace that is not listed has the default rules.")
class PublishRulesInput:
    """As identity takes it."""

    namespaces: list[NamespaceRulesInput]
    why: str = strawberry.field(description=WHY)
    expected_version: int | None = strawberry.field(default=None, description=VERSION)


@strawberry.input(description="The rules to try.")
class DryRunRulesInput:
    """As identity takes it."""

    namespaces: list[NamespaceRulesInput]
    idempotency_key: str | None = strawberry.field(default=None, description=ONCE)


@strawberry.input(description="What to score.")
class StartLinkingRunInput:
    """As identity takes it."""

    kind: str = strawberry.field(
        default="incremental", description="full: the whole base; incremental: what is new or changed against it."
    )
    idempotency_key: str | None = strawberry.field(default=None, description=ONCE)


@strawberry.input(description="How customers are linked by probability.")
class UpdateLinkingSettingsInput:
    """As identity takes it."""

    upper: float = strawberry.field(description="From this score on two customers are linked.")
    lower: float = strawberry.field(description="From this score on they are put to review. Below the upper one.")
    engine: str = strawberry.field(default="duckdb", description="duckdb, or spark for a base beyond one machine.")
    spark_master: str | None = None
    across_entities: bool = strawberry.field(
        default=False, description="Compare the records of all companies, agreement or not."
    )
    expected_version: int | None = strawberry.field(default=None, description=VERSION)


@strawberry.input(description="`toEntity` may use the links that the sources of `fromEntity` made.")
class PutAgreementInput:
    """As identity takes it."""

    agreement_id: strawberry.ID
    from_entity: str
    to_entity: str
    purposes: list[str] = strawberry.field(default_factory=list, description="None named: every purpose.")
    valid_from: DateTime
    valid_until: DateTime | None = strawberry.field(
        default=None, description="The first moment at which it no longer holds."
    )
    evidence: str = strawberry.field(description="Where the contract lies, as people find it.")
    expected_version: int | None = strawberry.field(default=None, description=VERSION)


@strawberry.input(description="Which agreement ends, and when.")
class EndAgreementInput:
    """As identity takes it."""

    agreement_id: strawberry.ID
    valid_until: DateTime = strawberry.field(description="The first moment at which it no longer holds.")
    expected_version: int | None = strawberry.field(
        default=None, description="Refuse (CONFLICT) when somebody has made a change since this version."
    )


@strawberry.input(description="Who is erased, and why.")
class EraseCustomerInput:
    """As identity takes it."""

    customer_id: strawberry.ID
    why: str = strawberry.field(description="Kept as the audit: name the request, not the person.")


@strawberry.input(description="On whom everything is disclosed, and why.")
class DiscloseCustomerInput:
    """As identity takes it."""

    customer_id: strawberry.ID
    why: str = strawberry.field(description="Kept as the audit: name the request, not the person.")
