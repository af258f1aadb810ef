"""What is known, through the graph alone: why a trait won, who is in a segment and since when, a date seen only for the
purpose it was given for - on the whole platform; and nothing of it without the scope."""

from typing import Any
from uuid import uuid4

import pytest

from kizuna_local.home import Home
from kizuna_local.keys import issue_user_token
from tests.e2e.world import CLOCK, ORDER, days_ago, identify, known, order, ordered, put, tell
from tests.running_platform import RunningPlatform, wait_for

STORY = "known"
SHOP, CRM = f"{STORY}-shop", f"{STORY}-crm"
CITY = f"{STORY}-city"
PURPOSE = f"{STORY}-reminder"
BUYERS = ("hanako", "taro")

EXPLAINED = f"""query($id: ID!, $first: Int!, $after: String) {{ customer(id: $id) {{
  trait(name: "{CITY}", first: $first, after: $after) {{
    value policy winner {{ value source department legalEntity }}
    observations {{ edges {{ node {{ value source department lostBecause retracted {{ why }} }} }}
      pageInfo {{ hasNextPage endCursor }} }} }} }} }}"""
PUT_TRAIT = """mutation($input: PutTraitDefinitionInput!) { putTraitDefinition(input: $input) {
  definition { name policy revision trusted { source department } } } }"""
PUT_SEGMENT = """mutation($input: PutSegmentInput!) { putSegment(input: $input) {
  segment { key kind status version revision } } }"""
PUBLISH = """mutation($input: PublishSegmentInput!) { publishSegment(input: $input) {
  segment { status version } } }"""
SEGMENT = """query($key: String!) { segment(key: $key) {
  kind status version size
  versions { edges { node { version why publishedBy } } }
  sizeHistory { day size entered { reason customers } }
  members { totalCount edges { since node { id identifiers { namespace } } } } } }"""
PREVIEW = """query($condition: JSON!, $exact: Boolean!) { previewSegment(condition: $condition, exact: $exact) {
  count low high total isEstimate sample { id } } }"""
RELATIONS = """query($id: ID!, $purpose: String!) { customer(id: $id) {
  relations(purpose: $purpose) { id relation occasion date purpose } } }"""


def ask(platform: RunningPlatform, query: str, *, scopes: tuple[str, ...] | None = None, **variables: Any) -> Any:
    """The whole answer; with `scopes` to a token that has only these."""
    with platform.client("gateway") as client:
        headers = {}
        if scopes is not None:
            token = issue_user_token(Home(platform.home), clock=CLOCK, scopes=scopes, department="crm")
            headers["Authorization"] = f"Bearer {token}"
        return client.post("/graphql", json={"query": query, "variables": variables}, headers=headers).json()


def data(platform: RunningPlatform, query: str, **variables: Any) -> Any:
    """The data of an answer without errors."""
    answer = ask(platform, query, **variables)
    assert "errors" not in answer, answer["errors"]
    return answer["data"]


def change(platform: RunningPlatform, mutation: str, **given: Any) -> Any:
    """What a mutation with one input answered."""
    [payload] = data(platform, mutation, input=given).values()
    return payload


def code_and_field(answer: Any) -> tuple[str, str | None]:
    [error] = answer["errors"]
    return error["extensions"]["code"], error["extensions"].get("field")


@pytest.fixture(scope="module")
def people(platform: RunningPlatform) -> dict[str, str]:
    """Two who bought in the shop, of whom the call centre says another town later, and one who only looked."""
    keys = {}
    for source, department in ((SHOP, "sales"), (CRM, "service")):
        body = {"name": source, "department": department, "brand": "kizuna", "legal_entity": "Kizuna K.K."}
        keys[source] = put(platform, "identity", f"/v1/sources/{source}", body | {"purposes": ["service"]})["write_key"]
    names = (*BUYERS, "jiro")
    bought = [order(STORY, f"{STORY}-{name}", f"{STORY}-{name}", revenue=10) for name in BUYERS]
    lived = [identify(f"{STORY}-{name}", traits={CITY: "東京"}, timestamp=days_ago(9)) for name in names]
    moved = [identify(f"{STORY}-{name}", traits={CITY: "大阪"}, timestamp=days_ago(2)) for name in names]
    tell(platform, keys[SHOP], lived + bought)
    tell(platform, keys[CRM], moved)
    return dict(zip(names, known(platform, *(f"{STORY}-{name}" for name in names)), strict=True))


