"""Questionnaires: versions, preconditions, problems with their path."""

from typing import Any

from servicekit.testing import RunningService

PATH = "/v1/questionnaires/after_purchase"


async def test_another_content_is_another_version_the_same_is_not(
    survey: RunningService, questionnaire: dict[str, Any]
) -> None:
    headers = survey.headers()
    first = await survey.client.put(PATH, json=questionnaire, headers=headers)
    again = await survey.client.put(PATH, json=questionnaire, headers=headers)
    changed = await survey.client.put(PATH, json={**questionnaire, "title": "Your visit"}, headers=headers)
    assert [(r.status_code, r.headers["ETag"]) for r in (first, again, changed)] == [
        (201, '"1"'),
        (200, '"1"'),
        (200, '"2"'),
    ]
    present = (await survey.client.get(PATH, headers=headers)).json()
    former = (await survey.client.get(PATH, params={"version": 1}, headers=headers)).json()
    assert (present["title"], former["title"]) == ("Your visit", "Your last purchase")
    assert former["questions"][3]["shown_when"]["at_most"] == 6
    listed = (await survey.client.get("/v1/questionnaires", headers=headers)).json()["items"]
    assert [(item["key"], item["version"], item["questions"]) for item in listed] == [("after_purchase", 2, 5)]


async def test_if_match_protects_a_change(survey: RunningService, questionnaire: dict[str, Any]) -> None:
    headers = survey.headers()
    missing = await survey.client.put(PATH, json=questionnaire, headers={**headers, "If-Match": '"1"'})
    assert missing.status_code == 412
    await survey.client.put(PATH, json=questionnaire, headers=headers)
    changed = {**questionnaire, "title": "Your visit"}
    stale = await survey.client.put(PATH, json=changed, headers={**headers, "If-Match": '"2"'})
    good = await survey.client.put(PATH, json=changed, headers={**headers, "If-Match": '"1"'})
    assert (stale.status_code, good.status_code) == (412, 200)


async def test_a_questionnaire_that_makes_no_sense_is_refused_with_its_paths(
    survey: RunningService, questionnaire: dict[str, Any]
) -> None:
    questionnaire["questions"][3]["shown_when"] = {"question_key": "nothing", "at_most": 6}
    questionnaire["questions"][4]["key"] = "recommend"
    refused = await survey.client.put(PATH, json=questionnaire, headers=survey.headers())
    assert refused.status_code == 422
    assert refused.headers["content-type"] == "application/problem+json"
    assert {error["field"] for error in refused.json()["errors"]} == {
        "questions.3.shown_when.question_key",
        "questions.4.key",
    }
    assert (await survey.client.get(PATH, headers=survey.headers())).status_code == 404


async def test_a_wrong_type_deep_inside_is_named_by_its_path(
    survey: RunningService, questionnaire: dict[str, Any]
) -> None:
    questionnaire["questions"][1]["options"][0]["text"] = 5
    questionnaire["questions"][2]["colour"] = "red"
    refused = await survey.client.put(PATH, json=questionnaire, headers=survey.headers())
    assert refused.status_code == 422
    assert {error["field"] for error in refused.json()["errors"]} == {
        "questions.1.options.0.text",
        "questions.2.colour",
    }


async def test_reading_and_writing_need_their_scopes(survey: RunningService, questionnaire: dict[str, Any]) -> None:
    for headers, status in (
        ({}, 401),
        ({"Authorization": "Bearer nonsense"}, 401),
        (survey.headers("survey:read"), 403),
    ):
        refused = await survey.client.put(PATH, json=questionnaire, headers=headers)
        assert refused.status_code == status
    assert (await survey.client.get(PATH, headers=survey.headers("profile:read"))).status_code == 403
