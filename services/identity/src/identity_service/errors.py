"""The front door's refusals. SDKs know Segment's statuses and shape, so these are not problem+json."""

from identity_service.rules.tracking import Rejected
from servicekit.errors import Unavailable
from servicekit.nats import PUBLISH_ERRORS

UNAVAILABLE: tuple[type[Exception], ...] = (Unavailable, *PUBLISH_ERRORS)
"""What NATS' client raises when the event log does not answer, or not as it should."""


class TrackingError(Exception):
    """A request of the tracking API that is not taken."""

    status = 400
    code = "invalid_request"
    retry_after: int | None = None

    def __init__(self, detail: str, *, field: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.field = field
        self.rejected: list[Rejected] = []


class InvalidRequest(TrackingError):
    """The body as a whole is bad or too large."""


class InvalidEvent(TrackingError):
    """The only event of the request is bad."""

    code = "invalid_event"

    def __init__(self, rejected: Rejected) -> None:
        super().__init__(rejected.detail, field=rejected.field or None)
        self.rejected = [rejected]


class UnknownWriteKey(TrackingError):
    """No source has this write key (Segment answers 200 here; a wrong key would go unnoticed for weeks)."""

    status = 401
    code = "unauthorized"

    def __init__(self) -> None:
        super().__init__(
            "Pass the source's write key: as Basic user with an empty password, or as writeKey in the body."
        )


class StoreUnavailable(TrackingError):
    """The event log is down or full. SDKs try again."""

    status = 503
    code = "unavailable"
    retry_after = 2

    def __init__(self) -> None:
        super().__init__("Events cannot be stored now. Send the request again later.")