def explained(platform: RunningPlatform, customer: str, *, first: int = 20, after: str | None = None) -> Any:
    return data(platform, EXPLAINED, id=customer, first=first, after=after)["customer"]["trait"]


def test_why_a_trait_won_and_what_became_of_what_lost(platform: RunningPlatform, people: dict[str, str]) -> None:
    hanako = people["hanako"]
    wait_for("both have spoken", lambda: len(explained(platform, hanako)["observations"]["edges"]) == 2)
    before = explained(platform, hanako)
    assert (before["value"], before["policy"], before["winner"]["source"]) == ("大阪", "latest", CRM)

    defined = change(
        platform, PUT_TRAIT, name=CITY, type="text", policy="most_trusted", trusted=[{"department": "sales"}]
    )
    assert defined["definition"]["trusted"] == [{"source": None, "department": "sales"}]
    wait_for("it is folded anew", lambda: explained(platform, hanako)["winner"]["value"] == "東京")
    after = explained(platform, hanako)
    assert after["winner"] == {
        "value": "東京",
        "source": SHOP,
        "department": "sales",
        "legalEntity": "Kizuna K.K.",
    }
    assert (after["value"], after["policy"]) == ("東京", "most_trusted")
    said = [(each["node"]["source"], each["node"]["lostBecause"]) for each in after["observations"]["edges"]]
    assert said == [(CRM, "less_trusted"), (SHOP, None)]
    first = explained(platform, hanako, first=1)["observations"]
    assert first["pageInfo"]["hasNextPage"]
    [rest] = explained(platform, hanako, first=1, after=first["pageInfo"]["endCursor"])["observations"]["edges"]
    assert rest["node"]["source"] == SHOP

    retract = """mutation($input: RetractTraitInput!) { retractTrait(input: $input) {
      retraction { retracted isForEverybody } } }"""
    given = {"name": CITY, "sourceId": SHOP, "customerId": hanako, "why": "A mix-up."}
    assert change(platform, retract, **given)["retraction"] == {"retracted": 1, "isForEverybody": False}
    now = explained(platform, hanako)
    assert now["winner"]["value"] == "大阪"
    lost = {each["node"]["source"]: each["node"] for each in now["observations"]["edges"]}[SHOP]
    assert (lost["lostBecause"], lost["retracted"]) == ("retracted", {"why": "A mix-up."})

    wrong = ask(platform, PUT_TRAIT, input={"name": CITY, "type": "text", "policy": "most_trusted"})
    assert code_and_field(wrong) == ("BAD_USER_INPUT", "trusted")
    stale = ask(platform, PUT_TRAIT, input={"name": CITY, "policy": "latest", "expectedVersion": 99})
    assert code_and_field(stale)[0] == "CONFLICT"
    refused = ask(platform, PUT_TRAIT, scopes=("gateway:read", "profile:read"), input={"name": CITY})
    assert code_and_field(refused)[0] == "FORBIDDEN"


def test_why_a_trait_of_a_whole_segment_won_comes_together(platform: RunningPlatform, people: dict[str, str]) -> None:
    key, ids = f"{STORY}-list", sorted([*people.values(), str(uuid4())])[:-1]
    change(platform, PUT_SEGMENT, key=key, name="一覧", kind="static")
    add = "mutation($input: SegmentMembersInput!) { addSegmentMembers(input: $input) { outcomes { outcome } } }"
    change(platform, add, key=key, customerIds=ids)
    query = f"""query($key: String!) {{ customers(segment: $key) {{ edges {{ node {{ id
      city: trait(name: "{CITY}") {{ value observations {{ edges {{ node {{ source }} }} }} }}
      none: trait(name: "{STORY}-none") {{ value policy observations {{ edges {{ cursor }} }} }} }} }} }} }}"""
    wait_for("they are on the list", lambda: len(data(platform, query, key=key)["customers"]["edges"]) == len(ids))
    for edge in data(platform, query, key=key)["customers"]["edges"]:
        trait = explained(platform, edge["node"]["id"])
        said = [{"node": {"source": each["node"]["source"]}} for each in trait["observations"]["edges"]]
        assert edge["node"]["city"] == {"value": trait["value"], "observations": {"edges": said}}
        assert {each["node"]["source"] for each in said} == {SHOP, CRM}
        assert edge["node"]["none"] == {"value": None, "policy": None, "observations": {"edges": []}}


