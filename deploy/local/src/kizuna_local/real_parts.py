"""PostgreSQL and NATS as this home and these ports have them."""

from kizuna_local import event_log
from kizuna_local.addresses import Addresses
from kizuna_local.home import Home
from servicekit.embedded.nats_server import EmbeddedNats
from servicekit.embedded.postgres import EmbeddedPostgres


def build_postgres(home: Home) -> EmbeddedPostgres:
    """The cluster of this home, not started."""
    return EmbeddedPostgres(home.postgres, log_file=home.log_file("postgres"))


def build_nats(home: Home, addresses: Addresses) -> EmbeddedNats:
    """The event log of this home, not started."""
    return EmbeddedNats(
        home.nats,
        port=addresses.port("nats"),
        monitor_port=addresses.port("nats-monitor"),
        users=event_log.users(home),
        log_file=home.log_file("nats"),
    )
