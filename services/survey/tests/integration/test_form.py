"""The form behind a personal link: a phone without JavaScript, step by step, and programs with JSON."""

import asyncio
import base64
import hashlib
import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any

import httpx

from contracts.survey import CommitmentChanged, CommitmentMade, InvitationIssued, ResponseReceived
from servicekit.clock import FrozenClock
from servicekit.testing import RunningService

Invite = Callable[..., Awaitable[list[InvitationIssued]]]
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8", "Accept-Language": "en-GB,en;q=0.9,ja;q=0.5"}


class Page(HTMLParser):
    """What matters of a page: the elements with their attributes, in order, and its text."""

    VOID = frozenset({"meta", "input", "br", "link", "img"})

    def __init__(self, response: httpx.Response) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(response.text)
        assert self._open == [], f"left open: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"{tag} repeats an attribute"
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str, **attributes: str) -> list[dict[str, str]]:
        """Return the attributes of every such element."""
        return [found for name, found in self.elements if name == tag and attributes.items() <= found.items()]

    def checked(self) -> set[tuple[str, str]]:
        """Return (name, value) of everything ticked."""
        return {(found["name"], found["value"]) for found in self.all("input") if "checked" in found}


def check_accessible(page: Page, *, language: str) -> None:
    """Hold a page to what WCAG 2.2 asks of its structure."""
    assert page.all("html") == [{"lang": language}]
    assert page.all("meta", name="viewport") == [{"name": "viewport", "content": "width=device-width, initial-scale=1"}]
    assert len(page.all("h1")) == len(page.all("main")) == len(page.all("title")) == 1
    ids = [found["id"] for _, found in page.elements if "id" in found]
    assert len(ids) == len(set(ids))
    for _, found in page.elements:  # every reference leads somewhere on the page
        for target in (found.get("aria-describedby", "") + " " + found.get("aria-labelledby", "")).split():
            assert target in ids
        assert not found.get("href", "#").startswith("#") or found.get("href", "#")[1:] in ["", *ids]
        assert "style" not in found
        assert not any(name.startswith("on") for name in found)
        assert not found.get("src", "") and not found.get("href", "").startswith(("http:", "https:", "//"))
    assert not page.all("script")
    assert len(page.all("fieldset")) == len(page.all("legend"))
    labelled = {found.get("for") for found in page.all("label")}
    assert all(found["id"] in labelled for found in page.all("textarea"))
    choices = [found for found in page.all("input") if found["type"] != "hidden"]
    # each choice stands inside its own label
    assert len(choices) == len([found for found in page.all("label") if "for" not in found])


def check_headers(response: httpx.Response) -> None:
    """Hold an answer to the headers of a page that is reached by a secret address."""
    policy = response.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    (style,) = re.findall(r"<style>(.*?)</style>", response.text, re.DOTALL)
    assert base64.b64encode(hashlib.sha256(style.encode()).digest()).decode() in policy
    assert "frame-ancestors 'none'" in policy
    assert response.headers["Cache-Control"] == "no-store"
    assert "noindex" in response.headers["X-Robots-Tag"]
    assert response.headers["Referrer-Policy"] == "no-referrer"


async def post(survey: RunningService, url: str, fields: dict[str, str | list[str]], page: str = "questions") -> Any:
    """Post a page as a browser does."""
    data = {"page": page, **{f"answer-{key}": value for key, value in fields.items()}}
    return await survey.client.post(url, data=data, headers=BROWSER)


async def test_a_customer_answers_follows_up_and_is_thanked(survey: RunningService, invite: Invite) -> None:
    (invitation,) = await invite()
    shown = await survey.client.get(invitation.url, headers=BROWSER)
    check_headers(shown)
    page = Page(shown)
    check_accessible(page, language="en")
    assert [found["value"] for found in page.all("input", name="answer-recommend")] == [str(n) for n in range(11)]
    assert page.all("input", name="answer-improve") == page.all("textarea") == []

    posted = await post(survey, invitation.url, {"recommend": "4", "reasons": ["price"], "offer": ["new_arrivals"]})
    assert posted.status_code == 303
    assert posted.headers["location"].endswith("?page=follow_up")
    follow_up = await survey.client.get(httpx.URL(invitation.url).join(posted.headers["location"]), headers=BROWSER)
    page = Page(follow_up)
    check_accessible(page, language="en")
    assert [found["name"] for found in page.all("textarea")] == ["answer-improve"]
    assert "your answers have been received" in page.text

    posted = await post(survey, invitation.url, {"improve": "Faster delivery"}, page="follow_up")
    thanks = await survey.client.get(httpx.URL(invitation.url).join(posted.headers["location"]), headers=BROWSER)
    check_headers(thanks)
    page = Page(thanks)
    check_accessible(page, language="en")
    assert "We will think about every word." in page.text
    assert "Tell me first when new arrivals come" in page.text

    facts = await survey.published(ResponseReceived)
    assert [fact.revision for fact in facts] == [1, 2]
    assert {answer.question_key: answer.value for answer in facts[-1].answers} == {
        "recommend": 4,
        "reasons": ["price"],
        "offer": ["new_arrivals"],
        "improve": "Faster delivery",
    }
    assert facts[-1].nps_score == 4
    assert (facts[-1].customer_id, facts[-1].run_id) == (invitation.customer_id, invitation.run_id)
    (made,) = await survey.published(CommitmentMade)
    assert (made.kind, made.subject, made.status, made.owner_department) == (
        "tell_me_first",
        "new_arrivals",
        "open",
        "crm",
    )
    assert str(made.due_on) == "2026-12-02"


