"""Which customers are held out: drawn by a keyed hash, reproducible and independent of everything else."""

from hashlib import blake2b, sha256
from uuid import UUID

from contracts.campaign import Arm

_SHARES = 2**64


def draw_arm(customer_id: UUID, salt: str, percent: float) -> Arm:
    """Return the customer's arm: `percent` (0-100) of all customers are held out, always the same ones for one salt.

    The draw is made once, with the customer's id at first entry, and stored: it is never repeated after a merge.
    """
    digest = blake2b(customer_id.bytes, key=sha256(salt.encode()).digest(), digest_size=8).digest()
    return "holdout" if int.from_bytes(digest, "big") < percent / 100 * _SHARES else "treatment"
