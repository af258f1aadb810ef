"""Who may read what, and what circulated between departments."""

from typing import Annotated

import strawberry

from gateway.answers import policy
from gateway.answers.policy import PolicyRow
from gateway.types import fields
from gateway.types.identity_inputs import ONCE, VERSION
from gateway.types.paging import DEFAULT_PAGE, Connection
from gateway.types.profile_calls import ContextInfo, get, page, put
from gateway.types.profile_inputs import WHY, body_of
from gateway.types.record import record
from gateway.types.scalars import BigInt, Date, DateTime, Json, Money

INPUT = strawberry.argument(name="input")
FROM = strawberry.argument(name="from")


@record(policy.PolicyRow)
class Policy:
    """Who may read what: the first rule that matches decides, else the default. It holds in this graph's answers, too:
    what the caller may not read is not there."""

    version: int = strawberry.field(description="0: nobody put one; pass it as expectedVersion.")
    default: str = strawberry.field(description="allow or deny.")
    rules: Json
    changed_at: DateTime | None
    changed_by: str | None
    why: str | None


@record(policy.PolicyDecisionRow)
class PolicyDecision:
    """Whether something may be read, and what decides."""

    effect: str = strawberry.field(description="allow or deny.")
    because: str = strawberry.field(
        description="rule, default, or drawn_from: it is drawn from something the caller may not read."
    )
    position: int | None = strawberry.field(description="The rule's, from 0.")
    rule: Json | None
    version: int | None = strawberry.field(description="Null: of a dry run.")


@record(policy.GivenRow)
class DepartmentGave:
    """What a department's sources gave in the day or month that begins so."""

    begins_on: Date
    department: str | None = strawberry.field(description="Null: Kizuna's own, or not known.")
    kind: str = strawberry.field(description="event, trait or identifier.")
    count: BigInt


@record(policy.UsedRow)
class DepartmentUsed:
    """How much of what a department gave was read, by whom."""

    reader: str = strawberry.field(description="A department, `service:<name>`, or `-`.")
    giver: str | None
    kind: str = strawberry.field(description="event, trait or segment.")
    count: BigInt


@record(policy.SegmentUseRow)
class SegmentUse:
    """A department's segment, and the others whose events and traits it is drawn from."""

    key: str
    name: str
    department: str | None
    drawn_from: list[str]
    entered: int


@record(policy.UseResultRow)
class UseResult:
    """How many, of how many customers, and their revenue."""

    events: int
    customers: int
    revenue: Money


@record(policy.SegmentResultsRow)
class SegmentResults:
    """What a segment's present members did after they entered it; not what the segment caused."""

    key: str
    members: int
    is_too_large: bool
    messages_sent: UseResult | None
    links_clicked: UseResult | None
    purchases: UseResult | None


@record(policy.CirculationAnswer)
class Circulation:
    """What each department gave, which others used it, in which segments, with which result."""

    first_day: Date
    last_day: Date
    given: list[DepartmentGave]
    used: list[DepartmentUsed]
    segments: list[SegmentUse]
    results: SegmentResults | None


@strawberry.input(description="Whose the source of an event is.")
class OriginInput:
    """As profile takes it."""

    department: str | None = None
    brand: str | None = None
    legal_entity: str | None = None


@strawberry.input(description="Who would read what; with `policy` by that one instead of the one that holds.")
class ExplainPolicyInput:
    """As profile takes it."""

    kind: str = strawberry.field(description="trait, event, segment, sign, remark or relation.")
    name: str
    origin: OriginInput | None = None
    department: str | None = None
    purpose: str | None = None
    brands: list[str] = strawberry.field(default_factory=list)
    legal_entity: str | None = None
    service: str | None = None
    policy: Json | None = strawberry.field(default=None, description="{default, rules}: a dry run.")


@strawberry.type
class PolicyQuery:
    """The graph's entrances to the policy (policy:read) and to what circulates (circulation:read)."""

    @fields.field(
        graphql_type=Connection[Policy] | None,
        description="What held when, who changed it and why; newest first. Needs policy:read.",
    )
    async def policy_versions(
        self, info: ContextInfo, first: int = DEFAULT_PAGE, after: str | None = None
    ) -> Connection[Policy]:
        """From profile."""
        return await page(info, "/v1/policy/versions", policy.PolicyPageAnswer, first=first, after=after)

    @fields.field(
        graphql_type=PolicyDecision | None,
        description="Whether somebody may read something, and the rule that decides. Needs policy:read.",
    )
    async def explain_policy(
        self, info: ContextInfo, given: Annotated[ExplainPolicyInput, INPUT]
    ) -> policy.PolicyDecisionRow:
        """From profile."""
        loaders = info.context.loaders
        body = body_of(given, "origin") | ({} if given.origin is None else {"from": body_of(given.origin)})
        return await loaders.services.profile.post(
            "/v1/policy:explain", body, policy.PolicyDecisionRow, headers=loaders.headers
        )

    @fields.field(
        graphql_type=Circulation | None,
        description="What circulated between departments by `step` (day or month), by default in the last 30 days; "
        "with `segment` also what its members did since. Needs circulation:read.",
    )
    async def circulation(
        self,
        info: ContextInfo,
        since: Annotated[Date | None, FROM] = None,
        until: Date | None = None,
        step: str = "month",
        segment: str | None = None,
    ) -> policy.CirculationAnswer:
        """From profile."""
        loaders = info.context.loaders
        service = loaders.services.profile
        return await service.get(
            "/v1/circulation",
            policy.CirculationAnswer,
            headers=loaders.headers,
            query={"from": since, "until": until, "step": step, "segment": segment},
            patience=service.patience_for_changes,
        )

    # the last one: below it the class knows `policy` as this
    @fields.field(graphql_type=Policy | None, description="Who may read what, as it holds now. Needs policy:read.")
    async def policy(self, info: ContextInfo) -> policy.PolicyRow:
        """From profile."""
        return await get(info, "/v1/policy", policy.PolicyRow)


@strawberry.input(description="Who may read what, all rules at once. Try it first with `explainPolicy`.")
class PutPolicyInput:
    """As profile takes it."""

    default: str = strawberry.field(default="allow", description="allow or deny: where no rule matches.")
    rules: Json = strawberry.field(description="In order, e.g. [{effect: deny, who: {...}, what: {...}, note: ...}].")
    why: str = strawberry.field(description=WHY)
    expected_version: int | None = strawberry.field(default=None, description=VERSION)
    idempotency_key: str | None = strawberry.field(default=None, description=ONCE)


@strawberry.type(description="The policy as it now holds.")
class PolicyPayload:
    """What changing the policy answers."""

    policy: PolicyRow = strawberry.field(graphql_type=Policy)


@strawberry.type
class PolicyMutation:
    """The graph's change of the policy, at profile."""

    @fields.mutation(
        description="Say anew who may read what, and why. It holds from the next request on. Needs policy:write."
    )
    async def put_policy(self, info: ContextInfo, given: Annotated[PutPolicyInput, INPUT]) -> PolicyPayload | None:
        """PUT /v1/policy"""
        row = await put(info, given, "/v1/policy", body_of(given), policy.PolicyRow)
        return PolicyPayload(policy=row)