async def test_errors_stand_beside_the_field_and_in_a_summary(survey: RunningService, invite: Invite) -> None:
    (invitation,) = await invite()
    refused = await post(survey, invitation.url, {"reasons": ["price"]})
    assert refused.status_code == 422
    check_headers(refused)
    page = Page(refused)
    check_accessible(page, language="en")
    assert page.text.strip().startswith("Error: Your last purchase")
    (summary,) = page.all("div", role="alert")
    assert "autofocus" in summary and summary["tabindex"] == "-1"
    assert {"href": "#answer-recommend"} in page.all("a")
    group = page.all("fieldset", role="radiogroup")[0]
    assert group["aria-invalid"] == "true"
    assert "answer-recommend-problem" in group["aria-describedby"]
    assert ("answer-reasons", "price") in page.checked()
    assert await survey.published(ResponseReceived) == []

    for fields in ({"recommend": "11"}, {"recommend": "4", "colour": "red"}, {"recommend": ["4", "5"]}):
        assert (await post(survey, invitation.url, fields)).status_code == 422  # type: ignore[arg-type]  # several types
    required = await post(survey, invitation.url, {"recommend": "4"})
    assert required.status_code == 303
    empty = await post(survey, invitation.url, {"improve": " "}, page="follow_up")
    assert empty.status_code == 422
    assert "answer-improve-problem" in Page(empty).all("textarea")[0]["aria-describedby"]


async def test_nothing_answered_is_no_answer(
    survey: RunningService, invite: Invite, questionnaire: dict[str, Any]
) -> None:
    questionnaire["questions"] = [{**questionnaire["questions"][0], "required": False}, questionnaire["questions"][2]]
    (invitation,) = await invite()
    for page in ("questions", "follow_up"):
        refused = await post(survey, invitation.url, {}, page=page)
        assert refused.status_code == 422
        assert "Nothing is answered yet" in Page(refused).text
    problem = (await survey.client.post(invitation.url, json={"answers": {}})).json()
    assert [error["field"] for error in problem["errors"]] == ["answers"]
    assert (await post(survey, invitation.url, {"offer": ["price"]})).status_code == 303
    assert (await post(survey, invitation.url, {})).status_code == 303  # a promise can be taken back
    covered = await survey.client.get("/v1/coverage", headers=survey.headers())
    assert (covered.json()["invited"], covered.json()["answered"]) == (1, 0)
    assert [fact.status for fact in await survey.published(CommitmentChanged)] == ["withdrawn"]


async def test_the_second_page_cannot_be_sent_first(survey: RunningService, invite: Invite) -> None:
    (invitation,) = await invite()
    refused = await post(survey, invitation.url, {}, page="follow_up")
    assert refused.status_code == 422
    assert {"href": "#answer-recommend"} in Page(refused).all("a")


async def test_impatient_fingers_make_one_response(survey: RunningService, invite: Invite) -> None:
    (invitation,) = await invite()
    fields: dict[str, str | list[str]] = {"recommend": "9", "offer": ["price"]}
    answers = await asyncio.gather(*(post(survey, invitation.url, fields) for _ in range(8)))
    assert {answer.status_code for answer in answers} == {303}
    assert [fact.revision for fact in await survey.published(ResponseReceived)] == [1]
    assert len(await survey.published(CommitmentMade)) == 1


async def test_markup_in_answers_stays_text(survey: RunningService, invite: Invite) -> None:
    (invitation,) = await invite()
    await post(survey, invitation.url, {"recommend": "10"})
    attack = "</textarea><script>alert(1)</script>"
    await post(survey, invitation.url, {"praise": attack}, page="follow_up")
    shown = await survey.client.get(f"{invitation.url}?page=follow_up", headers=BROWSER)
    assert "<script>" not in shown.text
    assert attack in Page(shown).text


async def test_a_double_submit_changes_nothing_a_revision_replaces(
    survey: RunningService, invite: Invite, clock: FrozenClock
) -> None:
    (invitation,) = await invite()
    fields: dict[str, str | list[str]] = {"recommend": "9", "offer": ["new_arrivals", "price"]}
    for _ in range(2):
        assert (await post(survey, invitation.url, fields)).status_code == 303
    await post(survey, invitation.url, {"praise": "The people"}, page="follow_up")
    clock.advance(timedelta(days=1))
    shown = Page(await survey.client.get(invitation.url, headers=BROWSER))
    assert shown.checked() == {
        ("answer-recommend", "9"),
        ("answer-offer", "new_arrivals"),
        ("answer-offer", "price"),
    }
    await post(survey, invitation.url, {"recommend": "8", "offer": ["price"]})
    facts = await survey.published(ResponseReceived)
    assert [fact.revision for fact in facts] == [1, 2, 3]
    assert [answer.question_key for answer in facts[-1].answers] == ["recommend", "offer"]  # praise is not asked at 8
    (changed,) = await survey.published(CommitmentChanged)
    assert (changed.subject, changed.status) == ("new_arrivals", "withdrawn")
    assert len(await survey.published(CommitmentMade)) == 2