def test_what_is_taken_by_schedule_is_put_taken_and_forgotten(
    platform: RunningPlatform, people: dict[str, str]
) -> None:
    key = f"{STORY}-spent"
    subject = f"computed:{key}"
    value = {"kind": "events", "function": "sum", "event": ORDER, "property": "revenue"}
    put_trait = "mutation($input: PutComputedTraitInput!) { putComputedTrait(input: $input) { computedTrait { key } } }"
    change(platform, put_trait, key=key, name="買上", value=value)
    put_schedule = """mutation($input: PutCutPointScheduleInput!) { putCutPointSchedule(input: $input) {
      schedule { subject every at revision } } }"""
    given = {"subject": subject, "every": "month", "day": 3}
    put_in = change(platform, put_schedule, **given)["schedule"]
    assert put_in == {"subject": subject, "every": "month", "at": "03:00", "revision": 1}
    assert code_and_field(ask(platform, put_schedule, input=given | {"expectedVersion": 7}))[0] == "CONFLICT"
    assert code_and_field(ask(platform, put_schedule, input=given | {"day": 40})) == ("BAD_USER_INPUT", "day")
    query = """query($subject: String!) { cutPointSchedule(subject: $subject) {
      version versions { edges { node { version customers atLeast } } } } }"""
    wait_for("they are taken", lambda: data(platform, query, subject=subject)["cutPointSchedule"]["version"] >= 1)
    taken = data(platform, query, subject=subject)["cutPointSchedule"]["versions"]["edges"][-1]["node"]
    assert taken["customers"] >= len(BUYERS)
    assert "80" in taken["atLeast"]

    put_settings = """mutation($input: PutNextCategorySettingsInput!) { putNextCategorySettings(input: $input) {
      settings { definition { event minimumCustomers minimumLift } } } }"""
    settings = change(platform, put_settings, event=ORDER, minimumCustomers=2, minimumLift=0.5)["settings"]
    assert settings["definition"] == {"event": ORDER, "minimumCustomers": 2, "minimumLift": 0.5}
    query = """query($id: ID!) { nextCategorySettings { version } categoryLifts { lift }
      customer(id: $id) { nextCategories { toCategory } } }"""
    wait_for(
        "lifts are taken", lambda: data(platform, query, id=people["taro"])["nextCategorySettings"]["version"] >= 1
    )
    found = data(platform, query, id=people["taro"])
    assert isinstance(found["categoryLifts"], list)
    assert found["customer"]["nextCategories"] == []  # no order names a category
    refused = ask(platform, put_settings, scopes=("gateway:read", "profile:read"), input={"event": ORDER})
    assert code_and_field(refused)[0] == "FORBIDDEN"
    data(platform, "mutation { deleteNextCategorySettings { key } }")
    delete = "mutation($input: DeleteCutPointScheduleInput!) { deleteCutPointSchedule(input: $input) { key } }"
    change(platform, delete, subject=subject)
    left = """query($id: ID!, $subject: String!) { nextCategorySettings { version } categoryLifts { lift }
      customer(id: $id) { nextCategories { lift } } cutPointSchedule(subject: $subject) { version } }"""
    assert data(platform, left, id=people["taro"], subject=subject) == {
        "nextCategorySettings": None,
        "categoryLifts": None,
        "customer": {"nextCategories": None},
        "cutPointSchedule": None,
    }


