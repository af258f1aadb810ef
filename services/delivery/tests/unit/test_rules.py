"""Delivery's rules: their algebra by random inputs, their corners by example."""

from datetime import UTC, datetime, timedelta
from random import Random
from urllib.parse import parse_qs, urlsplit
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from services.delivery.tests.legal_entity_cases import CASES, Case

from delivery_service import rules
from delivery_service.repository.permissions import StatementRow
from delivery_service.rules import Candidate, Cap, Defer, QuietHours, Refuse, Send, Statement
from delivery_service.service.permissions import latest_by_place
from delivery_service.service.sending import SendingRules, ending_of
from delivery_service.smtp import INTERRUPTED, NOT_SENT, UNCERTAIN, Result

NOW = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)
TOKYO = ZoneInfo("Asia/Tokyo")
STATEMENTS = st.builds(
    Statement,
    st.sampled_from(["granted", "withdrawn"]),
    st.integers(0, 3).map(lambda hours: NOW + timedelta(hours=hours)),
)


@given(st.lists(STATEMENTS, min_size=1), st.randoms())
def test_what_holds_does_not_depend_on_the_order_of_arrival(statements: list[Statement], random: Random) -> None:
    shuffled = list(statements)
    random.shuffle(shuffled)

    def fold(said: list[Statement]) -> Statement | None:
        current: Statement | None = None
        for statement in said:
            if rules.prevails(statement, current):
                current = statement
        return current

    assert (
        fold(statements)
        == fold(shuffled)
        == max(statements, key=lambda each: (each.recorded_at, each.status == "withdrawn"))
    )


@given(st.lists(st.tuples(st.sampled_from("ab"), STATEMENTS)))
def test_latest_of_a_batch_is_the_fold_of_each_place(said: list[tuple[str, Statement]]) -> None:
    rows = [
        StatementRow(uuid4(), "email", address, "t", each.status, "b", "", each.recorded_at) for address, each in said
    ]
    for (_, address, _), row in latest_by_place(rows).items():
        of_address = [each for where, each in said if where == address]
        assert (row.recorded_at, row.status == "withdrawn") == max(
            (e.recorded_at, e.status == "withdrawn") for e in of_address
        )


@pytest.mark.parametrize(
    ("span", "local", "end"),
    [
        ("21:00-08:00", "2026-11-20T20:59", None),
        ("21:00-08:00", "2026-11-20T21:00", "2026-11-21T08:00"),
        ("21:00-08:00", "2026-11-21T07:59", "2026-11-21T08:00"),
        ("21:00-08:00", "2026-11-21T08:00", None),
        ("12:00-13:00", "2026-11-20T12:30", "2026-11-20T13:00"),
        ("12:00-13:00", "2026-11-20T13:00", None),
    ],
)
def test_quiet_hours_at_their_edges(span: str, local: str, end: str | None) -> None:
    now = datetime.fromisoformat(local).replace(tzinfo=TOKYO).astimezone(UTC)
    until = QuietHours.parse(span).until(now, TOKYO)
    assert until == (datetime.fromisoformat(end).replace(tzinfo=TOKYO) if end else None)


@given(
    st.tuples(st.times(), st.times()).filter(
        lambda span: (span[0].hour, span[0].minute) != (span[1].hour, span[1].minute)
    ),
    st.timedeltas(timedelta(), timedelta(days=366)).map(lambda passed: NOW + passed),
    st.sampled_from([TOKYO, UTC]),
)
def test_quiet_hours_end_within_a_day_and_are_over_then(span: tuple, now: datetime, zone: ZoneInfo) -> None:
    hours = QuietHours(*(moment.replace(second=0, microsecond=0) for moment in span))
    until = hours.until(now, zone)
    if until is not None:
        assert now < until <= now + timedelta(days=1)
        assert hours.until(until, zone) is None


@pytest.mark.parametrize("text", ["", "21-08", "24:00-08:00", "08:00-08:00", "21:00–08:00"])
def test_quiet_hours_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match="Quiet hours"):
        QuietHours.parse(text)


CANDIDATES = st.builds(
    Candidate,
    category=st.sampled_from([None, "advertising", "transactional"]),
    requested_at=st.just(NOW),
    has_contact_point=st.booleans(),
    may_be_used=st.booleans(),
    suppressed=st.booleans(),
    permission=st.sampled_from([None, "granted", "withdrawn"]),
    cap=st.one_of(st.none(), st.builds(Cap, st.integers(1, 3), st.integers(1, 30))),
    counted=st.integers(0, 4),
)


@given(CANDIDATES, st.one_of(st.none(), st.just(NOW + timedelta(hours=3))), st.integers(0, 20))
def test_a_message_is_sent_only_when_everything_allows_it(
    candidate: Candidate, quiet_until: datetime | None, age_seconds: int
) -> None:
    grace = timedelta(seconds=10)
    now = NOW + timedelta(seconds=age_seconds)
    decision = rules.decide(candidate, now=now, contact_grace=grace, quiet_until=quiet_until)
    if isinstance(decision, Send):
        assert candidate.category is not None and candidate.has_contact_point and not candidate.suppressed
        assert candidate.may_be_used
        assert rules.permits(candidate.category, candidate.permission)
        assert candidate.cap is None or candidate.counted < candidate.cap.messages
        assert quiet_until is None or candidate.category == "transactional"
    elif isinstance(decision, Defer):
        assert decision.until > now  # or it would be looked at for ever
    else:
        assert isinstance(decision, Refuse)
        assert decision.reason not in {"no_contact_point", "legal_entity"} or now >= NOW + grace
    if candidate.permission == "withdrawn":
        assert not isinstance(decision, Send)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.why)
