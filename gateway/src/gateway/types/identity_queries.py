"""What can be asked about who is who: decisions, review, linking, rules, coverage, imports, agreements, privacy."""

from typing import Annotated, TypeVar

import strawberry
from strawberry.types import Info

from gateway.answers import decisions, identity, jobs, linking, partners, privacy, rules
from gateway.context import OperationContext
from gateway.types import arguments, fields, paging
from gateway.types.customer import Decision, decision_of
from gateway.types.identity_records import (
    Agreement,
    Disclosure,
    Erasure,
    IdentityRules,
    Import,
    ImportLine,
    Job,
    LinkCoverageOnDay,
    LinkingRun,
    LinkingSettings,
)
from gateway.types.linking import Candidate, candidate_of
from gateway.types.paging import DEFAULT_PAGE, Connection
from gateway.types.records import LinkCoverage
from gateway.types.scalars import Date

ContextInfo = Info[OperationContext, None]
RowT = TypeVar("RowT")
NAMES_OF_ALL = "`*` gives each one, a name that one, nothing all together"


@strawberry.type
class IdentityQuery:
    """The graph's entrances to identity: with identity:read, erasures and disclosures with privacy:read."""

    @fields.field(description="One merge, split or undo.")
    async def decision(self, info: ContextInfo, decision_id: fields.Id) -> Decision | None:
        """From identity; null when there is none of this id."""
        row = await _find(info, "decisions", decision_id, decisions.DecisionRow)
        return None if row is None else decision_of(row, info.context.loaders)

    @fields.field(
        graphql_type=Connection[Decision] | None,
        description="Merges, splits and undos, the newest first; of one `kind` if given: merge, split or undo.",
    )
    async def decisions(
        self, info: ContextInfo, kind: str | None = None, first: int = DEFAULT_PAGE, after: str | None = None
    ) -> Connection[Decision]:
        """From identity."""
        loaders = info.context.loaders
        return await paging.list_identity(
            loaders,
            "/v1/decisions",
            decisions.DecisionPageAnswer,
            first=first,
            after=after,
            query={"kind": kind},
            node=lambda row: decision_of(row, loaders),
        )

    @fields.field(description="Two customers who are probably one person.")
    async def candidate(self, info: ContextInfo, candidate_id: fields.Id) -> Candidate | None:
        """From identity; null when there is none of this id."""
        row = await _find(info, "linking/candidates", candidate_id, linking.CandidateWithHistory)
        return None if row is None else candidate_of(row, info.context.loaders)

    @fields.field(
        graphql_type=Connection[Candidate] | None,
        description="Pairs of customers who are probably one person, the best score first. `state`: review, linked, "
        "accepted, rejected, undone or stale; null: all.",
    )
    async def review_queue(
        self,
        info: ContextInfo,
        state: str | None = "review",
        customer_id: strawberry.ID | None = None,
        run_id: strawberry.ID | None = None,
        first: int = DEFAULT_PAGE,
        after: str | None = None,
    ) -> Connection[Candidate]:
        """From identity."""
        loaders = info.context.loaders
        return await paging.list_identity(
            loaders,
            "/v1/linking/candidates",
            linking.CandidatePageAnswer,
            first=first,
            after=after,
            query={"state": state, "customer_id": customer_id, "run_id": run_id},
            node=lambda row: candidate_of(row, loaders),
        )

    @fields.field(graphql_type=LinkingRun | None, description="A run of probabilistic linking.")
    async def linking_run(self, info: ContextInfo, run_id: fields.Id) -> linking.LinkingRunRow | None:
        """From identity; null when there is none of this id."""
        return await _find(info, "linking/runs", run_id, linking.LinkingRunRow)

    @fields.field(
        graphql_type=Connection[LinkingRun] | None, description="Runs of probabilistic linking, the newest first."
    )
    async def linking_runs(
        self, info: ContextInfo, first: int = DEFAULT_PAGE, after: str | None = None
    ) -> Connection[LinkingRun]:
        """From identity."""
        return await paging.list_identity(
            info.context.loaders, "/v1/linking/runs", linking.LinkingRunPageAnswer, first=first, after=after
        )

    @fields.field(graphql_type=LinkingSettings | None, description="How customers are linked by probability.")
    async def linking_settings(self, info: ContextInfo) -> linking.LinkingSettingsRow:
        """From identity."""
        return await _get(info, "/v1/linking/settings", linking.LinkingSettingsRow)

    @fields.field(graphql_type=IdentityRules | None, description="The rules by which identifiers link, as in force.")
    async def identity_rules(self, info: ContextInfo) -> rules.RulesRow:
        """From identity."""
        return await _get(info, "/v1/rules", rules.RulesRow)

    @fields.field(
        graphql_type=Connection[IdentityRules] | None, description="All versions of the rules, the newest first."
    )
    async def identity_rules_versions(
        self, info: ContextInfo, first: int = DEFAULT_PAGE, after: str | None = None
    ) -> Connection[IdentityRules]:
        """From identity."""
        return await paging.list_identity(
            info.context.loaders, "/v1/rules/versions", rules.RulesPageAnswer, first=first, after=after
        )

    @fields.field(graphql_type=LinkCoverage | None, description="How much of the customer base is linked.")
    async def link_coverage(self, info: ContextInfo) -> identity.LinkCoverageAnswer:
        """From identity."""
        return await _get(info, "/v1/coverage", identity.LinkCoverageAnswer)

    @fields.field(
        graphql_type=Connection[LinkCoverageOnDay] | None,
        description=f"Coverage by day, the oldest first; the last 90 days unless said otherwise. Of brand, source and "
        f"namespace {NAMES_OF_ALL}.",
    )
    async def link_coverage_history(
        self,
        info: ContextInfo,
        since: Annotated[Date | None, strawberry.argument(name="from")] = None,
        until: Date | None = None,
        brand: str | None = None,
        source: str | None = None,
        namespace: str | None = None,
        first: int = 100,
        after: str | None = None,
    ) -> Connection[LinkCoverageOnDay]:
        """From identity."""
        return await paging.list_identity(
            info.context.loaders,
            "/v1/coverage/history",
            identity.CoverageHistoryAnswer,
            first=first,
            after=after,
            query={"from": since, "until": until, "brand": brand, "source_id": source, "namespace": namespace},
        )

    @fields.field(graphql_type=Job | None, description="Long work, e.g. a dry run of rules: how far it is, its result.")
    async def job(self, info: ContextInfo, job_id: fields.Id) -> jobs.JobRow | None:
        """From identity; null when there is none of this id."""
        return await _find(info, "jobs", job_id, jobs.JobRow)

    @fields.field(graphql_type=Connection[Job] | None, description="Long work, the newest first.")
    async def jobs(
        self, info: ContextInfo, kind: str | None = None, first: int = DEFAULT_PAGE, after: str | None = None
    ) -> Connection[Job]:
        """From identity."""
        return await paging.list_identity(
            info.context.loaders, "/v1/jobs", jobs.JobPageAnswer, first=first, after=after, query={"kind": kind}
        )

    @fields.field(graphql_type=Connection[Agreement] | None, description="Which company may use whose links for what.")
    async def agreements(
        self, info: ContextInfo, first: int = DEFAULT_PAGE, after: str | None = None
    ) -> Connection[Agreement]:
        """From identity."""
        return await paging.list_identity(
            info.context.loaders, "/v1/agreements", partners.AgreementPageAnswer, first=first, after=after
        )

    @fields.field(
        graphql_type=Connection[Import] | None,
        description="Imports of lists, the newest first. An import is announced, sent and started over identity's REST "
        "API (`POST /v1/imports`, `PUT /v1/imports/{id}/content`, `POST /v1/imports/{id}:start`): its content is "
        "bytes, sent in pieces.",
    )
    async def imports(
        self, info: ContextInfo, first: int = DEFAULT_PAGE, after: str | None = None
    ) -> Connection[Import]:
        """From identity."""
        return await paging.list_identity(
            info.context.loaders, "/v1/imports", partners.ImportPageAnswer, first=first, after=after
        )

    @fields.field(
        graphql_type=Connection[ImportLine] | None,
        description="What became of an import's lines, in order: the rejected ones, or with `state` the accepted ones.",
    )
    async def import_lines(
        self,
        info: ContextInfo,
        import_id: strawberry.ID,
        state: str = "rejected",
        first: int = DEFAULT_PAGE,
        after: str | None = None,
    ) -> Connection[ImportLine]:
        """From identity."""
        path = f"/v1/imports/{arguments.uuid(import_id, field='importId')}/lines"
        return await paging.list_identity(
            info.context.loaders,
            path,
            partners.ImportLinePageAnswer,
            first=first,
            after=after,
            query={"state": state},
        )

    @fields.field(graphql_type=Erasure | None, description="An erasure with its receipts. Needs privacy:read.")
    async def erasure(self, info: ContextInfo, erasure_id: fields.Id) -> privacy.ErasureRow | None:
        """From identity; null when there is none of this id."""
        return await _find(info, "erasures", erasure_id, privacy.ErasureRow)

    @fields.field(
        graphql_type=Connection[Erasure] | None, description="Erasures, the newest first. Needs privacy:read."
    )
    async def erasures(
        self, info: ContextInfo, first: int = DEFAULT_PAGE, after: str | None = None
    ) -> Connection[Erasure]:
        """From identity."""
        return await paging.list_identity(
            info.context.loaders, "/v1/erasures", privacy.ErasurePageAnswer, first=first, after=after
        )

    @fields.field(
        graphql_type=Connection[Disclosure] | None,
        description="Who asked for everything held on a customer, and why; the newest first. Needs privacy:read.",
    )
    async def disclosures(
        self,
        info: ContextInfo,
        customer_id: strawberry.ID | None = None,
        first: int = DEFAULT_PAGE,
        after: str | None = None,
    ) -> Connection[Disclosure]:
        """From identity."""
        return await paging.list_identity(
            info.context.loaders,
            "/v1/disclosures",
            privacy.DisclosurePageAnswer,
            first=first,
            after=after,
            query={"customer_id": customer_id},
        )

    @fields.field(graphql_type=Import | None, name="import", description="An import of a list.")
    async def import_(self, info: ContextInfo, import_id: fields.Id) -> partners.ImportRow | None:
        """From identity; null when there is none of this id."""
        return await _find(info, "imports", import_id, partners.ImportRow)


async def _get(info: ContextInfo, path: str, answer: type[RowT]) -> RowT:
    loaders = info.context.loaders
    return await loaders.services.identity.get(path, answer, headers=loaders.headers)


async def _find(info: ContextInfo, plural: str, wanted: str, answer: type[RowT]) -> RowT | None:
    loaders = info.context.loaders
    return await loaders.services.identity.find(plural, arguments.uuid(wanted), answer, headers=loaders.headers)
