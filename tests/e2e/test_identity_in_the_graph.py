"""Who is who, through the graph alone: merged and undone with the evidence in sight, reviewed, governed, disclosed and
erased on the whole platform; and nothing of it without the scope."""

from typing import Any

import pytest

from kizuna_local.addresses import SERVICES
from kizuna_local.home import Home
from kizuna_local.keys import issue_user_token
from tests.e2e.world import CLOCK, create_sources, customer_id, known, post, tell
from tests.running_platform import RunningPlatform, wait_for

STORY = "graph"
SHOP, CRM = f"{STORY}-shop", f"{STORY}-crm"
SURNAMES = ("佐藤", "鈴木", "高橋", "田中", "伊藤", "山本", "中村", "小林", "加藤", "吉田")
GIVEN_NAMES = ("太郎", "健一", "美咲", "陽子", "直樹", "由美", "大輔", "恵子", "翔太", "彩")
PEOPLE = 99
NOBODY = "00000000-0000-7000-8000-000000000000"

DECISION = "id kind customerId otherCustomerIds rule decidedBy why score undoes undoneBy anchors"
MERGE = f"mutation($input: MergeCustomersInput!) {{ mergeCustomers(input: $input) {{ decision {{ {DECISION} }} }} }}"
UNDO = f"mutation($input: UndoDecisionInput!) {{ undoDecision(input: $input) {{ decision {{ {DECISION} }} }} }}"
SPLIT = """mutation($input: SplitCustomerInput!) { splitCustomer(input: $input) {
  decision { id kind otherCustomerIds otherCustomers { id identifiers { value } } } } }"""
GRAPH = """query($id: ID!) { customer(id: $id) {
  id formerIds
  groups { id traits }
  identityGraph {
    nodesTotal formerIds
    nodes { anchorId namespace value isCurrent source sources rule score decisionId legalEntity purposes }
    edges { anchorId otherAnchorId rule source eventId score legalEntity }
    heldApart { namespace value reason }
  }
  timeline(first: 50) { edges { node { name } } } } }"""
DECISIONS = """query($id: ID!, $first: Int!, $after: String) { customer(id: $id) {
  decisions(first: $first, after: $after) {
    edges { cursor node { id kind decidedBy why undoneBy customer { id } } } pageInfo { hasNextPage endCursor } } } }"""
QUEUE = """query($state: String) { reviewQueue(state: $state, first: 50) { edges { node {
  id score state contradiction fields { field written otherWritten agreement weight }
  customer { id identifiers { value } } otherCustomer { id identifiers { value } } } } } }"""


@pytest.fixture(scope="module")
def keys(platform: RunningPlatform) -> dict[str, str]:
    """Two departments' write keys."""
    return create_sources(platform, STORY, "shop", "crm")


def ask(platform: RunningPlatform, query: str, *, scopes: tuple[str, ...] | None = None, **variables: Any) -> Any:
    """The whole answer; with `scopes` to a token that has only these."""
    with platform.client("gateway") as client:
        headers = {}
        if scopes is not None:
            token = issue_user_token(Home(platform.home), clock=CLOCK, scopes=scopes, department="crm")
            headers["Authorization"] = f"Bearer {token}"
        body = {"query": query, "variables": variables}
        return client.post("/graphql", json=body, headers=headers, timeout=60).json()


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


def two_customers(platform: RunningPlatform, keys: dict[str, str], name: str) -> list[str]:
    """Somebody whom the shop and the crm know under ids of their own, with an event each."""
    traits = {"email": f"{name}@example.jp"}
    tell(
        platform, keys["shop"],
        [
            {"type": "identify", "userId": f"shop-{name}", "anonymousId": f"pc-{name}", "traits": traits},
            {"type": "track", "event": "Order Completed", "userId": f"shop-{name}"},
            {"type": "group", "userId": f"shop-{name}", "groupId": f"club-{name}", "traits": {"name": "Club"}},
        ],
    )  # fmt: skip
    tell(platform, keys["crm"], [{"type": "track", "event": "Called", "userId": f"crm-{name}"}])
    ids = known(platform, f"shop-{name}", f"crm-{name}")
    wait_for("their events are seen", lambda: [events(platform, each) for each in ids] == [SHOP_EVENTS, ["Called"]])
    return ids


