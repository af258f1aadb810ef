"""Changes of who is who, and of the rules by which that is found. Identity decides by the caller's scopes who may."""

from typing import Annotated, Any, TypeVar

import strawberry
from strawberry.types import Info

from gateway.answers import decisions, jobs, linking, partners, privacy
from gateway.answers.rules import RulesRow
from gateway.clients import demanding, path_segment
from gateway.context import OperationContext
from gateway.disclosures import disclose
from gateway.loaders import Loaders
from gateway.types import arguments, fields
from gateway.types.customer import Decision, decision_of
from gateway.types.identity_inputs import (
    DecideOnCandidateInput,
    DiscloseCustomerInput,
    DryRunRulesInput,
    EndAgreementInput,
    EraseCustomerInput,
    MergeCustomersInput,
    PublishRulesInput,
    PutAgreementInput,
    SplitCustomerInput,
    StartLinkingRunInput,
    UndoDecisionInput,
    UpdateLinkingSettingsInput,
    named_rules,
)
from gateway.types.identity_records import (
    Agreement,
    Disclosure,
    Erasure,
    IdentityRules,
    Job,
    LinkingRun,
    LinkingSettings,
    MissingService,
)
from gateway.types.linking import Candidate, candidate_of
from gateway.types.scalars import Json

ContextInfo = Info[OperationContext, None]
RowT = TypeVar("RowT")
INPUT = strawberry.argument(name="input")


@strawberry.type(description="What was decided, with the customers read after it.")
class DecisionPayload:
    """What merging, splitting and undoing answer."""

    decision: Decision


@strawberry.type(description="The candidate with what was decided on it, the customers read after it.")
class CandidatePayload:
    """What deciding on a candidate answers."""

    candidate: Candidate


@strawberry.type(description="The rules now in force.")
class PublishRulesPayload:
    """What publishing rules answers."""

    rules: RulesRow = strawberry.field(graphql_type=IdentityRules)


@strawberry.type(description="Work that was queued: look at it with `job(id:)` until it is done.")
class StartedJob:
    """A job and the loaders it is read through."""

    job_id: strawberry.ID
    loaders: strawberry.Private[Loaders]

    @fields.field(graphql_type=Job | None)
    async def job(self) -> jobs.JobRow | None:
        """From identity."""
        return await self.loaders.services.identity.find("jobs", self.job_id, jobs.JobRow, headers=self.loaders.headers)


@strawberry.type(description="A run that was queued: look at it with `linkingRun(id:)` until it is done.")
class StartedLinkingRun(StartedJob):
    """A run, its job and the loaders they are read through."""

    run_id: strawberry.ID

    @fields.field(graphql_type=LinkingRun | None)
    async def run(self) -> linking.LinkingRunRow | None:
        """From identity."""
        return await self.loaders.services.identity.find(
            "linking/runs", self.run_id, linking.LinkingRunRow, headers=self.loaders.headers
        )


@strawberry.type(description="The settings for runs asked for from now on.")
class UpdateLinkingSettingsPayload:
    """What changing the settings answers."""

    settings: linking.LinkingSettingsRow = strawberry.field(graphql_type=LinkingSettings)


@strawberry.type(description="The agreement as it now is.")
class AgreementPayload:
    """What making, changing and ending an agreement answer."""

    agreement: partners.AgreementRow = strawberry.field(graphql_type=Agreement)


@strawberry.type(description="The erasure, begun; `erasure(id:)` says when every service has confirmed it.")
class EraseCustomerPayload:
    """What erasing answers."""

    erasure: privacy.ErasureRow = strawberry.field(graphql_type=Erasure)


@strawberry.type(description="Everything that is held on a customer.")
class DiscloseCustomerPayload:
    """What disclosing answers."""

    document: Json = strawberry.field(
        description="`services` has for each service its `tables`: the rows about the customer, by table."
    )
    missing: list[privacy.MissingServiceRow] = strawberry.field(graphql_type=list[MissingService])
    disclosure: privacy.DisclosureRow = strawberry.field(
        graphql_type=Disclosure, description="The record that this was asked for, by whom and why."
    )