def test_a_retraction_sent_twice_happens_once(platform: RunningPlatform, people: dict[str, str]) -> None:
    retract = """mutation($input: RetractTraitInput!) { retractTrait(input: $input) { retraction { id retracted } } }"""
    given = {"name": CITY, "sourceId": CRM, "customerId": people["jiro"], "why": "A mix-up.", "idempotencyKey": STORY}
    first = change(platform, retract, **given)["retraction"]
    assert first["retracted"] == 1
    assert change(platform, retract, **given)["retraction"] == first
    other = ask(platform, retract, input=given | {"why": "Another."})
    assert code_and_field(other)[1] == "idempotencyKey"


def test_sums_presets_and_words_are_read(platform: RunningPlatform) -> None:
    query = """{ totals { customers events currency withheld } computedTraitPresets { key value }
      rfmDefinition { definition { event property } } withheld { segments signs computedTraits }
      remarksAreBeingRead opinionWords(opinion: "positive") { words } }"""
    found = data(platform, query)
    assert found["totals"]["customers"] >= len(BUYERS)
    assert found["withheld"] == {"segments": False, "signs": False, "computedTraits": False}
    assert found["rfmDefinition"]["definition"] == {"event": ORDER, "property": "revenue"}
    put_trait = "mutation($input: PutComputedTraitInput!) { putComputedTrait(input: $input) { computedTrait { key } } }"
    keys = [f"{STORY}-{preset['key']}" for preset in found["computedTraitPresets"]]
    for key, preset in zip(keys, found["computedTraitPresets"], strict=True):
        assert change(platform, put_trait, key=key, name="x", value=preset["value"])["computedTrait"]["key"] == key
    assert set(keys) <= {each["key"] for each in data(platform, "{ computedTraits { key } }")["computedTraits"]}
    wrong = ask(platform, '{ opinionWords(opinion: "furious") { words } }')
    assert code_and_field(wrong) == ("BAD_USER_INPUT", "opinion")


def test_the_timeline_says_whose_source_it_was(platform: RunningPlatform, people: dict[str, str]) -> None:
    query = """query($id: ID!) { customer(id: $id) { timeline { edges { node {
      name source department brand legalEntity } } } } }"""
    seen = data(platform, query, id=people["taro"])["customer"]["timeline"]["edges"]
    [bought] = [each["node"] for each in seen if each["node"]["name"] == ORDER]
    assert bought == {
        "name": ORDER,
        "source": SHOP,
        "department": "sales",
        "brand": "kizuna",
        "legalEntity": "Kizuna K.K.",
    }


