"""Who may use whose links: a link may be used by the legal entity that made it, and by others under an agreement.

Act on the Protection of Personal Information, articles 18 and 27: use stays within the purpose, and another legal
entity (also of one group) is a third party.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple


class Permit(NamedTuple):
    """An agreement in force: `to_entity` may use the links of `from_entity`. No purposes: for every purpose."""

    from_entity: str
    to_entity: str
    purposes: tuple[str, ...]


class Agreements:
    """The agreements in force at one moment."""

    def __init__(self, permits: Iterable[Permit] = ()) -> None:
        self._permits: dict[tuple[str, str], list[tuple[str, ...]]] = {}
        for permit in permits:
            self._permits.setdefault((permit.from_entity, permit.to_entity), []).append(permit.purposes)

    def allows(self, owner: str, user: str, purpose: str | None = None) -> bool:
        """Tell whether `user` may use links of `owner` for a purpose; without one: for any purpose at all."""
        if owner == user:
            return True
        granted = self._permits.get((owner, user), [])
        return any(purpose is None or covers(purposes, purpose) for purposes in granted)

    def owners_for(self, user: str, purpose: str) -> list[str]:
        """Return the legal entities whose links `user` may use for a purpose, itself first."""
        others = {owner for owner, to_entity in self._permits if to_entity == user}
        return [user, *sorted(owner for owner in others - {user} if self.allows(owner, user, purpose))]


def covers(purposes: Sequence[str], purpose: str) -> bool:
    """Tell whether these purposes include one; none named means every purpose."""
    return not purposes or purpose in purposes
