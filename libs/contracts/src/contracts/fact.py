"""The common shape of every fact that crosses services."""

from typing import ClassVar
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict


class Data(BaseModel):
    """An immutable value inside a fact. Consumers ignore fields they do not know (additive changes within v1)."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Notice(Data):
    """Something a service made known that concerns no customer: a source, an agreement. Goes to partition 0.

    On the wire like a `Fact`. Notices of one thing carry a `version` where order matters: the highest wins.
    """

    fact_type: ClassVar[str]
    """`<service>.<noun>.<verb-past>.v1`"""

    event_id: UUID
    """The notice's own id: consumers use it to make effects happen once."""
    occurred_at: AwareDatetime


class Fact(Data):
    """Something that happened to a customer, in the past tense, said once by the service that owns it.

    On the wire one CloudEvents message carries a list of facts of one type and one partition:
    `{"facts": [...]}`, at most 256 KB. Subject = `fact_type` + `.` + partition.
    """

    fact_type: ClassVar[str]
    """`<service>.<noun>.<verb-past>.v1`"""

    event_id: UUID
    """The fact's own id: consumers use it to make effects happen once and to name a poison event."""
    customer_id: UUID
    """Canonical when published; a consumer maps it through its own anchor table."""
    anchor_id: UUID
    """The identifier this fact hangs on; it never changes, whatever is merged or split."""
    occurred_at: AwareDatetime