async def test_links_that_lead_nowhere_are_explained(
    survey: RunningService, invite: Invite, clock: FrozenClock
) -> None:
    (invitation,) = await invite()
    token = invitation.url.rsplit("/", 1)[1]
    for wrong in ("nonsense", token[:-5] + "AAAAA", "%00", "あ", "x" * 300):
        missing = await survey.client.get(f"/f/{wrong}", headers=BROWSER)
        assert missing.status_code in {404, 422}
    unknown = await survey.client.get("/f/nonsense", headers=BROWSER)
    assert unknown.status_code == 404
    check_headers(unknown)
    check_accessible(Page(unknown), language="en")
    clock.advance(timedelta(days=15))
    for answer in (
        await survey.client.get(invitation.url, headers=BROWSER),
        await post(survey, invitation.url, {"recommend": "9"}),
    ):
        assert answer.status_code == 410
        check_accessible(Page(answer), language="en")
    assert await survey.published(ResponseReceived) == []


async def test_a_japanese_questionnaire_has_a_japanese_frame(
    survey: RunningService, invite: Invite, questionnaire: dict[str, Any]
) -> None:
    questionnaire |= {"language": "ja", "title": "お買い物について"}
    (invitation,) = await invite()
    page = Page(await survey.client.get(invitation.url, headers=BROWSER))
    check_accessible(page, language="ja")
    assert "2026年11月16日 12:00まで" in page.text
    assert "回答を送る" in page.text
    assert "お答えください。" in Page(await post(survey, invitation.url, {})).text


async def test_an_issued_link_keeps_the_version_it_was_issued_with(
    survey: RunningService, invite: Invite, questionnaire: dict[str, Any]
) -> None:
    (before,) = await invite()
    questionnaire["title"] = "Something else"
    (after,) = await invite()
    for invitation, title in ((before, "Your last purchase"), (after, "Something else")):
        shown = await survey.client.get(invitation.url, headers={"Accept": "application/json"})
        assert shown.json()["title"] == title


async def test_programs_answer_in_json(survey: RunningService, invite: Invite) -> None:
    (invitation,) = await invite()
    asked = (await survey.client.get(invitation.url, headers={"Accept": "application/json"})).json()
    kinds = [question["kind"] for question in asked["questions"]]
    assert kinds == ["nps", "multiple_choice", "commitment", "text", "text"]
    assert asked["revision"] == 0
    body = {"answers": {"recommend": 10, "offer": ["price"], "praise": "Everything"}}
    first = await survey.client.post(invitation.url, json=body)
    again = await survey.client.post(invitation.url, json=body)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["changed"] and not again.json()["changed"]
    assert {**first.json(), "changed": False} == again.json()
    assert first.json()["nps_score"] == 10
    assert [(c["subject"], c["status"]) for c in first.json()["commitments"]] == [("annual_plan", "open")]
    revised = (await survey.client.post(invitation.url, json={"answers": {"recommend": 7}})).json()
    assert revised["revision"] == 2
    assert [commitment["status"] for commitment in revised["commitments"]] == ["withdrawn"]


async def test_json_problems_name_the_answer(survey: RunningService, invite: Invite) -> None:
    (invitation,) = await invite()
    for body, fields in (
        ({"answers": {"recommend": 11, "colour": "red"}}, {"answers.recommend", "answers.colour"}),
        ({"answers": {"recommend": 3}}, {"answers.improve"}),
        ({"answers": {"recommend": 3.5, "reasons": [1]}}, {"answers.recommend", "answers.reasons"}),
        ({"answers": {}, "more": 1}, {"more"}),
        ({}, {"answers"}),
    ):
        refused = await survey.client.post(invitation.url, json=body)
        assert refused.status_code == 422, refused.text
        assert refused.headers["content-type"] == "application/problem+json"
        assert {error["field"] for error in refused.json()["errors"]} == fields
    for content, kind, status in (
        (b"{", "application/json", 400),
        (b'{"answers": {"recommend": 9}}', "text/plain", 415),
        (b"page=questions&answer-recommend=%FF", "application/x-www-form-urlencoded", 400),
        (b"x" * 600_000, "application/json", 413),
        (b"a=&" * 600, "application/x-www-form-urlencoded", 400),
    ):
        refused = await survey.client.post(invitation.url, content=content, headers={"Content-Type": kind})
        assert refused.status_code == status
    assert await survey.published(ResponseReceived) == []
