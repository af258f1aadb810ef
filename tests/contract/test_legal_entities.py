"""Identity (of links) and delivery (of contact points) mean the same by what a legal entity may use."""

import pytest
from services.delivery.tests.legal_entity_cases import CASES, Case

from identity_service.rules.agreements import Agreements, Permit, covers

RESTRICTED = [case for case in CASES if case.owner is not None and case.user is not None]


@pytest.mark.parametrize("case", RESTRICTED, ids=lambda case: case.why)
def test_identity_answers_as_delivery_does(case: Case) -> None:
    assert case.user is not None
    agreements = Agreements(Permit(one.from_entity, one.to_entity, one.purposes) for one in case.in_force)
    allowed = [
        agreements.allows(owner, case.user, case.purpose) and covers(collected_for, case.purpose)
        for owner, collected_for in case.grants
        if owner is not None
    ]
    assert any(allowed) is case.is_allowed
