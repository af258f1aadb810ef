"""What is kept of a customer's signs: the joins that read it, and until when a sign is shown by it."""

from uuid import UUID

from profile_service.conditions import nodes as n
from profile_service.conditions.aggregates import Aggregates
from profile_service.conditions.json_values import Parameters
from profile_service.conditions.scans import NOW


class KeptSigns:
    """A join for each sign that is asked for; of whoever has no row, every column is null."""

    def __init__(self, parameters: Parameters, aggregates: Aggregates) -> None:
        self._parameters = parameters
        self._aggregates = aggregates
        self._aliases: dict[UUID, str] = {}

    def joins(self) -> list[str]:
        """One per sign."""
        return [
            f"LEFT JOIN customer_signs AS {alias} ON {alias}.customer_id = t.customer_id"
            f" AND {alias}.sign_id = {self._parameters.add(sign_id, 'uuid')}"
            for sign_id, alias in self._aliases.items()
        ]

    def lasts_until(self, node: n.SignLasts) -> str:
        """The moment at which a sign whose condition holds no more ceases to be shown; null: it never was."""
        return f"{self._alias(node.sign_id)}.renewed_at + {self._aggregates.hours(node.hours)}"

    def detected_until(self, node: n.SignDetected, holds: str) -> str:
        """The moment at which the last detection is too long ago, or the sign is shown no more.

        What is a detection, and what is not, is decided as in `detecting.sign_parts`. Who shows the sign without a
        detection on record is detected by this very evaluation. `holds`: what its condition says now.
        """
        kept, within = self._alias(node.lasts.sign_id), self._aggregates.hours(node.within)
        known = f"COALESCE({kept}.detected_at, {NOW}) + {within}"
        is_new = f"NOT {kept}.is_active AND NOT ({kept}.holds AND {kept}.renewed_at IS NOT NULL)"
        return (
            f"CASE WHEN {holds} THEN CASE WHEN {is_new} THEN {NOW} + {within} ELSE {known} END"
            f" ELSE LEAST({self.lasts_until(node.lasts)}, CASE WHEN {kept}.renewed_at IS NOT NULL THEN {known} END) END"
        )

    def _alias(self, sign_id: UUID) -> str:
        return self._aliases.setdefault(sign_id, f"g{len(self._aliases)}")
