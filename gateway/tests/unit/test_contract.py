"""What the gateway reads is what the services say they answer: compared with their committed OpenAPI documents."""

import dataclasses
import json
import re
import types
import typing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.answers import (
    campaign,
    computed,
    decisions,
    delivery,
    identity,
    insights,
    jobs,
    linking,
    partners,
    policy,
    privacy,
    profile,
    relations,
    remarks,
    rules,
    schedules,
    segments,
    signs,
    survey,
    traits,
)
from gateway.types import computed as computed_types
from gateway.types import identity_inputs, profile_inputs, sign
from gateway.types import policy as policy_types
from gateway.types import schedules as schedule_types

README = Path(__file__).parents[2] / "README.md"
SERVICES = Path(__file__).parents[3] / "services"
ANSWERS: list[tuple[str, str, str, type]] = [
    ("identity", "post", "/v1/customers:batchGet", identity.IdentityAnswer),
    ("identity", "post", "/v1/identifiers:batchLookup", identity.LookupAnswer),
    ("identity", "get", "/v1/customers", identity.CustomerListAnswer),
    ("identity", "get", "/v1/coverage", identity.LinkCoverageAnswer),
    ("identity", "get", "/v1/coverage/history", identity.CoverageHistoryAnswer),
    ("identity", "post", "/v1/customers:batchGraph", identity.GraphsAnswer),
    ("identity", "post", "/v1/decisions:batchGet", decisions.DecisionsAnswer),
    ("identity", "get", "/v1/decisions", decisions.DecisionPageAnswer),
    ("identity", "get", "/v1/decisions/{id}", decisions.DecisionRow),
    ("identity", "post", "/v1/customers:merge", decisions.DecisionRow),
    ("identity", "post", "/v1/customers/{id}:split", decisions.DecisionRow),
    ("identity", "post", "/v1/decisions/{id}:undo", decisions.DecisionRow),
    ("identity", "get", "/v1/linking/candidates", linking.CandidatePageAnswer),
    ("identity", "get", "/v1/linking/candidates/{id}", linking.CandidateWithHistory),
    ("identity", "post", "/v1/linking/candidates/{id}:accept", linking.CandidateWithHistory),
    ("identity", "post", "/v1/linking/candidates/{id}:reject", linking.CandidateWithHistory),
    ("identity", "post", "/v1/linking/candidates/{id}:undo", linking.CandidateWithHistory),
    ("identity", "get", "/v1/linking/runs", linking.LinkingRunPageAnswer),
    ("identity", "get", "/v1/linking/runs/{id}", linking.LinkingRunRow),
    ("identity", "post", "/v1/linking/runs", linking.RunAcceptedAnswer),
    ("identity", "get", "/v1/linking/settings", linking.LinkingSettingsRow),
    ("identity", "put", "/v1/linking/settings", linking.LinkingSettingsRow),
    ("identity", "get", "/v1/rules", rules.RulesRow),
    ("identity", "put", "/v1/rules", rules.RulesRow),
    ("identity", "get", "/v1/rules/versions", rules.RulesPageAnswer),
    ("identity", "post", "/v1/rules:dryRun", jobs.JobAcceptedAnswer),
    ("identity", "get", "/v1/jobs", jobs.JobPageAnswer),
    ("identity", "get", "/v1/jobs/{id}", jobs.JobRow),
    ("identity", "get", "/v1/agreements", partners.AgreementPageAnswer),
    ("identity", "get", "/v1/agreements/{id}", partners.AgreementRow),
    ("identity", "put", "/v1/agreements/{id}", partners.AgreementRow),
    ("identity", "get", "/v1/imports", partners.ImportPageAnswer),
    ("identity", "get", "/v1/imports/{id}", partners.ImportRow),
    ("identity", "get", "/v1/imports/{id}/lines", partners.ImportLinePageAnswer),
    ("identity", "post", "/v1/customers/{id}:erase", privacy.ErasureRow),
    ("identity", "get", "/v1/erasures", privacy.ErasurePageAnswer),
    ("identity", "get", "/v1/erasures/{id}", privacy.ErasureRow),
    ("identity", "get", "/v1/disclosures", privacy.DisclosurePageAnswer),
    ("identity", "post", "/v1/disclosures", privacy.DisclosureRow),
    ("identity", "post", "/v1/disclosures/{id}:complete", privacy.DisclosureRow),
    *(
        (service, "get", "/v1/customers/{id}/export", privacy.ExportAnswer)
        for service in ("identity", "profile", "campaign", "delivery", "survey")
    ),
    ("profile", "post", "/v1/customers:batchGet", profile.ProfileAnswer),
    ("profile", "post", "/v1/timelines:batchGet", profile.TimelineAnswer),
    ("profile", "get", "/v1/customers", segments.MemberListAnswer),
    ("profile", "post", "/v1/relations:batchGet", relations.RelationsAnswer),
    ("profile", "put", "/v1/customers/{id}/relations/{id}", relations.RelationRow),
    ("profile", "post", "/v1/trait-observations:batchGet", traits.ExplanationsAnswer),
    ("profile", "get", "/v1/totals", profile.TotalsAnswer),
    ("profile", "get", "/v1/traits", traits.TraitDefinitionPageAnswer),
    ("profile", "get", "/v1/traits/{name}", traits.TraitDefinitionRow),
    ("profile", "put", "/v1/traits/{name}", traits.TraitDefinitionRow),
    ("profile", "post", "/v1/traits/{name}:retract", traits.RetractionRow),
    ("profile", "get", "/v1/retractions/{id}", traits.RetractionRow),
    ("profile", "post", "/v1/remarks:batchGet", remarks.RemarksAnswer),
    ("profile", "get", "/v1/remark-topics", remarks.RemarkTopicListAnswer),
    ("profile", "put", "/v1/remark-topics/{key}", remarks.RemarkTopicRow),
    ("profile", "get", "/v1/remark-topics/{key}", remarks.RemarkTopicRow),
    ("profile", "get", "/v1/remark-topics/{key}/days", remarks.RemarkDaysAnswer),
    ("profile", "get", "/v1/remark-opinions/{opinion}", remarks.OpinionWordsRow),
    ("profile", "put", "/v1/remark-opinions/{opinion}", remarks.OpinionWordsRow),
    ("profile", "get", "/v1/ranks/default", computed.RanksAnswer),
    ("profile", "put", "/v1/ranks/default", computed.RanksAnswer),
    ("profile", "get", "/v1/lifecycle", computed.LifecycleAnswer),
    ("profile", "put", "/v1/lifecycle", computed.LifecycleAnswer),
    ("profile", "get", "/v1/computed-traits", computed.ComputedTraitListAnswer),
    ("profile", "get", "/v1/computed-traits/{key}", computed.ComputedTraitRow),
    ("profile", "put", "/v1/computed-traits/{key}", computed.ComputedTraitRow),
    ("profile", "get", "/v1/computed-traits:presets", computed.ComputedTraitPresetListAnswer),
    ("profile", "get", "/v1/rfm", schedules.RfmDefinitionAnswer),
    ("profile", "put", "/v1/rfm", schedules.RfmDefinitionAnswer),
    ("profile", "get", "/v1/cut-points", schedules.CutPointScheduleListAnswer),
    ("profile", "get", "/v1/cut-points/{subject}", schedules.CutPointScheduleRow),
    ("profile", "put", "/v1/cut-points/{subject}", schedules.CutPointScheduleRow),
    ("profile", "post", "/v1/cut-points/{subject}:cut", schedules.CutPointScheduleRow),
    ("profile", "get", "/v1/cut-points/{subject}/versions", schedules.CutPointsPageAnswer),
    ("profile", "get", "/v1/next-categories", schedules.NextCategorySettingsRow),
    ("profile", "put", "/v1/next-categories", schedules.NextCategorySettingsRow),
    ("profile", "post", "/v1/next-categories:take", schedules.NextCategorySettingsRow),
    ("profile", "get", "/v1/next-categories/lifts", schedules.CategoryLiftListAnswer),
    ("profile", "post", "/v1/next-categories:batchGet", schedules.NextCategoriesAnswer),
    ("profile", "get", "/v1/policy", policy.PolicyRow),
    ("profile", "put", "/v1/policy", policy.PolicyRow),
    ("profile", "get", "/v1/policy/versions", policy.PolicyPageAnswer),
    ("profile", "post", "/v1/policy:explain", policy.PolicyDecisionRow),
    ("profile", "get", "/v1/circulation", policy.CirculationAnswer),
    ("profile", "get", "/v1/signs", signs.SignListAnswer),
    ("profile", "get", "/v1/signs/{key}", signs.SignRow),
    ("profile", "put", "/v1/signs/{key}", signs.SignRow),
    ("profile", "post", "/v1/signs/{key}:publish", signs.SignRow),
    ("profile", "post", "/v1/signs/{key}:archive", signs.SignRow),
    ("profile", "post", "/v1/signs/{key}:unarchive", signs.SignRow),
    ("profile", "get", "/v1/signs/{key}/versions", signs.SignVersionPageAnswer),
    ("profile", "get", "/v1/signs/{key}/customers", signs.ShowingPageAnswer),
    ("profile", "get", "/v1/signs/{key}/precision", signs.SignPrecisionAnswer),
    ("profile", "get", "/v1/signs:coverage", signs.SignCoverageAnswer),
    ("profile", "get", "/v1/segments", segments.SegmentListAnswer),
    ("profile", "get", "/v1/segments/{key}", segments.SegmentRow),
    ("profile", "put", "/v1/segments/{key}", segments.SegmentRow),
    *(
        ("profile", "post", f"/v1/segments/{{key}}:{verb}", segments.SegmentRow)
        for verb in ("publish", "archive", "unarchive", "restore")
    ),
    ("profile", "post", "/v1/segments/{key}:addMembers", segments.ListMembersAnswer),
    ("profile", "post", "/v1/segments/{key}:removeMembers", segments.ListMembersAnswer),
    ("profile", "get", "/v1/segments/{key}/versions", segments.SegmentVersionPageAnswer),
    ("profile", "get", "/v1/segments/{key}/days", segments.SegmentDaysAnswer),
    ("profile", "get", "/v1/segments/{key}/insights", insights.SegmentInsightsAnswer),
    ("profile", "post", "/v1/segments:preview", segments.PreviewAnswer),
    ("profile", "get", "/v1/segments:overlaps", segments.OverlapsAnswer),
    ("profile", "get", "/v1/insights", insights.InsightDatasetPageAnswer),
    ("profile", "get", "/v1/insights/{key}", insights.InsightDatasetRow),
    ("profile", "put", "/v1/insights/{key}", insights.InsightDatasetRow),
    ("profile", "get", "/v1/insights/{key}/reads", insights.DataReadPageAnswer),
    ("profile", "get", "/v1/anonymised-exports/{id}/reads", insights.DataReadPageAnswer),
    ("profile", "get", "/v1/anonymised-exports", insights.AnonymisedExportPageAnswer),
    ("profile", "get", "/v1/anonymised-exports/{id}", insights.AnonymisedExportRow),
    ("profile", "post", "/v1/anonymised-exports", insights.AnonymisedExportRow),
    ("profile", "post", "/v1/anonymised-exports/{id}:cancel", insights.AnonymisedExportRow),
    ("campaign", "post", "/v1/journeys:batchGet", campaign.JourneysAnswer),
    ("campaign", "get", "/v1/campaigns", campaign.CampaignListAnswer),
    ("campaign", "get", "/v1/campaigns/{key}", campaign.CampaignRow),
    ("campaign", "get", "/v1/campaigns/{key}/results", campaign.ResultsRow),
    ("campaign", "get", "/v1/journeys/{key}", campaign.JourneyRow),
    ("delivery", "post", "/v1/messages:batchGet", delivery.MessagesAnswer),
    ("delivery", "post", "/v1/permissions:batchGet", delivery.PermissionsAnswer),
    ("survey", "post", "/v1/responses:batchGet", survey.ResponsesAnswer),
    ("survey", "post", "/v1/commitments:batchGet", survey.CommitmentsAnswer),
    ("survey", "get", "/v1/questionnaires", survey.QuestionnaireListAnswer),
    ("survey", "get", "/v1/questionnaires/{key}", survey.QuestionnaireRow),
    ("survey", "get", "/v1/coverage", survey.CoverageRow),
    ("survey", "get", "/v1/nps", survey.NpsRow),
]
CHANGES: list[tuple[str, str, str]] = [
    ("profile", "get", "/v1/conditions/schema"),
    ("profile", "delete", "/v1/traits/{name}"),
    ("profile", "delete", "/v1/insights/{key}"),
    ("profile", "delete", "/v1/cut-points/{subject}"),
    ("profile", "delete", "/v1/next-categories"),
    ("profile", "delete", "/v1/computed-traits/{key}"),
    ("profile", "delete", "/v1/remark-topics/{key}"),
    ("profile", "delete", "/v1/customers/{id}/relations/{id}"),
    ("campaign", "put", "/v1/journeys/{key}"),
    ("campaign", "post", "/v1/journeys/{key}:publish"),
    ("delivery", "post", "/v1/permissions:withdraw"),
]


