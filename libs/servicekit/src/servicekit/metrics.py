"""Prometheus metrics of one service. Labels never hold personal data."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest


class Metrics:
    """A registry of its own, so that several services can live in one process (tests)."""

    def __init__(self) -> None:
        registry = CollectorRegistry()
        self.registry = registry
        self.requests = Histogram(
            "kizuna_http_request_seconds",
            "HTTP requests by route",
            ["method", "route", "status"],
            registry=registry,
            buckets=(0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
        )
        self.outbox_published = Counter(
            "kizuna_outbox_published_messages", "Messages the relay published", registry=registry
        )
        self.outbox_rows = Gauge("kizuna_outbox_rows", "Messages waiting in the outbox", registry=registry)
        self.outbox_age = Gauge("kizuna_outbox_age_seconds", "Age of the oldest fact in the outbox", registry=registry)
        self.consumer_lag = Gauge(
            "kizuna_consumer_lag_messages", "Messages not yet delivered", ["stream"], registry=registry
        )
        self.facts = Counter("kizuna_consumed_facts", "Facts handled", ["stream", "type"], registry=registry)
        self.dead_letters = Counter(
            "kizuna_dead_letters", "Facts put aside as poison", ["stream", "type"], registry=registry
        )

    def exposition(self) -> bytes:
        """Return the metrics in Prometheus text format."""
        return generate_latest(self.registry)
