"""What one operation knows about its request."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from gateway.clients import Services
from gateway.documents import Document
from gateway.live import LiveUpdates
from gateway.loaders import Loaders


@dataclass
class OperationContext:
    """Built anew for every operation, also for each operation of one WebSocket: nothing here may outlive it."""

    services: Services
    live: LiveUpdates
    headers: Mapping[str, str]
    """What goes along with every call: the caller's credential and the trace."""
    authenticate: Callable[[], None]
    """Raises when the caller's token is no longer good (it may expire during a subscription)."""
    seconds_between_updates: float = 0.25
    document: Document | None = None

    def renewed(self, document: Document) -> "OperationContext":
        """The same caller's context for another operation."""
        return replace(self, document=document)

    @cached_property
    def loaders(self) -> Loaders:
        """This operation's loaders."""
        return Loaders(self.services, self.headers)
