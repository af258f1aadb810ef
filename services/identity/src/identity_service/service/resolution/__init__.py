"""The resolver's use case: a batch of events becomes links, moves and resolved events, at once.

Several resolvers may be at work. A batch is read without locks and computed; what it changes is written on the versions
of the customers that were read, or the batch is done again.

`arrivals` reads what the event log holds, `lookup` what the link graph knows of it, `batch` decides and writes.
"""

from identity_service.service.resolution.arrivals import Arrivals, read_arrivals, rejection
from identity_service.service.resolution.batch import Traced, resolve_batch

__all__ = ["Arrivals", "Traced", "read_arrivals", "rejection", "resolve_batch"]