OF_THE_BATCH = {
    profile.ProfileOfCustomer: {"withheld"},
    profile.TimelineOfCustomer: {"withheld"},
    traits.ExplanationsOfCustomer: {"withheld"},
    traits.ExplanationRow: {"withheld"},
}
"""What an entry is given from the batch it came in."""


def document(service: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((SERVICES / service / "openapi.json").read_text(encoding="utf-8"))
    return content


def find_operation(service: str, method: str, path: str) -> dict[str, Any]:
    """The operation, whatever its path parameters are called."""
    for known, operations in document(service)["paths"].items():
        if _without_names(known) == _without_names(path) and method in operations:
            operation: dict[str, Any] = operations[method]
            return operation
    raise AssertionError(f"{service} has no {method.upper()} {path}")


def _without_names(path: str) -> str:
    return "/".join(
        part.partition("{")[0] + "{}" + part.partition("}")[2] if "{" in part else part for part in path.split("/")
    )


@pytest.mark.parametrize(("service", "method", "path", "answer"), ANSWERS)
def test_an_answer_has_what_is_read(service: str, method: str, path: str, answer: type) -> None:
    operation = find_operation(service, method, path)
    success = min(status for status in operation["responses"] if status.startswith("2"))
    content = operation["responses"][success]["content"]["application/json"]["schema"]
    schemas = document(service)["components"]["schemas"]
    compare(answer, content, schemas, at=answer.__name__)


def test_what_of_profile_is_not_in_the_graph_is_left_out_with_a_reason() -> None:
    operations = {
        (method, _without_names(path)) for path, methods in document("profile")["paths"].items() for method in methods
    }
    known = [(service, method, path) for service, method, path, _ in ANSWERS] + CHANGES
    asked = {(method, _without_names(path)) for service, method, path in known if service == "profile"}
    table = README.read_text(encoding="utf-8").partition("has and the graph has not")[2].partition("\n## ")[0]
    reasons = re.findall(r"`(GET|POST|PUT|DELETE) (/[^`]+)`", table)
    left_out = {(method.lower(), _without_names(path)) for method, path in reasons}
    assert operations - asked == left_out


@pytest.mark.parametrize(("service", "method", "path"), CHANGES)
def test_a_change_is_where_it_is_sent(service: str, method: str, path: str) -> None:
    find_operation(service, method, path)


BODIES: list[tuple[str, str, type, set[str]]] = [
    ("post", "/v1/customers:merge", identity_inputs.MergeCustomersInput, set()),
    ("post", "/v1/customers/{id}:split", identity_inputs.SplitCustomerInput, {"customer_id"}),
    ("post", "/v1/decisions/{id}:undo", identity_inputs.UndoDecisionInput, {"decision_id"}),
    ("post", "/v1/linking/candidates/{id}:accept", identity_inputs.DecideOnCandidateInput, {"candidate_id"}),
    ("post", "/v1/linking/runs", identity_inputs.StartLinkingRunInput, set()),
    ("put", "/v1/linking/settings", identity_inputs.UpdateLinkingSettingsInput, set()),
    ("put", "/v1/rules", identity_inputs.PublishRulesInput, set()),
    ("post", "/v1/rules:dryRun", identity_inputs.DryRunRulesInput, set()),
    ("put", "/v1/agreements/{id}", identity_inputs.PutAgreementInput, {"agreement_id"}),
    ("post", "/v1/customers/{id}:erase", identity_inputs.EraseCustomerInput, {"customer_id"}),
    ("post", "/v1/disclosures", identity_inputs.DiscloseCustomerInput, set()),
]
"""What identity takes -> what the graph takes, and what of that stands in the path."""
IN_HEADERS = {"expected_version", "idempotency_key"}


PROFILE_BODIES: list[tuple[str, str, type, set[str]]] = [
    ("put", "/v1/segments/{key}", profile_inputs.PutSegmentInput, {"key"}),
    ("post", "/v1/segments/{key}:restore", profile_inputs.RestoreSegmentInput, {"key"}),
    ("post", "/v1/segments/{key}:addMembers", profile_inputs.SegmentMembersInput, {"key"}),
    ("post", "/v1/segments/{key}:removeMembers", profile_inputs.SegmentMembersInput, {"key"}),
    ("put", "/v1/traits/{name}", profile_inputs.PutTraitDefinitionInput, {"name"}),
    ("post", "/v1/traits/{name}:retract", profile_inputs.RetractTraitInput, {"name"}),
    (
        "put",
        "/v1/customers/{id}/relations/{id}",
        profile_inputs.PutRelationInput,
        {"customer_id", "relation_id"},
    ),
    ("put", "/v1/ranks/default", computed_types.PutRanksInput, set()),
    ("put", "/v1/computed-traits/{key}", computed_types.PutComputedTraitInput, {"key"}),
    ("put", "/v1/policy", policy_types.PutPolicyInput, set()),
    ("put", "/v1/signs/{key}", sign.PutSignInput, {"key"}),
    ("post", "/v1/signs/{key}:publish", sign.PublishSignInput, {"key"}),
    ("put", "/v1/remark-topics/{key}", sign.PutRemarkTopicInput, {"key"}),
    ("put", "/v1/remark-opinions/{opinion}", sign.PutOpinionWordsInput, {"opinion"}),
    ("put", "/v1/rfm", schedule_types.PutRfmInput, set()),
    ("put", "/v1/cut-points/{subject}", schedule_types.PutCutPointScheduleInput, {"subject"}),
    ("put", "/v1/next-categories", schedule_types.PutNextCategorySettingsInput, set()),
    ("put", "/v1/insights/{key}", profile_inputs.PutInsightDatasetInput, {"key"}),
    ("post", "/v1/anonymised-exports", profile_inputs.RequestAnonymisedExportInput, set()),
]


@pytest.mark.parametrize(
    ("service", "method", "path", "given", "in_path"),
    [("identity", *body) for body in BODIES] + [("profile", *body) for body in PROFILE_BODIES],
)
def test_a_change_is_given_what_the_service_takes(
    service: str, method: str, path: str, given: Any, in_path: set[str]
) -> None:
    content = find_operation(service, method, path)["requestBody"]["content"]["application/json"]["schema"]
    schemas = document(service)["components"]["schemas"]
    choices = [resolve(choice, schemas) for choice in resolve(content, schemas).get("anyOf", [content])]
    [body] = [choice for choice in choices if choice.get("type") != "null"]
    fields = {field.name: field for field in dataclasses.fields(given)}
    assert set(body["properties"]) == set(fields) - in_path - IN_HEADERS
    for name in body.get("required", []):
        assert fields[name].default is not None, f"{path} needs {name}"


def test_rules_are_given_in_full() -> None:
    rules_of_a_namespace = document("identity")["components"]["schemas"]["NamedRules"]["properties"]
    given: Any = identity_inputs.NamespaceRulesInput
    assert set(rules_of_a_namespace) == {field.name for field in dataclasses.fields(given)}


def compare(kind: Any, schema: dict[str, Any], schemas: dict[str, Any], *, at: str) -> None:
    """Every value the schema allows must be one the type takes."""
    choices = [resolve(choice, schemas) for choice in resolve(schema, schemas).get("anyOf", [schema])]
    may_be_null = any(choice.get("type") == "null" for choice in choices)
    options = typing.get_args(kind) if isinstance(kind, types.UnionType) else (kind,)
    if msgspec.Raw in options:
        return
    assert not may_be_null or type(None) in options, f"{at} may be null"
    (option, *_) = [each for each in options if each is not type(None)]
    for choice in choices:
        if typing.get_origin(option) is list and choice.get("type") == "array":
            compare(typing.get_args(option)[0], choice["items"], schemas, at=f"{at}[]")
        elif isinstance(option, type) and issubclass(option, msgspec.Struct) and choice.get("type") == "object":
            compare_struct(option, choice, schemas, at=at)


def compare_struct(kind: type[msgspec.Struct], schema: dict[str, Any], schemas: dict[str, Any], *, at: str) -> None:
    hints = typing.get_type_hints(kind)
    if "properties" not in schema:  # of any names
        values = schema["additionalProperties"]
        schema = {"properties": {field.encode_name: values for field in msgspec.structs.fields(kind)}}
    for field in msgspec.structs.fields(kind):
        if field.name in OF_THE_BATCH.get(kind, ()):
            continue
        properties = schema["properties"]
        assert field.encode_name in properties, f"{at} has no {field.encode_name}"
        if field.required:
            assert field.encode_name in schema.get("required", []) or "default" in properties[field.encode_name], (
                f"{at}.{field.encode_name} may be absent"
            )
        compare(hints[field.name], properties[field.encode_name], schemas, at=f"{at}.{field.encode_name}")


def resolve(schema: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        schema = schemas[schema["$ref"].rsplit("/", 1)[1]]
    return schema
