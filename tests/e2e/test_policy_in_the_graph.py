"""R9 through the graph: no field tells a department what profile's policy hides from it.

The questions are made from schema.graphql: every field of `Query` and of `Customer` is asked with everything below it.
A field whose argument has no sample here fails the test, asking for one.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import graphql

from kizuna_local.home import Home
from kizuna_local.keys import ALL_SCOPES, issue_user_token
from tests.e2e.world import CLOCK, create_segment, identify, known, post, put, tell
from tests.running_platform import RunningPlatform, wait_for

SCHEMA = graphql.build_schema((Path(__file__).parents[2] / "gateway" / "schema.graphql").read_text(encoding="utf-8"))
STORY = "policy"
ADS, CRM = f"{STORY}-ads", f"{STORY}-crm"
TRAIT, EVENT = f"{STORY}_canary_trait", "Policy Canary"
HIDDEN, DRAWN, SIGN, COMPUTED = f"{STORY}-canary", f"{STORY}-drawn", f"{STORY}-sign", f"{STORY}-computed"
VALUES = (f"{STORY}-canary-value", f"{STORY}-canary-property", f"{STORY}-canary-name", f"{STORY}-canary-meaning")
CANARIES = (TRAIT, EVENT, HIDDEN, DRAWN, SIGN, COMPUTED, *VALUES)
BY_TRAIT = {"kind": "trait", "trait": TRAIT, "comparison": "eq", "value": VALUES[0]}
BY_EVENT = {"kind": "event_count", "event": EVENT, "comparison": "ge", "value": 1}
RULES = [
    {"effect": "deny", "who": {"departments": [ADS]}, "what": what}
    for what in (
        {"kind": "trait", "names": [TRAIT]},
        {"kind": "event", "names": [EVENT]},
        {"kind": "segment", "names": [HIDDEN]},
    )
]
ANY_ID = "00000000-0000-4000-8000-000000000001"
DEPTH = 5
SAMPLES: dict[str, Any] = {
    "id": ANY_ID, "importId": ANY_ID, "key": HIDDEN, "name": TRAIT, "purpose": "gift", "topic": "none",
    "namespace": "user_id", "value": f"{STORY}-one", "keys": [DRAWN, HIDDEN], "condition": BY_TRAIT, "first": 5,
    "input": {"kind": "trait", "name": TRAIT}, "subject": f"computed:{COMPUTED}", "opinion": "positive",
}  # fmt: skip
"""By name of argument; what is optional and not here is left out. `id` of a customer is the customer's."""
SEVERAL = {"segment": [{"key": HIDDEN}, {"key": DRAWN}], "sign": [{"key": SIGN}]}
"""Fields of Query that are asked more than once."""
SHOWN_BY_CRM = {
    "customer.traits": (TRAIT, VALUES[0]),
    "customer.trait": (VALUES[0],),
    "customer.timeline": (EVENT, VALUES[1]),
    "customer.segments": (HIDDEN, DRAWN, VALUES[2]),
    "customer.signs": (SIGN, VALUES[3]),
    "segments": (HIDDEN, DRAWN, TRAIT),
    "segment": (VALUES[2], TRAIT),
    "signs": (SIGN, VALUES[3], EVENT),
    "sign": (VALUES[3], EVENT, '"version": 1'),
    "signCoverage": (SIGN,),
    "traitDefinitions": (TRAIT,),
    "computedTraits": (COMPUTED, EVENT),
    "cutPointSchedules": (COMPUTED,),
    "cutPointSchedule": ('"every": "day"',),
    "nextCategorySettings": (EVENT,),
    "policy": (TRAIT, EVENT, HIDDEN),
    "policyVersions": (TRAIT, EVENT, HIDDEN),
}  # fmt: skip
"""What must be seen with a token that may: else not seeing it would prove nothing."""


def test_no_field_of_the_graph_tells_what_the_policy_hides(platform: RunningPlatform) -> None:
    customer_id = plant(platform)
    seen_by_crm: dict[str, str] = {}
    for place, query, variables in questions(customer_id):
        hidden = answer(platform, ADS, query, variables)
        asked = query + json.dumps(variables)
        leaked = [canary for canary in CANARIES if canary in hidden and canary not in asked]
        assert not leaked, (place, leaked, hidden)
        shown = answer(platform, CRM, query, variables)
        assert "LIMIT_EXCEEDED" not in shown, (place, shown)
        seen_by_crm[place] = seen_by_crm.get(place, "") + shown
    whether = "query($id: ID!) { customer(id: $id) { withheld timeline { withheld } } withheld { segments signs } }"
    for department, said in ((ADS, "true"), (CRM, "false")):
        told = answer(platform, department, whether, {"id": customer_id})
        assert told.count(said) == 4, (department, told)
    for place, canaries in SHOWN_BY_CRM.items():
        missing = [canary for canary in canaries if canary not in seen_by_crm[place]]
        assert not missing, (place, missing, seen_by_crm[place])