def test_what_one_legal_entity_linked_is_used_by_another_under_an_agreement_only(case: Case) -> None:
    permits = [rules.Permit(one.from_entity, one.to_entity, one.purposes) for one in case.in_force]
    use = None if case.user is None else rules.Use(case.user, case.purpose)
    grants = [rules.Grant(*grant) for grant in case.grants]
    assert rules.may_be_used(grants, use, permits) is case.is_allowed


def test_advertising_needs_an_opt_in() -> None:
    assert [rules.permits("advertising", status) for status in (None, "granted", "withdrawn")] == [False, True, False]
    assert [rules.permits("transactional", status) for status in (None, "granted", "withdrawn")] == [True, True, False]


@pytest.mark.parametrize(
    ("stage", "code", "text", "expected"),
    [
        ("content", 250, "2.0.0 queued", "sent"),
        ("content", 451, "4.3.0 later", "retry"),
        ("content", 554, "5.6.0 no", "rejected"),
        ("recipient", 550, "no such user", "hard_bounce"),
        ("recipient", 550, "5.1.1 no such user", "hard_bounce"),
        ("recipient", 550, "5.7.1 policy", "rejected"),
        ("recipient", 552, "5.2.2 full", "rejected"),
        ("recipient", 554, "no", "rejected"),
        ("recipient", 452, "4.2.2 full", "retry"),
        ("sender", 550, "5.1.0 not you", "rejected"),
        ("sender", 451, "later", "retry"),
    ],
)
def test_smtp_replies(stage: rules.Stage, code: int, text: str, expected: str) -> None:
    assert rules.verdict(stage, code, text) == expected


RESULTS = st.one_of(
    st.sampled_from([NOT_SENT, INTERRUPTED, UNCERTAIN, Result("accepted", "content", 250)]),
    st.builds(
        Result,
        st.just("refused"),
        st.sampled_from(["sender", "recipient", "content"]),
        st.integers(400, 599),
        st.just(""),
    ),
)


@given(RESULTS, st.integers(0, 10))
def test_what_may_have_been_sent_is_never_sent_again(result: Result, attempts: int) -> None:
    limits = SendingRules(TOKYO, None, timedelta(), timedelta(minutes=2), max_attempts=6)
    ending = ending_of(UUID(int=1), result, attempts=attempts, rules=limits, now=NOW)
    if result.kind in {"accepted", "uncertain"}:
        assert ending.state in {"sent", "unknown"} and ending.counted
    else:
        assert not ending.counted
    if ending.state == "requested":
        assert ending.due_at is not None and ending.due_at > NOW
        assert attempts + 1 < limits.max_attempts or result.kind == "not_sent"


def test_backoff_grows_to_hours() -> None:
    assert [rules.backoff(n) // timedelta(minutes=1) for n in (1, 2, 3, 4, 5, 6, 50)] == [1, 4, 16, 64, 240, 240, 240]


@pytest.mark.parametrize(
    "url",
    ["javascript:alert(1)", "//evil.example", "/relative", "https://", "https://a b", "ftp://a", "https://u:p@a/", "https://a:b/",
     "https://a/\r\nSet-Cookie: x", "https://a\\@b/", "data:text/html,x", "https://a/" + "x" * 2000],
)  # fmt: skip
def test_links_that_are_none(url: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        rules.web_address(url)


@given(
    st.sampled_from(
        ["https://a.example/", "https://a.example/p?x=1&y=", "https://a.example/#f", "https://a.example/?utm_source=me"]
    )
)
def test_utm_adds_and_never_replaces(url: str) -> None:
    tagged = rules.with_utm(url, campaign="春のセール", content="shop")
    before, after = (
        parse_qs(urlsplit(url).query, keep_blank_values=True),
        parse_qs(urlsplit(tagged).query, keep_blank_values=True),
    )
    assert before.items() <= after.items()
    assert after["utm_campaign"] == ["春のセール"]
    assert urlsplit(tagged)._replace(query="") == urlsplit(url)._replace(query="")


@pytest.mark.parametrize(
    ("channel", "value", "expected"),
    [("email", " Hanako@Example.COM ", "hanako@example.com"), ("phone", "+81 90-1234-5678", "+819012345678"),
     ("phone", "03 (1234) 5678", "+81312345678"), ("phone", "+81 (0)90-1234-5678", "+819012345678"),
     ("phone", "０９０－１２３４－５６７８", "+819012345678"), ("phone", "+1 201 555 0100", "+12015550100")],
)  # fmt: skip
def test_addresses_are_written_one_way(channel: str, value: str, expected: str) -> None:
    assert rules.normalise_address(channel, value) == expected


@given(st.text())
def test_no_text_becomes_an_address_that_breaks_an_smtp_line(text: str) -> None:
    try:
        address = rules.normalise_address("email", text)
    except ValueError:
        return
    mailbox = rules.deliverable_mailbox(address)
    assert mailbox is None or (mailbox.isascii() and not set(mailbox) & set(" <>\r\n\0"))


def test_mailboxes_smtp_can_carry() -> None:
    assert rules.deliverable_mailbox("a@日本.jp") == "a@xn--wgv71a.jp"
    assert rules.deliverable_mailbox("花子@example.com") is None
    assert rules.deliverable_mailbox("a@b@example.com") is None