def test_segments_are_tried_put_to_work_and_compared(platform: RunningPlatform, people: dict[str, str]) -> None:
    buyers, vip = f"{STORY}-buyers", f"{STORY}-vip"
    condition = ordered(STORY)
    wait_for("the orders are seen", lambda: _count(platform, condition) == 2)
    preview = data(platform, PREVIEW, condition=condition, exact=True)["previewSegment"]
    assert {each["id"] for each in preview["sample"]} == {people[name] for name in BUYERS}
    assert (preview["low"], preview["high"], preview["isEstimate"]) == (2, 2, False)
    estimate = data(platform, PREVIEW, condition=condition, exact=False)["previewSegment"]
    assert estimate["low"] <= estimate["count"] <= estimate["high"] <= estimate["total"] == preview["total"]

    put_in = change(platform, PUT_SEGMENT, key=buyers, name="買った人", condition=condition)["segment"]
    assert put_in == {"key": buyers, "kind": "dynamic", "status": "draft", "version": 0, "revision": 1}
    assert change(platform, PUBLISH, key=buyers, why="Spring.")["segment"]["version"] == 1
    wait_for("they are in", lambda: _members(platform, buyers) == {people[name] for name in BUYERS})
    segment = data(platform, SEGMENT, key=buyers)["segment"]
    assert (segment["status"], segment["size"], segment["members"]["totalCount"]) == ("published", 2, 2)
    [version] = segment["versions"]["edges"]
    assert version["node"] == {"version": 1, "why": "Spring.", "publishedBy": "local"}
    assert all(each["node"]["identifiers"] for each in segment["members"]["edges"])
    assert all(each["since"] for each in segment["members"]["edges"])
    assert segment["sizeHistory"][-1]["size"] == 2
    assert sum(each["customers"] for day in segment["sizeHistory"] for each in day["entered"]) == 2

    static = change(platform, PUT_SEGMENT, key=vip, name="招待客", kind="static")["segment"]
    assert static["kind"] == "static"
    listed = [people["hanako"], people["jiro"]]
    add = """mutation($input: SegmentMembersInput!) { addSegmentMembers(input: $input) {
      outcomes { customerId outcome } } }"""
    assert change(platform, add, key=vip, customerIds=listed)["outcomes"] == [
        {"customerId": each, "outcome": "added"} for each in listed
    ]
    wait_for("they are on the list", lambda: _members(platform, vip) == set(listed))
    query = "query($keys: [String!]!) { segmentOverlap(keys: $keys) { aSize bSize both onlyA onlyB } }"
    assert data(platform, query, keys=[buyers, vip])["segmentOverlap"] == [
        {"aSize": 2, "bSize": 2, "both": 1, "onlyA": 1, "onlyB": 1}
    ]
    remove = """mutation($input: SegmentMembersInput!) { removeSegmentMembers(input: $input) {
      outcomes { outcome } } }"""
    assert change(platform, remove, key=vip, customerIds=listed[:1])["outcomes"] == [{"outcome": "removed"}]
    wait_for("one is left", lambda: _members(platform, vip) == {people["jiro"]})

    archive = "mutation($input: SegmentKeyInput!) { archiveSegment(input: $input) { segment { status } } }"
    assert change(platform, archive, key=buyers)["segment"] == {"status": "archived"}
    wait_for("they have left", lambda: _members(platform, buyers) == set())
    wrong = ask(platform, PREVIEW, condition={"kind": "and", "conditions": [{"kind": "x"}]}, exact=False)
    assert code_and_field(wrong) == ("BAD_USER_INPUT", "condition.conditions.0")
    refused = ask(platform, PUBLISH, scopes=("gateway:read", "profile:read"), input={"key": vip})
    assert code_and_field(refused)[0] == "FORBIDDEN"


def _count(platform: RunningPlatform, condition: dict[str, Any]) -> int:
    count: int = data(platform, PREVIEW, condition=condition, exact=True)["previewSegment"]["count"]
    return count


def _members(platform: RunningPlatform, key: str) -> set[str]:
    found = data(platform, SEGMENT, key=key)["segment"]["members"]["edges"]
    return {each["node"]["id"] for each in found}


def test_a_date_is_seen_for_its_purpose_alone(platform: RunningPlatform, people: dict[str, str]) -> None:
    taro, relation = people["taro"], str(uuid4())
    given = {"relation": "wife", "occasion": "birthday", "date": "--03-14", "purpose": PURPOSE}
    put_relation = """mutation($input: PutRelationInput!) { putRelation(input: $input) {
      relation { id relation occasion date purpose } } }"""
    ids = {"customerId": taro, "relationId": relation}
    kept = change(platform, put_relation, **ids, **given)["relation"]
    assert kept == {"id": relation} | given
    assert data(platform, RELATIONS, id=taro, purpose=PURPOSE)["customer"]["relations"] == [kept]
    assert data(platform, RELATIONS, id=taro, purpose="advertising")["customer"]["relations"] == []
    turned = ask(platform, put_relation, input=ids | given | {"purpose": "advertising"})
    assert code_and_field(turned) == ("CONFLICT", "purpose")
    wrong = ask(platform, put_relation, input=ids | given | {"date": "--02-30"})
    assert code_and_field(wrong) == ("BAD_USER_INPUT", "date")
    withdraw = f"""mutation($input: WithdrawRelationInput!) {{ withdrawRelation(input: $input) {{
      customer {{ relations(purpose: "{PURPOSE}") {{ id }} }} }} }}"""
    assert change(platform, withdraw, **ids)["customer"]["relations"] == []