@strawberry.type
class IdentityMutation:
    """The graph's changes at identity."""

    @fields.mutation(
        description="Make customers one; the oldest stays unless `into` says another. Needs identity:decide. It can be "
        "undone."
    )
    async def merge_customers(
        self, info: ContextInfo, given: Annotated[MergeCustomersInput, INPUT]
    ) -> DecisionPayload | None:
        """POST /v1/customers:merge"""
        body = {
            "customer_ids": arguments.uuids(given.customer_ids, field="customerIds", kind="a customer id"),
            "into": None if given.into is None else arguments.customer_id(given.into, field="into"),
            "why": given.why,
        }
        return await _decide(info, "/v1/customers:merge", body, given.idempotency_key)

    @fields.mutation(
        description="Give some identifiers of a customer to a new one; no rule joins the two again. Needs "
        "identity:decide. It can be undone."
    )
    async def split_customer(
        self, info: ContextInfo, given: Annotated[SplitCustomerInput, INPUT]
    ) -> DecisionPayload | None:
        """POST /v1/customers/{customer_id}:split"""
        customer_id = arguments.customer_id(given.customer_id, field="customerId")
        anchor_ids = arguments.uuids(given.anchor_ids, field="anchorIds", kind="an identifier's anchorId")
        body = {"anchor_ids": anchor_ids, "why": given.why}
        return await _decide(info, f"/v1/customers/{customer_id}:split", body, given.idempotency_key)

    @fields.mutation(
        description="Move back what a decision moved, as far as it still is where the decision put it. Needs "
        "identity:decide. It can be undone itself."
    )
    async def undo_decision(
        self, info: ContextInfo, given: Annotated[UndoDecisionInput, INPUT]
    ) -> DecisionPayload | None:
        """POST /v1/decisions/{decision_id}:undo"""
        decision_id = arguments.uuid(given.decision_id, field="decisionId")
        return await _decide(info, f"/v1/decisions/{decision_id}:undo", {"why": given.why}, given.idempotency_key)

    @fields.mutation(description="These two are one: make them one customer. Needs identity:decide.")
    async def accept_candidate(
        self, info: ContextInfo, given: Annotated[DecideOnCandidateInput, INPUT]
    ) -> CandidatePayload | None:
        """POST /v1/linking/candidates/{candidate_id}:accept"""
        return await _decide_on_candidate(info, given, "accept")

    @fields.mutation(description="These are two: they are never proposed or linked again. Needs identity:decide.")
    async def reject_candidate(
        self, info: ContextInfo, given: Annotated[DecideOnCandidateInput, INPUT]
    ) -> CandidatePayload | None:
        """POST /v1/linking/candidates/{candidate_id}:reject"""
        return await _decide_on_candidate(info, given, "reject")

    @fields.mutation(
        description="Take back what was decided on a candidate, or that it was linked by its score. Needs "
        "identity:decide."
    )
    async def undo_candidate(
        self, info: ContextInfo, given: Annotated[DecideOnCandidateInput, INPUT]
    ) -> CandidatePayload | None:
        """POST /v1/linking/candidates/{candidate_id}:undo"""
        return await _decide_on_candidate(info, given, "undo")

    @fields.mutation(
        description="Replace all rules at once, for events resolved from now on. Needs identity:write. Try them first "
        "with `dryRunRules`."
    )
    async def publish_rules(
        self, info: ContextInfo, given: Annotated[PublishRulesInput, INPUT]
    ) -> PublishRulesPayload | None:
        """PUT /v1/rules"""
        body = {"namespaces": named_rules(given.namespaces), "why": given.why}
        row = await _put(info, "/v1/rules", body, RulesRow, version=given.expected_version)
        return PublishRulesPayload(rules=row)

    @fields.mutation(
        description="Say over what is stored which customers these rules would merge and which they would hold apart. "
        "Nothing changes but the job, whose `result` has `customers_before`, `customers_after`, `merges` and `splits`. "
        "Needs identity:write."
    )
    async def dry_run_rules(self, info: ContextInfo, given: Annotated[DryRunRulesInput, INPUT]) -> StartedJob | None:
        """POST /v1/rules:dryRun"""
        body = {"namespaces": named_rules(given.namespaces)}
        accepted = await _post(info, "/v1/rules:dryRun", body, jobs.JobAcceptedAnswer, key=given.idempotency_key)
        return StartedJob(job_id=strawberry.ID(accepted.job_id), loaders=info.context.loaders)

    @fields.mutation(
        description="Look by probability for customers who are one person; one run at a time. Needs identity:write."
    )
    async def start_linking_run(
        self, info: ContextInfo, given: Annotated[StartLinkingRunInput, INPUT]
    ) -> StartedLinkingRun | None:
        """POST /v1/linking/runs"""
        body = {"kind": given.kind}
        accepted = await _post(info, "/v1/linking/runs", body, linking.RunAcceptedAnswer, key=given.idempotency_key)
        return StartedLinkingRun(
            job_id=strawberry.ID(accepted.job_id),
            run_id=strawberry.ID(accepted.run_id),
            loaders=info.context.loaders,
        )

    @fields.mutation(
        description="Change how customers are linked by probability, for runs asked for from now on. Needs "
        "identity:write."
    )
    async def update_linking_settings(
        self, info: ContextInfo, given: Annotated[UpdateLinkingSettingsInput, INPUT]
    ) -> UpdateLinkingSettingsPayload | None:
        """PUT /v1/linking/settings"""
        body = {
            "upper": given.upper,
            "lower": given.lower,
            "engine": given.engine,
            "spark_master": given.spark_master,
            "across_entities": given.across_entities,
        }
        row = await _put(info, "/v1/linking/settings", body, linking.LinkingSettingsRow, version=given.expected_version)
        return UpdateLinkingSettingsPayload(settings=row)

    @fields.mutation(
        description="Let one company use another's links, or change on what terms. Needs identity:write. Repeating it "
        "changes nothing."
    )
    async def put_agreement(
        self, info: ContextInfo, given: Annotated[PutAgreementInput, INPUT]
    ) -> AgreementPayload | None:
        """PUT /v1/agreements/{agreement_id}"""
        body = {
            "from_entity": given.from_entity,
            "to_entity": given.to_entity,
            "purposes": given.purposes,
            "valid_from": given.valid_from,
            "valid_until": given.valid_until,
            "evidence": given.evidence,
        }
        return await _put_agreement(info, given.agreement_id, body, version=given.expected_version)

    @fields.mutation(
        description="Let an agreement end at a moment; it stays on record. Needs identity:write. One made by mistake, "
        "or not begun yet, is removed over identity's REST API (`DELETE /v1/agreements/{id}`)."
    )
    async def end_agreement(
        self, info: ContextInfo, given: Annotated[EndAgreementInput, INPUT]
    ) -> AgreementPayload | None:
        """PUT /v1/agreements/{agreement_id} with the version read."""
        loaders = info.context.loaders
        agreement = await loaders.services.identity.get(
            _agreement_path(given.agreement_id), partners.AgreementRow, headers=loaders.headers
        )
        body = {
            "from_entity": agreement.from_entity,
            "to_entity": agreement.to_entity,
            "purposes": agreement.purposes,
            "valid_from": agreement.valid_from,
            "valid_until": given.valid_until,
            "evidence": agreement.evidence,
        }
        version = agreement.version if given.expected_version is None else given.expected_version
        return await _put_agreement(info, given.agreement_id, body, version=version)

    @fields.mutation(
        description="Erase a customer everywhere; a former id is followed. Needs privacy:write. It cannot be undone. "
        "Repeating it gives the same erasure."
    )
    async def erase_customer(
        self, info: ContextInfo, given: Annotated[EraseCustomerInput, INPUT]
    ) -> EraseCustomerPayload | None:
        """POST /v1/customers/{customer_id}:erase"""
        customer_id = arguments.customer_id(given.customer_id, field="customerId")
        row = await _post(info, f"/v1/customers/{customer_id}:erase", {"why": given.why}, privacy.ErasureRow)
        return EraseCustomerPayload(erasure=row)

    @fields.mutation(
        description="Everything that all services hold on a customer, as one JSON document; that it was asked for, by "
        "whom and why, is recorded. Needs privacy:read."
    )
    async def disclose_customer(
        self, info: ContextInfo, given: Annotated[DiscloseCustomerInput, INPUT]
    ) -> DiscloseCustomerPayload | None:
        """The record and the documents, from all services."""
        customer_id = arguments.customer_id(given.customer_id, field="customerId")
        disclosed = await disclose(info.context.loaders, customer_id, why=given.why)
        return DiscloseCustomerPayload(
            document=Json(disclosed.document),
            missing=disclosed.missing,
            disclosure=disclosed.disclosure,
        )