SHOP_EVENTS = ["Order Completed"]


def events(platform: RunningPlatform, customer: str) -> list[str]:
    seen = data(platform, GRAPH, id=customer)["customer"]["timeline"]["edges"]
    return sorted(edge["node"]["name"] for edge in seen if edge["node"]["name"] in {"Order Completed", "Called"})


def test_merged_with_the_evidence_in_sight_and_undone(platform: RunningPlatform, keys: dict[str, str]) -> None:
    ids = two_customers(platform, keys, "hanako")
    before = [data(platform, GRAPH, id=each) for each in ids]
    [shop] = [view["customer"] for view in before if view["customer"]["id"] == ids[0]]
    assert shop["groups"] == [{"id": "club-hanako", "traits": {"name": "Club"}}]
    nodes = {node["namespace"]: node for node in shop["identityGraph"]["nodes"]}
    assert {name: node["source"] for name, node in nodes.items()} == dict.fromkeys(
        ("user_id", "email", "anonymous_id"), SHOP
    )
    edges = shop["identityGraph"]["edges"]
    assert {edge["rule"] for edge in edges} == {"same_event"}
    assert {edge["legalEntity"] for edge in edges} == {"Kizuna K.K."}
    assert {end for edge in edges for end in (edge["anchorId"], edge["otherAnchorId"])} == {
        node["anchorId"] for node in nodes.values()
    }

    given = {"customerIds": ids, "why": "Called and asked.", "idempotencyKey": "merge-hanako"}
    merged = change(platform, MERGE, **given)["decision"]
    assert (merged["kind"], merged["rule"], merged["decidedBy"], merged["why"]) == (
        "merge", "manual", "local", "Called and asked."
    )  # fmt: skip
    assert change(platform, MERGE, **given)["decision"] == merged, "the same key: once"
    stays = merged["customerId"]
    wait_for("one has both events", lambda: events(platform, stays) == ["Called", "Order Completed"])
    one = data(platform, GRAPH, id=stays)["customer"]
    assert one["formerIds"] == one["identityGraph"]["formerIds"] == merged["otherCustomerIds"]
    assert one["identityGraph"]["nodesTotal"] == 4
    moved = [node for node in one["identityGraph"]["nodes"] if node["decisionId"] == merged["id"]]
    assert len(moved) == merged["anchors"]
    assert {data(platform, GRAPH, id=each)["customer"]["id"] for each in ids} == {stays}

    assert code_and_field(ask(platform, MERGE, input={"customerIds": ids, "why": "Again."})) == (
        "CONFLICT", "customerIds",
    )  # fmt: skip
    undone = change(platform, UNDO, decisionId=merged["id"], why="It was her sister.")["decision"]
    assert (undone["kind"], undone["undoes"]) == ("undo", merged["id"])
    wait_for("all is as before", lambda: [without_decisions(data(platform, GRAPH, id=each)) for each in ids] == [
        without_decisions(view) for view in before
    ])  # fmt: skip
    found = data(platform, "query($id: ID!) { decision(id: $id) { undoneBy customer { id } } }", id=merged["id"])
    assert found == {"decision": {"undoneBy": undone["id"], "customer": {"id": stays}}}
    assert data(platform, "query($id: ID!) { decision(id: $id) { id } }", id=NOBODY) == {"decision": None}

    pages, after = [], None
    for _ in range(2):
        page = data(platform, DECISIONS, id=ids[0], first=1, after=after)["customer"]["decisions"]
        pages += [edge["node"] for edge in page["edges"]]
        after = page["pageInfo"]["endCursor"]
    assert [(node["id"], node["kind"], node["why"]) for node in pages] == [
        (undone["id"], "undo", "It was her sister."),
        (merged["id"], "merge", "Called and asked."),
    ]
    assert not page["pageInfo"]["hasNextPage"]
    listed = data(platform, '{ decisions(kind: "undo") { edges { node { id } } } }')["decisions"]["edges"]
    assert undone["id"] in {edge["node"]["id"] for edge in listed}


def without_decisions(view: Any) -> Any:
    """The customer without what says how its identifiers came (back) to it."""
    customer = view["customer"]
    graph = customer["identityGraph"]
    nodes = [{k: v for k, v in node.items() if k not in {"decisionId", "score"}} for node in graph["nodes"]]
    edges = sorted((edge["anchorId"], edge["otherAnchorId"], edge["rule"]) for edge in graph["edges"])
    nodes.sort(key=lambda node: str(node["anchorId"]))
    return customer | {"identityGraph": graph | {"nodes": nodes, "edges": edges}}


