"""From the front door to resolved events."""

from contracts.identity import IdentifierLinked, ResolvedEvent
from servicekit.testing import RunningService

from .conftest import make_source, send


async def test_an_event_is_resolved(identity: RunningService) -> None:
    auth = await make_source(identity)
    answer = await send(
        identity,
        auth,
        [
            {
                "type": "track",
                "event": "Order Completed",
                "userId": "1",
                "messageId": "m1",
                "properties": {"revenue": 12.5},
            }
        ],
    )
    assert answer == {"success": True, "accepted": 1, "rejected": []}
    await identity.drain()
    [event] = await identity.published(ResolvedEvent)
    assert event.name == "Order Completed"
    [linked] = await identity.published(IdentifierLinked)
    assert (linked.namespace, linked.value, linked.customer_id) == ("user_id", "1", event.customer_id)