async def _post(
    info: ContextInfo, path: str, body: dict[str, Any], answer: type[RowT], *, key: str | None = None
) -> RowT:  # Any: JSON
    loaders = info.context.loaders
    return await loaders.services.identity.change(
        "POST", path, body, answer, headers=loaders.headers, idempotency_key=arguments.idempotency_key(key)
    )


async def _put(
    info: ContextInfo, path: str, body: dict[str, Any], answer: type[RowT], *, version: int | None
) -> RowT:  # Any: JSON
    loaders = info.context.loaders
    headers = demanding(loaders.headers, version)
    return await loaders.services.identity.change("PUT", path, body, answer, headers=headers)


async def _decide(info: ContextInfo, path: str, body: dict[str, Any], key: str | None) -> DecisionPayload:  # Any: JSON
    row = await _post(info, path, body, decisions.DecisionRow, key=key)
    # read anew: a loader of this operation may have seen the state before
    return DecisionPayload(decision=decision_of(row, info.context.loaders.renewed()))


async def _decide_on_candidate(info: ContextInfo, given: DecideOnCandidateInput, verb: str) -> CandidatePayload:
    path = f"/v1/linking/candidates/{arguments.uuid(given.candidate_id, field='candidateId')}:{verb}"
    row = await _post(info, path, {"why": given.why}, linking.CandidateWithHistory, key=given.idempotency_key)
    return CandidatePayload(candidate=candidate_of(row, info.context.loaders.renewed()))


def _agreement_path(agreement_id: str) -> str:
    return f"/v1/agreements/{path_segment(arguments.text(agreement_id, field='agreementId'))}"


async def _put_agreement(
    info: ContextInfo, agreement_id: str, body: dict[str, Any], *, version: int | None
) -> AgreementPayload:  # Any: JSON
    row = await _put(info, _agreement_path(agreement_id), body, partners.AgreementRow, version=version)
    return AgreementPayload(agreement=row)