def test_split_by_one_identifier(platform: RunningPlatform, keys: dict[str, str]) -> None:
    [shop, _] = two_customers(platform, keys, "yoko")
    nodes = data(platform, GRAPH, id=shop)["customer"]["identityGraph"]["nodes"]
    [mail] = [node["anchorId"] for node in nodes if node["namespace"] == "email"]
    wrong = {"customerId": shop, "anchorIds": [mail, NOBODY], "why": "Her husband's."}
    assert code_and_field(ask(platform, SPLIT, input=wrong)) == ("BAD_USER_INPUT", "anchorIds.1")
    decision = change(platform, SPLIT, customerId=shop, anchorIds=[mail], why="Her husband's.")["decision"]
    assert decision["kind"] == "split"
    assert [each["identifiers"] for each in decision["otherCustomers"]] == [[{"value": "yoko@example.jp"}]]


def person(number: int) -> dict[str, Any]:
    return {
        "lastName": SURNAMES[number % 10], "firstName": GIVEN_NAMES[number // 10],
        "birthday": f"19{50 + number % 50}-{1 + number % 12:02}-{1 + number % 28:02}",
        "address": {"postalCode": "5300001", "state": "大阪府", "city": "大阪市北区", "street": f"梅田{number + 1}-1"},
    }  # fmt: skip


def test_the_review_queue(platform: RunningPlatform, keys: dict[str, str]) -> None:
    settings = data(platform, "{ linkingSettings { version upper lower } }")["linkingSettings"]
    update = (
        "mutation($input: UpdateLinkingSettingsInput!) { updateLinkingSettings(input: $input) { settings { upper } } }"
    )
    given = {"upper": 0.999999999999, "lower": 0.3, "expectedVersion": settings["version"]}
    assert change(platform, update, **given)["settings"] == {"upper": 0.999999999999}
    assert code_and_field(ask(platform, update, input=given)) == ("CONFLICT", "expectedVersion")
    assert code_and_field(ask(platform, update, input=given | {"upper": 2.0}))[0] == "BAD_USER_INPUT"

    others = {edge["node"]["id"] for edge in data(platform, QUEUE, state="review")["reviewQueue"]["edges"]}
    everybody = [{"type": "identify", "userId": f"S-{n}", "traits": person(n)} for n in range(PEOPLE)]
    tell(platform, keys["shop"], everybody)
    tell(platform, keys["crm"], [{"type": "identify", "userId": f"C-{n}", "traits": person(n)} for n in (1, 2)])
    known(platform, f"S-{PEOPLE - 1}", "C-1", "C-2")
    start = """mutation($input: StartLinkingRunInput!) { startLinkingRun(input: $input) {
      jobId job { kind state } runId run { kind state } } }"""
    started = change(platform, start, kind="full")
    assert started["run"]["kind"] == "full"
    run = "query($id: ID!) { linkingRun(id: $id) { state problem toReview pairsCompared precisionEstimate } }"
    wait_for(
        "the run has ended",
        lambda: data(platform, run, id=started["runId"])["linkingRun"]["state"] not in {"queued", "running"},
        seconds=120,
    )
    ended = data(platform, run, id=started["runId"])["linkingRun"]
    assert ended["state"] == "done", ended
    runs = data(platform, "{ linkingRuns(first: 5) { edges { node { id state toReview } } } }")["linkingRuns"]["edges"]
    assert runs[0]["node"] == {"id": started["runId"], "state": "done", "toReview": ended["toReview"]}
    edges = data(platform, QUEUE, state="review")["reviewQueue"]["edges"]
    queue = [edge["node"] for edge in edges if edge["node"]["id"] not in others]
    assert ended["toReview"] == len(queue) >= 2
    pairs = {frozenset(one["value"] for side in sides(each) for one in side["identifiers"]): each for each in queue}
    first, second = pairs[frozenset({"S-1", "C-1"})], pairs[frozenset({"S-2", "C-2"})]
    shown = {field["field"]: field for field in first["fields"]}
    assert shown["birth_date"]["written"] == shown["birth_date"]["otherWritten"] == "1951-02-02"
    assert shown["birth_date"]["weight"] > 0

    decide = """mutation($input: DecideOnCandidateInput!) { %s(input: $input) { candidate {
      state decidedBy why customer { id } otherCustomer { id } history { action why } } } }"""
    accepted = change(platform, decide % "acceptCandidate", candidateId=first["id"], why="Same card.")["candidate"]
    assert (accepted["state"], accepted["why"]) == ("accepted", "Same card.")
    assert accepted["customer"] == accepted["otherCustomer"]
    assert customer_id(platform, "S-1") == customer_id(platform, "C-1") == accepted["customer"]["id"]
    rejected = change(platform, decide % "rejectCandidate", candidateId=second["id"], why="Cousins.")["candidate"]
    assert rejected["state"] == "rejected"
    too_late = {"candidateId": second["id"], "why": "x"}
    assert code_and_field(ask(platform, decide % "acceptCandidate", input=too_late)) == (
        "CONFLICT", "candidateId",
    )  # fmt: skip
    undone = change(platform, decide % "undoCandidate", candidateId=first["id"], why="Not hers.")["candidate"]
    assert [(each["action"], each["why"]) for each in undone["history"]] == [
        ("accepted", "Same card."), ("undone", "Not hers."),
    ]  # fmt: skip
    wait_for("they are two again", lambda: customer_id(platform, "S-1") != customer_id(platform, "C-1"))
    left = {edge["node"]["id"] for edge in data(platform, QUEUE, state="review")["reviewQueue"]["edges"]}
    assert left - others == {each["id"] for each in queue} - {first["id"], second["id"]}
    change(platform, update, upper=settings["upper"], lower=settings["lower"])


def sides(candidate: Any) -> list[Any]:
    return [candidate["customer"], candidate["otherCustomer"]]


def test_rules_are_tried_published_and_remembered(platform: RunningPlatform, keys: dict[str, str]) -> None:
    mail = {"email": "family@example.jp"}
    tell(platform, keys["shop"], [{"type": "identify", "userId": f"parent-{n}", "traits": mail} for n in (1, 2)])
    first, second = known(platform, "parent-1", "parent-2")
    assert first != second
    query = "{ identityRules { version changedBy why namespaces { name limit priority unique blockedValues } } }"
    rules = data(platform, query)["identityRules"]
    one_user_id = [
        {"name": each["name"], "priority": each["priority"], "limit": 5, "unique": False}
        for each in rules["namespaces"]
    ]
    dry_run = "mutation($input: DryRunRulesInput!) { dryRunRules(input: $input) { jobId } }"
    job_id = change(platform, dry_run, namespaces=one_user_id)["jobId"]
    job = "query($id: ID!) { job(id: $id) { kind state result problem } }"
    wait_for(
        "the dry run has ended", lambda: data(platform, job, id=job_id)["job"]["state"] not in {"queued", "running"}
    )
    tried = data(platform, job, id=job_id)["job"]
    assert tried["state"] == "done", tried
    assert {first, second} in [set(merge["customer_ids"]) for merge in tried["result"]["merges"]]
    assert data(platform, query)["identityRules"] == rules, "nothing was changed"

    publish = """mutation($input: PublishRulesInput!) { publishRules(input: $input) {
      rules { version why namespaces { name limit } } } }"""
    given = {"namespaces": [*one_user_id, {"name": "line_id", "priority": 9, "outside": True}], "why": "Trying."}
    stale = given | {"expectedVersion": rules["version"] + 7}
    assert code_and_field(ask(platform, publish, input=stale)) == ("CONFLICT", "expectedVersion")
    published = change(platform, publish, **given, expectedVersion=rules["version"])["rules"]
    assert published["version"] == rules["version"] + 1
    assert {"name": "line_id", "limit": 5} in published["namespaces"]
    versions = "{ identityRulesVersions(first: 1) { edges { node { version why } } pageInfo { hasNextPage } } }"
    assert data(platform, versions)["identityRulesVersions"] == {
        "edges": [{"node": {"version": published["version"], "why": "Trying."}}],
        "pageInfo": {"hasNextPage": True},
    }
    broken = given | {"namespaces": [{"name": "email", "priority": 0}]}
    assert code_and_field(ask(platform, publish, input=broken)) == ("BAD_USER_INPUT", "namespaces.0.priority")
    back = [
        {key: each[key] for key in ("name", "limit", "priority", "unique", "blockedValues")}
        for each in rules["namespaces"]
    ]
    change(platform, publish, namespaces=back, why="Back.")


def test_coverage_now_and_by_day(platform: RunningPlatform, keys: dict[str, str]) -> None:
    tell(platform, keys["shop"], [{"type": "page", "anonymousId": "only-a-cookie"}])
    query = """{ linkCoverage { customers known anonymous linkedOutside linkedOutsideShare
      namespaces { namespace identifiers } computedAt } }"""
    wait_for("the cookie is counted", lambda: data(platform, query)["linkCoverage"]["anonymous"] >= 1)
    now = data(platform, query)["linkCoverage"]
    assert now["customers"] == now["known"] + now["anonymous"]
    assert {"user_id", "anonymous_id"} <= {each["namespace"] for each in now["namespaces"]}
    history = """query($since: Date, $until: Date, $source: String) {
      linkCoverageHistory(from: $since, until: $until, source: $source) {
        edges { node { day source customers known anonymous linkedOutside } } } }"""

    def counted(**of: str) -> dict[str, Any]:
        edges = data(platform, history, **of)["linkCoverageHistory"]["edges"]
        return {edge["node"]["source"]: edge["node"] for edge in edges}

    wait_for("the day is counted by source", lambda: counted(source="*").get(SHOP, {}).get("anonymous", 0) >= 1)
    by_source = counted(source="*")
    assert {SHOP, CRM} <= by_source.keys()
    for day in (by_source[SHOP], by_source[CRM], *counted().values()):
        assert day["customers"] == day["known"] + day["anonymous"] > 0
    assert counted(until="2026-01-31") == {}
    assert code_and_field(ask(platform, history, since="yesterday")) == ("BAD_USER_INPUT", "from")
    assert code_and_field(ask(platform, history, since="2026-02-01", until="2026-01-01")) == ("BAD_USER_INPUT", "until")


def test_what_another_company_may_use(platform: RunningPlatform, keys: dict[str, str]) -> None:
    [shop, _] = two_customers(platform, keys, "mika")
    query = """query($id: ID!, $entity: String, $purpose: String) { customer(id: $id) {
      identifiers(legalEntity: $entity, purpose: $purpose) { namespace } } }"""
    ours = data(platform, query, id=shop, entity="Kizuna K.K.", purpose="marketing")["customer"]["identifiers"]
    assert {each["namespace"] for each in ours} == {"user_id", "email", "anonymous_id"}
    others = data(platform, query, id=shop, entity="Another K.K.", purpose="marketing")["customer"]["identifiers"]
    assert others == []
    assert code_and_field(ask(platform, query, id=shop, entity="Kizuna K.K.")) == ("BAD_USER_INPUT", "purpose")

    put = """mutation($input: PutAgreementInput!) { putAgreement(input: $input) {
      agreement { id fromEntity toEntity purposes validUntil version } } }"""
    given = {
        "agreementId": "kizuna-another", "fromEntity": "Kizuna K.K.", "toEntity": "Another K.K.",
        "validFrom": "2026-01-01T00:00:00+09:00", "evidence": "Binder 7",
    }  # fmt: skip
    agreement = change(platform, put, **given)["agreement"]
    assert agreement["version"] == 1
    end = "mutation($input: EndAgreementInput!) { endAgreement(input: $input) { agreement { validUntil version } } }"
    too_early = {"agreementId": "kizuna-another", "validUntil": "2025-01-01T00:00:00+09:00"}
    assert code_and_field(ask(platform, end, input=too_early)) == ("BAD_USER_INPUT", "validUntil")
    ended = change(platform, end, agreementId="kizuna-another", validUntil="2026-02-01T00:00:00+09:00")["agreement"]
    assert ended["version"] == 2
    listed = data(platform, "{ agreements { edges { node { id validUntil evidence } } } }")["agreements"]["edges"]
    [own] = [edge["node"] for edge in listed if edge["node"]["id"] == "kizuna-another"]
    assert (own["validUntil"] is None, own["evidence"]) == (False, "Binder 7")


def test_imports_are_seen(platform: RunningPlatform, keys: dict[str, str]) -> None:
    mapping = {"会員番号": "user_id", "メール": "traits.email"}
    body = {"source_id": CRM, "format": "csv", "mapping": mapping, "as_of": "2026-01-01T00:00:00+09:00"}
    announced = post(platform, "identity", "/v1/imports", body)
    lines = "会員番号,メール\nI-1,i1@example.jp\n,\n".encode()
    with platform.client("identity") as client:
        path = f"/v1/imports/{announced['import_id']}"
        assert client.put(f"{path}/content", params={"offset": 0}, content=lines).status_code == 200
        assert client.post(f"{path}:start").status_code == 202
    query = "query($id: ID!) { import(id: $id) { source state size linesRead accepted rejected mapping } }"

    def seen() -> dict[str, Any]:
        found: dict[str, Any] = data(platform, query, id=announced["import_id"])["import"]
        return found

    wait_for("it is read", lambda: seen()["state"] == "done")
    assert seen()["mapping"] == mapping
    assert (seen()["size"], seen()["accepted"], seen()["rejected"]) == (len(lines), 1, 1)
    wrong = "query($id: ID!) { importLines(importId: $id) { edges { node { line state detail } } } }"
    [edge] = data(platform, wrong, id=announced["import_id"])["importLines"]["edges"]
    assert (edge["node"]["line"], edge["node"]["state"]) == (3, "rejected")
    listed = data(platform, "{ imports(first: 1) { edges { node { id } } } }")["imports"]["edges"]
    assert listed == [{"node": {"id": announced["import_id"]}}]


DISCLOSE = """mutation($input: DiscloseCustomerInput!) { discloseCustomer(input: $input) {
  document missing { service code } disclosure { id customerId formerCustomerIds services missing completedAt } } }"""
ERASE = """mutation($input: EraseCustomerInput!) { eraseCustomer(input: $input) {
  erasure { id customerId state awaiting streamsExpireAt } } }"""
ERASURE = """query($id: ID!) { erasure(id: $id) {
  state completedAt receipts { service erasedAt rows } awaiting requestedBy why } }"""


def test_disclosed_and_erased(platform: RunningPlatform, keys: dict[str, str]) -> None:
    ids = two_customers(platform, keys, "kanari")
    merged = change(platform, MERGE, customerIds=ids, why="The same.")["decision"]
    stays, [former] = merged["customerId"], merged["otherCustomerIds"]
    wait_for("one has both events", lambda: events(platform, stays) == ["Called", "Order Completed"])

    disclosed = change(platform, DISCLOSE, customerId=former, why="Request 17.")
    assert disclosed["missing"] == []
    record = disclosed["disclosure"]
    assert (record["customerId"], record["formerCustomerIds"]) == (stays, [former])
    assert (set(record["services"]), record["missing"]) == (set(SERVICES), [])
    assert record["completedAt"] is not None
    document = disclosed["document"]
    assert set(document["services"]) == set(SERVICES)
    assert "kanari@example.jp" in str(document["services"]["identity"]["tables"])
    assert "Order Completed" in str(document["services"]["profile"]["tables"])
    listed = data(platform, "query($id: ID) { disclosures(customerId: $id) { edges { node { id why } } } }", id=stays)
    assert listed["disclosures"]["edges"] == [{"node": {"id": record["id"], "why": "Request 17."}}]

    erasure = change(platform, ERASE, customerId=stays, why="Request 18.")["erasure"]
    assert erasure["customerId"] == stays
    assert change(platform, ERASE, customerId=stays, why="Request 18.")["erasure"]["id"] == erasure["id"]
    assert data(platform, "query($id: ID!) { customer(id: $id) { id } }", id=stays) == {"customer": None}
    assert data(platform, "query($id: ID!) { customer(id: $id) { id } }", id=former) == {"customer": None}
    wait_for(
        "every service has confirmed",
        lambda: data(platform, ERASURE, id=erasure["id"])["erasure"]["state"] == "complete",
    )
    complete = data(platform, ERASURE, id=erasure["id"])["erasure"]
    assert {receipt["service"] for receipt in complete["receipts"]} == set(SERVICES)
    assert (complete["awaiting"], complete["why"]) == ([], "Request 18.")
    assert code_and_field(ask(platform, DISCLOSE, input={"customerId": NOBODY, "why": "x"}))[0] == "NOT_FOUND"


def changes(customers: list[str], anchor: str) -> dict[str, tuple[str, dict[str, Any]]]:
    """Every change of who is who -> its input's type and an input that is good."""
    one, why = {"customerId": customers[0]}, {"why": "May I?"}
    rules = {"namespaces": [{"name": "user_id", "priority": 1, "limit": 2}]}
    agreement = {
        "agreementId": "not-allowed", "fromEntity": "A", "toEntity": "B", "validFrom": "2026-01-01T00:00:00+09:00",
        "evidence": "none",
    }  # fmt: skip
    return {
        "mergeCustomers": ("MergeCustomersInput", {"customerIds": customers} | why),
        "splitCustomer": ("SplitCustomerInput", one | {"anchorIds": [anchor]} | why),
        "undoDecision": ("UndoDecisionInput", {"decisionId": NOBODY} | why),
        "acceptCandidate": ("DecideOnCandidateInput", {"candidateId": NOBODY} | why),
        "rejectCandidate": ("DecideOnCandidateInput", {"candidateId": NOBODY} | why),
        "undoCandidate": ("DecideOnCandidateInput", {"candidateId": NOBODY} | why),
        "publishRules": ("PublishRulesInput", rules | why),
        "dryRunRules": ("DryRunRulesInput", rules),
        "startLinkingRun": ("StartLinkingRunInput", {"kind": "full"}),
        "updateLinkingSettings": ("UpdateLinkingSettingsInput", {"upper": 0.9, "lower": 0.1}),
        "putAgreement": ("PutAgreementInput", agreement),
        "endAgreement": (
            "EndAgreementInput",
            {"agreementId": "kizuna-another", "validUntil": "2026-03-01T00:00:00+09:00"},
        ),
        "eraseCustomer": ("EraseCustomerInput", one | why),
        "discloseCustomer": ("DiscloseCustomerInput", one | why),
    }


STATE = """query($id: ID!) { identityRules { version } linkingSettings { version } linkingRuns { edges { node { id } } }
  jobs { edges { node { id } } } agreements { edges { node { id version } } } erasures { edges { node { id } } }
  disclosures { edges { node { id } } } decisions { edges { node { id } } } reviewQueue(state: null) { edges { node {
  id state } } } customer(id: $id) { id identityGraph { nodes { anchorId } } } }"""


def test_nothing_is_changed_or_shown_without_the_scope(platform: RunningPlatform, keys: dict[str, str]) -> None:
    customers = two_customers(platform, keys, "reader")
    anchor = data(platform, GRAPH, id=customers[0])["customer"]["identityGraph"]["nodes"][0]["anchorId"]
    before = data(platform, STATE, id=customers[0])
    readers = tuple(f"{service}:read" for service in SERVICES)
    for name, (kind, given) in changes(customers, anchor).items():
        mutation = f"mutation($input: {kind}!) {{ {name}(input: $input) {{ __typename }} }}"
        answer = ask(platform, mutation, scopes=readers, input=given)
        assert answer["data"] == {name: None}, name
        assert code_and_field(answer)[0] == "FORBIDDEN", name
    # the right to configure is none to decide, and neither is one to erase
    for name in ("mergeCustomers", "splitCustomer", "acceptCandidate", "eraseCustomer", "discloseCustomer"):
        kind, given = changes(customers, anchor)[name]
        mutation = f"mutation($input: {kind}!) {{ {name}(input: $input) {{ __typename }} }}"
        answer = ask(platform, mutation, scopes=(*readers, "identity:write"), input=given)
        assert (answer["data"], code_and_field(answer)[0]) == ({name: None}, "FORBIDDEN")
    assert data(platform, STATE, id=customers[0]) == before

    answer = ask(platform, STATE, scopes=("profile:read",), id=customers[0])
    assert {error["extensions"]["code"] for error in answer["errors"]} == {"FORBIDDEN"}
    assert answer["data"]["customer"] == {"id": customers[0], "identityGraph": None}
    assert {name for name, value in answer["data"].items() if value is not None} == {"customer"}
    answer = ask(platform, STATE, scopes=readers, id=customers[0])
    assert {name for name, value in answer["data"].items() if value is None} == {"erasures", "disclosures"}
