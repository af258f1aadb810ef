"""A list goes to identity as a file: announced, sent in pieces, started, followed. Each step may be repeated."""

from collections.abc import Callable, Sequence

from kizuna_demo.errors import StoryError
from kizuna_demo.group_lists import GroupList
from kizuna_demo.patience import patiently
from kizuna_demo.platform import Json, Platform, chunks
from kizuna_demo.progress import ImportedList
from kizuna_demo.waiting import wait_until
from kizuna_demo.world import World

PIECE_BYTES = 64 * 1024
_IMPORTS = "/v1/imports"


async def bring_list(
    platform: Platform, world: World, listed: GroupList, *, on_progress: Callable[[int], None]
) -> ImportedList:
    """Have identity read a list; returns when every line is accepted or rejected.

    The list is announced under a key of its own: told again, it is the import of before, and goes on where it stopped.
    Raises StoryError when the import as a whole fails.
    """
    announced = await platform.post(
        "identity", _IMPORTS, listed.announcement(world), idempotency_key=f"demo-{world.today}-{listed.source}"
    )
    import_id = announced["import_id"]
    await _send(platform, import_id, listed.content)
    await platform.post("identity", f"{_IMPORTS}/{import_id}:start", {})
    done = await wait_until(
        lambda: platform.get("identity", f"{_IMPORTS}/{import_id}"),
        lambda seen: seen["state"] in {"done", "failed", "cancelled"},
        what=f"the list of {listed.source} should be read",
        on_change=lambda seen: on_progress(seen["lines_read"]),
    )
    if done["state"] != "done":
        raise StoryError(f"The import of {listed.source} is {done['state']}: {done['problem']}")
    rejected = await platform.get("identity", f"{_IMPORTS}/{import_id}/lines", state="rejected", first=100)
    return ImportedList(
        source=listed.source,
        accepted=done["accepted"],
        rejected=done["rejected"],
        rejected_lines=[{name: line[name] for name in ("line", "field", "detail")} for line in rejected["items"]],
    )


async def _send(platform: Platform, import_id: str, content: bytes) -> None:
    """Send the rest of the content, a piece at a time; what identity has already is asked before each attempt."""
    address = f"{platform.credentials.address('identity')}{_IMPORTS}/{import_id}"

    async def send_next() -> bool:
        """Whether something may be left."""
        seen = await platform.attempt("GET", address)
        offset = seen["size"]
        if seen["state"] != "uploading" or offset >= len(content):
            return False
        await platform.attempt(
            "PUT", f"{address}/content", content=content[offset : offset + PIECE_BYTES], parameters={"offset": offset}
        )
        return True

    while await patiently(send_next, what=f"PUT {address}/content"):
        pass


async def wait_until_known(
    platform: Platform, namespace: str, values: Sequence[str], *, on_progress: Callable[[int], None] = lambda _: None
) -> None:
    """Wait until each of these identifiers belongs to somebody. Raises StoryError when that does not come to be."""
    remaining = values

    async def look() -> int:
        nonlocal remaining
        found = [await look_up(platform, namespace, some) for some in chunks(remaining)]
        known = {value for one in found for value in one}
        remaining = [value for value in remaining if value not in known]
        return len(remaining)

    await wait_until(
        look,
        lambda left: left == 0,
        what=f"all identifiers {namespace} should be linked",
        on_change=lambda left: on_progress(len(values) - left),
    )


async def look_up(platform: Platform, namespace: str, values: Sequence[str]) -> dict[str, Json]:
    """value -> {customer_id, anchor_id} of those identity knows; at most 1000 at a time."""
    wanted = [{"namespace": namespace, "value": value} for value in values]
    answer = await platform.post("identity", "/v1/identifiers:batchLookup", {"identifiers": wanted})
    return {entry["value"]: entry for entry in answer["identifiers"] if entry["customer_id"]}
