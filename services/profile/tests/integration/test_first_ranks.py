"""Ranks can be brought by somebody who reads before writing, also when there are none yet."""

from servicekit.testing import RunningService

RANKS = {
    "ranks": [
        {
            "key": "regular",
            "name": "Regular",
            "condition": {"kind": "event_count", "event": "Order Completed", "comparison": "ge", "value": 1},
        }
    ]
}


async def test_the_version_that_reading_says_is_the_one_writing_demands(profile_at_rest: RunningService) -> None:
    headers = profile_at_rest.headers("profile:read", "profile:write")
    address = "/v1/ranks/default"
    for expected_status in (201, 200):
        etag = (await profile_at_rest.client.get(address, headers=headers)).headers["ETag"]
        written = await profile_at_rest.client.put(address, json=RANKS, headers={**headers, "If-Match": etag})
        assert written.status_code == expected_status
    stale = await profile_at_rest.client.put(address, json=RANKS, headers={**headers, "If-Match": '"0"'})
    assert stale.status_code == 412
