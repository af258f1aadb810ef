"""One event, one trace: ingest -> identity -> profile -> campaign -> delivery, and nothing of the customer in it."""

import re
from typing import Any

import httpx
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.e2e.traces import ReceivedSpan, Traces
from tests.e2e.world import (
    create_campaign,
    create_journey,
    create_segment,
    create_sources,
    create_template,
    customer_view,
    days_ago,
    identify,
    known,
    mail_step,
    mails,
    order,
    ordered,
    record_opt_ins,
    tell,
)
from tests.running_platform import RunningPlatform, wait_for

STORY = "trace"
ADDRESS = "hanako.tsukimi@example.jp"
NAME = "月見野 花子"
USER_ID = "member-tsukimi-4711"
ORDER_ID = "order-tsukimi-0815"
PERSONAL = ("hanako.tsukimi", "月見野", "花子", USER_ID, ORDER_ID)
EVENT_TRACE = "0af7651916cd43dd8448eb211c80319c"
VIEW_TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
CALLER = "b7ad6b7169203331"
"""The span id of whoever calls us from outside."""
SUBJECT = "ありがとうございます"
ON_THE_WAY = {"kizuna-identity", "kizuna-profile", "kizuna-campaign", "kizuna-delivery"}
SERVICES = ("identity", "profile", "campaign", "delivery", "survey", "gateway")


@pytest.fixture(scope="module", autouse=True)
def traced(platform: RunningPlatform) -> None:
    """One customer has got one mail for one event, and has been looked at."""
    write_key = configure(platform)
    buy(platform, write_key)
    wait_for("the mail has arrived", lambda: list(mails(platform, SUBJECT)) == [ADDRESS], seconds=60)
    look(platform)


def configure(platform: RunningPlatform) -> str:
    """A segment of buyers, a journey that thanks them, a known customer who may be written to; return the write key."""
    create_segment(platform, STORY, name="購入者", condition=ordered(STORY))
    create_template(platform, STORY, subject=SUBJECT)
    create_campaign(platform, STORY, name="御礼")
    create_journey(platform, STORY, name="御礼", segment_key=STORY, steps=[mail_step("mail", STORY)])
    write_key = create_sources(platform, STORY, "shop")["shop"]
    before = days_ago(1)
    registered = identify(USER_ID, traits={"name": NAME, "email": ADDRESS}, messageId="registered", timestamp=before)
    tell(platform, write_key, [registered])
    record_opt_ins(platform, [ADDRESS], recorded_at=before)
    [customer] = known(platform, USER_ID)
    query = "query($id: ID!) { customer(id: $id) { traits { value } } }"
    wait_for("profile knows the customer", lambda: bool(customer_view(platform, query, customer)["traits"]))
    return write_key


def buy(platform: RunningPlatform, write_key: str) -> None:
    """Post ONE event, in a trace that began elsewhere."""
    event: dict[str, Any] = order(STORY, USER_ID, ORDER_ID, revenue=1200, messageId=ORDER_ID)
    answer = httpx.post(
        platform.url("identity") + "/v1/track",
        json=event,
        auth=(write_key, ""),
        headers={"traceparent": f"00-{EVENT_TRACE}-{CALLER}-01"},
        timeout=30,
    )
    assert answer.status_code == 200, answer.text


def look(platform: RunningPlatform) -> None:
    """Ask for the customer's view, in a trace of its own."""
    query = """query($value: String!) { customerByIdentifier(namespace: "user_id", value: $value) {
        traits { value } messages { state } journeys { status } responses { npsScore } } }"""
    with platform.client("gateway") as client:
        answer = client.post(
            "/graphql",
            json={"query": query, "variables": {"value": USER_ID}},
            headers={"traceparent": f"00-{VIEW_TRACE}-{CALLER}-01"},
        ).json()
    assert NAME in {trait["value"] for trait in answer["data"]["customerByIdentifier"]["traits"]}


def steps(spans: list[ReceivedSpan]) -> set[tuple[str, str, int]]:
    """Service, name and kind of the spans that are no SQL statements."""
    return {(span.service, span.name, span.kind) for span in spans if "db.statement" not in span.attributes}


def is_a_tree(spans: list[ReceivedSpan]) -> bool:
    """Whether every span hangs below another one, or below the caller."""
    ids = {span.span_id for span in spans} | {CALLER}
    return all(span.parent_id in ids for span in spans)


