"""How frequent each value of a column is, told carefully: in a small base two Satos are not "every customer is a
Sato"."""

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

_UNSEEN_RECORDS = 200
"""As if so many more records with other values had been seen (additive smoothing)."""


def frequencies(values: Iterable[str | None], column: str) -> "pa.Table":
    """Columns `<column>` and `tf_<column>`: value -> its smoothed share of the values that are there."""
    import pyarrow as pa

    times = Counter(value for value in values if value is not None)
    total = sum(times.values()) + _UNSEEN_RECORDS
    return pa.table(
        {
            column: pa.array(list(times), pa.string()),
            f"tf_{column}": pa.array([count / total for count in times.values()], pa.float64()),
        }
    )