def test_signs_and_what_is_computed_stand_beside_the_rest(platform: RunningPlatform, people: dict[str, str]) -> None:
    sign, trait = f"{STORY}-buying", f"{STORY}-orders"
    condition = ordered(STORY)
    put_sign = "mutation($input: PutSignInput!) { putSign(input: $input) { sign { status } } }"
    given = {"key": sign, "name": "買い替え", "meaning": "もう一台買う。", "condition": condition, "strength": "strong"}
    assert change(platform, put_sign, **given, lifetimeDays=30)["sign"] == {"status": "draft"}
    publish = "mutation($input: PublishSignInput!) { publishSign(input: $input) { sign { version } } }"
    assert change(platform, publish, key=sign, why="Spring.")["sign"] == {"version": 1}
    put_trait = """mutation($input: PutComputedTraitInput!) { putComputedTrait(input: $input) {
      computedTrait { key version } } }"""
    value = {"kind": "events", "function": "count", "event": ORDER, "where": condition["where"]}
    assert change(platform, put_trait, key=trait, name="注文", value=value)["computedTrait"]["key"] == trait
    query = "query($id: ID!) { customer(id: $id) { signs { key strength } computed lifecycle remarks { text } } }"

    def view(name: str) -> Any:
        return data(platform, query, id=people[name])["customer"]

    wait_for("the sign is seen", lambda: {"key": sign, "strength": "strong"} in view("hanako")["signs"])
    assert view("hanako")["computed"][trait] == 1
    assert view("hanako")["remarks"] == []
    assert sign not in {each["key"] for each in view("jiro")["signs"]}
    showing = """query($key: String!) { sign(key: $key) {
      customers { edges { node { customer { id } } } } } signCoverage { customers signs { key customers } } }"""
    found = data(platform, showing, key=sign)
    shown = {edge["node"]["customer"]["id"] for edge in found["sign"]["customers"]["edges"]}
    assert shown == {people[name] for name in BUYERS}
    assert {"key": sign, "customers": 2} in found["signCoverage"]["signs"]
    archive = "mutation($input: SignKeyInput!) { archiveSign(input: $input) { sign { status } } }"
    assert change(platform, archive, key=sign)["sign"] == {"status": "archived"}
    unarchive = """mutation($input: SignKeyInput!) { unarchiveSign(input: $input) {
      sign { archivedAt versions { edges { node { version why condition outcome { event } } } } } } }"""
    again = change(platform, unarchive, key=sign)["sign"]
    assert again["archivedAt"] is None
    [version] = [edge["node"] for edge in again["versions"]["edges"]][-1:]
    assert (version["version"], version["why"], version["outcome"]) == (1, "Spring.", None)
    assert version["condition"]["event"] == ORDER


def test_who_may_read_what_is_explained(platform: RunningPlatform) -> None:
    explain = """query($input: ExplainPolicyInput!) { explainPolicy(input: $input) {
      effect because position version } }"""
    rule = {"effect": "deny", "what": {"kind": "trait", "names": [CITY]}}
    given = {"kind": "trait", "name": CITY, "department": "crm"}
    tried = data(platform, explain, input=given | {"policy": {"default": "allow", "rules": [rule]}})
    assert tried["explainPolicy"] == {"effect": "deny", "because": "rule", "position": 0, "version": None}
    assert data(platform, "{ policy { version default } }")["policy"]["default"] == "allow"
    assert "errors" not in ask(platform, "{ circulation { given { department kind count } used { reader } } }")
    refused = ask(platform, explain, scopes=("gateway:read", "profile:read"), input=given)
    assert code_and_field(refused)[0] == "FORBIDDEN"


def test_the_condition_language_and_bought_data_are_described(platform: RunningPlatform) -> None:
    assert "$defs" in data(platform, "{ conditionSchema }")["conditionSchema"]
    query = "{ insightDatasets { edges { node { key } } } anonymisedExports { edges { node { id } } } }"
    refused = ask(platform, query, scopes=("gateway:read", "profile:read"))
    assert {error["extensions"]["code"] for error in refused["errors"]} == {"FORBIDDEN"}
    assert refused["data"] == {"insightDatasets": None, "anonymisedExports": None}
    assert set(data(platform, query)) == {"insightDatasets", "anonymisedExports"}
