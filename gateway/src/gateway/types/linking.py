"""The review queue: two customers side by side who are probably one person."""

import strawberry
from msgspec import structs

from gateway.answers import linking
from gateway.loaders import Loaders
from gateway.types import fields
from gateway.types.customer import Customer, find_customer
from gateway.types.identity_records import CandidateDecision, ComparedField
from gateway.types.scalars import DateTime


@strawberry.type(description="Two customers who are probably one person, and what was decided on them.")
class Candidate:
    """A candidate and the loaders the two customers are read through."""

    id: strawberry.ID
    customer_id: strawberry.ID = strawberry.field(
        description="In review who it is now, later who it was when it was decided."
    )
    other_customer_id: strawberry.ID
    score: float
    state: str = strawberry.field(description="review, linked, accepted, rejected, undone or stale.")
    run_id: strawberry.ID
    created_at: DateTime
    scored_at: DateTime
    fields_compared: strawberry.Private[list[linking.ComparedFieldRow]]
    contradiction: str | None = strawberry.field(
        description="Why a pair above the upper threshold waits for review all the same."
    )
    decided_by: str | None
    decided_at: DateTime | None
    why: str | None
    decision_id: strawberry.ID | None = strawberry.field(description="Of the merge, when it was linked or accepted.")
    known_history: strawberry.Private[list[linking.CandidateDecisionRow] | None]
    loaders: strawberry.Private[Loaders]

    @fields.field(description="Who `customerId` is now; null when erased.")
    async def customer(self) -> Customer | None:
        """From identity."""
        return await find_customer(self.loaders, self.customer_id)

    @fields.field(description="Who `otherCustomerId` is now; null when erased.")
    async def other_customer(self) -> Customer | None:
        """From identity."""
        return await find_customer(self.loaders, self.other_customer_id)

    @fields.field(graphql_type=list[CandidateDecision] | None, description="What was decided on it, in order.")
    async def history(self) -> list[linking.CandidateDecisionRow]:
        """From identity."""
        if self.known_history is not None:
            return self.known_history
        return (await self.loaders.candidates.load(self.id)).history

    # the last one: below it the class knows `fields` as this
    @fields.field(graphql_type=list[ComparedField], description="Side by side.")
    def fields(self) -> list[linking.ComparedFieldRow]:
        """As identity compared them."""
        return self.fields_compared


def candidate_of(row: linking.CandidateRow, loaders: Loaders) -> Candidate:
    """The candidate that identity answered."""
    values = structs.asdict(row)
    return Candidate(
        **{name: value for name, value in values.items() if name not in {"fields", "history"}},
        fields_compared=row.fields,
        known_history=row.history if isinstance(row, linking.CandidateWithHistory) else None,
        loaders=loaders,
    )
