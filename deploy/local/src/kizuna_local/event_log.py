"""Who may do what in NATS, and what exists there. Derived from the declarations in contracts.topology."""

from contracts.topology import CONSUMERS, STREAMS, WRITE_KEYS_BUCKET
from kizuna_local.addresses import SERVICES
from kizuna_local.home import Home
from servicekit.embedded.nats_server import NatsUser

ADMINISTRATOR = "admin"
GATEWAY_READS = ("live.>", "identity.anchors.moved.v1.*", "profile.>", "campaign.>", "delivery.>", "survey.>")


def users(home: Home) -> list[NatsUser]:
    """The administrator (only the launcher uses it), one user per service, and the gateway, which only listens."""
    return [
        NatsUser(ADMINISTRATOR, password(home, ADMINISTRATOR)),
        *(
            NatsUser(name, password(home, name), publish=service_publishes(name), subscribe=(private_inbox(name),))
            for name in SERVICES
        ),
        NatsUser(
            "gateway", password(home, "gateway"), publish=(), subscribe=(*GATEWAY_READS, private_inbox("gateway"))
        ),
    ]


def password(home: Home, user_name: str) -> str:
    """The user's password, made at the first call."""
    return home.secret(f"nats-{user_name}")


def private_inbox(user_name: str) -> str:
    """Answers to one user come in below a prefix of its own: below a shared one it could read the others'."""
    return f"_INBOX_{user_name}.>"


def service_publishes(name: str) -> tuple[str, ...]:
    """The subjects a service may publish on: its own facts, and the API of its own consumers."""
    facts = [subject for stream in STREAMS if stream.owner == name for subject in stream.subjects]
    consumed = [
        subject
        for consumer in CONSUMERS
        if consumer.service == name
        for subject in (
            f"$JS.API.CONSUMER.MSG.NEXT.{consumer.stream}.{name}",
            f"$JS.API.CONSUMER.INFO.{consumer.stream}.{name}",
            f"$JS.ACK.{consumer.stream}.{name}.>",
        )
    ]
    return (*facts, f"live.{name}.>", *consumed, *(_write_key_subjects() if name == "identity" else ()))


async def prepare(administrator_url: str) -> None:
    """Bring streams, consumers and the write keys' bucket to what is declared; a second call changes nothing."""
    from servicekit.topology import provision  # brings NATS's client with it, which only `up` needs

    await provision(administrator_url, STREAMS, CONSUMERS, buckets=[WRITE_KEYS_BUCKET])


def _write_key_subjects() -> tuple[str, ...]:
    """What writing, reading and watching the bucket takes: a bucket is a stream named KV_<bucket>."""
    stream = f"KV_{WRITE_KEYS_BUCKET}"
    return (
        f"$KV.{WRITE_KEYS_BUCKET}.>",
        f"$JS.API.STREAM.INFO.{stream}",
        f"$JS.API.STREAM.MSG.GET.{stream}",
        f"$JS.API.DIRECT.GET.{stream}.>",
        f"$JS.API.DIRECT.GET.{stream}",
        f"$JS.API.CONSUMER.CREATE.{stream}.>",
        f"$JS.API.CONSUMER.CREATE.{stream}",
        f"$JS.API.CONSUMER.INFO.{stream}.>",
        f"$JS.API.CONSUMER.DELETE.{stream}.>",
        f"$JS.FC.{stream}.>",
        "$JS.API.STREAM.NAMES",
    )