def test_one_trace_spans_the_way_of_an_event(platform: RunningPlatform, traces: Traces) -> None:
    expected = {
        ("kizuna-identity", "POST /v1/track", Span.SPAN_KIND_SERVER),
        ("kizuna-identity", "ingest publish", Span.SPAN_KIND_PRODUCER),
        ("kizuna-identity", "ingest process", Span.SPAN_KIND_CONSUMER),
        ("kizuna-identity", "identity publish", Span.SPAN_KIND_PRODUCER),
        ("kizuna-profile", "identity process", Span.SPAN_KIND_CONSUMER),
        ("kizuna-profile", "profile publish", Span.SPAN_KIND_PRODUCER),
        ("kizuna-campaign", "profile process", Span.SPAN_KIND_CONSUMER),
        ("kizuna-campaign", "runs advance", Span.SPAN_KIND_CONSUMER),
        ("kizuna-campaign", "campaign publish", Span.SPAN_KIND_PRODUCER),
        ("kizuna-delivery", "campaign process", Span.SPAN_KIND_CONSUMER),
        ("kizuna-delivery", "messages decide", Span.SPAN_KIND_CONSUMER),
        ("kizuna-delivery", "messages send", Span.SPAN_KIND_CONSUMER),
        ("kizuna-delivery", "POST /v1/traits:batchGet", Span.SPAN_KIND_CLIENT),
        ("kizuna-profile", "POST /v1/traits:batchGet", Span.SPAN_KIND_SERVER),
        ("kizuna-delivery", "smtp deliver", Span.SPAN_KIND_CLIENT),
        ("kizuna-delivery", "delivery publish", Span.SPAN_KIND_PRODUCER),
        ("kizuna-campaign", "delivery process", Span.SPAN_KIND_CONSUMER),
        ("kizuna-profile", "delivery process", Span.SPAN_KIND_CONSUMER),
    }

    def complete() -> bool:
        spans = traces.of(EVENT_TRACE)
        return expected <= steps(spans) and is_a_tree(spans)

    try:
        wait_for("the trace is complete", complete)
    except AssertionError as missing:
        raise AssertionError(f"{missing}; missing: {sorted(expected - steps(traces.of(EVENT_TRACE)))}") from None
    statements = [span for span in traces.of(EVENT_TRACE) if "db.statement" in span.attributes]
    assert {span.service for span in statements} == ON_THE_WAY
    assert {span.kind for span in statements} == {Span.SPAN_KIND_CLIENT}


def test_one_trace_spans_a_view(platform: RunningPlatform, traces: Traces) -> None:
    asked = ("identity", "profile", "delivery", "campaign", "survey")

    def complete() -> bool:
        spans = traces.of(VIEW_TRACE)
        kinds = {(span.service, span.kind) for span in spans}
        calls = {span.name for span in spans if (span.service, span.kind) == ("kizuna-gateway", Span.SPAN_KIND_CLIENT)}
        return (
            ("kizuna-gateway", Span.SPAN_KIND_SERVER) in kinds
            and {(f"kizuna-{service}", Span.SPAN_KIND_SERVER) for service in asked} <= kinds
            and {f"POST {service}" for service in asked} <= calls
            and is_a_tree(spans)
        )

    wait_for("the view's trace is complete", complete)


def test_no_span_says_who(platform: RunningPlatform, traces: Traces) -> None:
    everything = b"".join(traces.bodies)
    assert b"INSERT INTO messages" in everything, "statements are shown"
    for value in PERSONAL:
        assert value.encode() not in everything, value
    shown = {name for span in traces.spans for name in span.attributes}
    assert "db.statement" in shown
    assert not shown & {"db.statement.parameters", "url.full", "url.path", "url.query", "http.url", "http.target"}


def test_metrics_say_how_the_services_are(platform: RunningPlatform) -> None:
    called = {"identity": "/v1/track", "profile": "/v1/traits:batchGet", "gateway": "/graphql"}
    reads = {"identity": "ingest", "profile": "identity", "campaign": "profile", "delivery": "campaign"}
    for service in SERVICES:
        assert httpx.get(f"{platform.url(service)}/metrics").status_code == 401
        with platform.client(service) as client:
            metrics = client.get("/metrics").text
        wanted = [rf'kizuna_http_request_seconds_count{{.*route="{called.get(service, "/.+")}",status="200"}} \d']
        if service != "gateway":  # it has no database and consumes no facts
            wanted += [r"kizuna_outbox_age_seconds \d", r'kizuna_dead_letters_total{stream="\w+",type=".+"} 0\.0']
        if service in reads:
            wanted += [rf'kizuna_consumer_lag_messages{{stream="{reads[service]}"}} \d']
        for line in wanted:
            assert re.search(f"^{line}", metrics, re.MULTILINE), f"{service}: {line}\n{metrics}"
        for value in PERSONAL:
            assert value not in metrics