def plant(platform: RunningPlatform) -> str:
    """A customer with a trait, an event, segments and a sign that one department may not see."""
    body = {"name": STORY, "department": CRM, "brand": "kizuna", "legal_entity": "K.K.", "purposes": []}
    key = str(put(platform, "identity", f"/v1/sources/{STORY}", body)["write_key"])
    put(platform, "profile", f"/v1/traits/{TRAIT}", {"description": "hidden"})
    create_segment(platform, HIDDEN, name=VALUES[2], condition=BY_EVENT)
    create_segment(platform, DRAWN, name="drawn", condition=BY_TRAIT)
    sign = {"name": "s", "meaning": VALUES[3], "condition": BY_EVENT, "strength": "weak", "lifetime_days": 30}
    put(platform, "profile", f"/v1/signs/{SIGN}", sign)
    post(platform, "profile", f"/v1/signs/{SIGN}:publish")
    computed = {"name": "c", "value": {"kind": "events", "function": "count", "event": EVENT}}
    put(platform, "profile", f"/v1/computed-traits/{COMPUTED}", computed)
    put(platform, "profile", f"/v1/cut-points/computed:{COMPUTED}", {"every": "day"})
    put(platform, "profile", "/v1/next-categories", {"event": EVENT, "property": "note"})
    person = identify(f"{STORY}-one", traits={TRAIT: VALUES[0]})
    happened = {"type": "track", "event": EVENT, "userId": f"{STORY}-one", "properties": {"note": VALUES[1]}}
    tell(platform, key, [person, happened])
    (customer_id,) = known(platform, f"{STORY}-one")
    question = "query($id: ID!) { customer(id: $id) { segments { key } signs { key } } }"

    def is_concluded() -> bool:
        said = json.dumps(platform.ask(question, id=customer_id))
        return all(key in said for key in (HIDDEN, DRAWN, SIGN))

    wait_for("segments and the sign", is_concluded)
    put(platform, "profile", "/v1/policy", {"rules": RULES, "why": "the story"})
    return customer_id


def answer(platform: RunningPlatform, department: str, query: str, variables: dict[str, Any]) -> str:
    """Everything the gateway says to a department, its headers too. The policy itself is read by those who keep it."""
    scopes = [scope for scope in ALL_SCOPES if department == CRM or not scope.startswith("policy:")]
    token = issue_user_token(Home(platform.home), clock=CLOCK, scopes=scopes, department=department)
    with platform.client("gateway") as client:
        headers = {"Authorization": f"Bearer {token}"}
        found = client.post("/graphql", json={"query": query, "variables": variables}, headers=headers)
        return json.dumps(dict(found.headers)) + json.dumps(found.json(), ensure_ascii=False)


def questions(customer_id: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Place, query and variables: each field of Query, and each of Customer by itself."""
    query_type, customer_type = SCHEMA.query_type, SCHEMA.get_type("Customer")
    assert query_type is not None
    assert isinstance(customer_type, graphql.GraphQLObjectType)
    for name, field in customer_type.fields.items():
        arguments = Arguments()
        text = written(name, field, arguments, depth=1)
        yield f"customer.{name}", f"query({arguments.declared('$id: ID!')}) {{ customer(id: $id) {{ {text} }} }}", {
            **arguments.values, "id": customer_id,
        }  # fmt: skip
    for name, field in query_type.fields.items():
        for given in SEVERAL.get(name, [{}]):
            arguments = Arguments(given)
            text = written(name, field, arguments, depth=0)
            declared = arguments.declared()
            yield name, f"query{f'({declared})' if declared else ''} {{ {text} }}", arguments.values


class Arguments:
    """Variables of a document, taken from the samples."""

    def __init__(self, given: dict[str, Any] | None = None) -> None:
        self._given = given or {}
        self._types: dict[str, str] = {}
        self.values: dict[str, Any] = {}

    def of(self, place: str, field: graphql.GraphQLField) -> str:
        """The arguments of a field as they stand in the document."""
        parts = []
        for name, argument in field.args.items():
            if not graphql.is_required_argument(argument) and name != "first":
                continue
            assert name in SAMPLES, f"{place}({name}: {argument.type}): give a sample in SAMPLES"
            variable = f"v{len(self.values)}"
            self._types[variable] = str(argument.type)
            self.values[variable] = self._given.get(name, SAMPLES[name])
            parts.append(f"{name}: ${variable}")
        return f"({', '.join(parts)})" if parts else ""

    def declared(self, *more: str) -> str:
        """The declarations of all variables."""
        return ", ".join([*more, *(f"${name}: {kind}" for name, kind in self._types.items())])


def written(name: str, field: graphql.GraphQLField, arguments: Arguments, *, depth: int) -> str:
    """A field with everything below it; empty where that is too deep."""
    kind = graphql.get_named_type(field.type)
    text = name + arguments.of(name, field)
    if not isinstance(kind, graphql.GraphQLObjectType):
        return text
    if kind.name == "Customer" and depth:
        return f"{text} {{ id }}"
    below = [
        written(each, child, arguments, depth=depth + 1)
        for each, child in kind.fields.items()
        if depth < DEPTH or not isinstance(graphql.get_named_type(child.type), graphql.GraphQLObjectType)
    ]
    return f"{text} {{ {' '.join(below) or '__typename'} }}"
