"""The SMTP side: takes whatever is sent."""

from aiosmtpd.smtp import SMTP, Envelope, Session

from kizuna_local.mailbox.store import MailStore
from servicekit.clock import Clock

MAX_MESSAGE_BYTES = 32 * 1024 * 1024


class StoringHandler:
    """aiosmtpd's hooks. A mail is answered with 250 when it is in the file."""

    def __init__(self, store: MailStore, *, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 (aiosmtpd's name)
        content = envelope.content
        if not isinstance(content, bytes):
            return "554 The message is empty"
        try:
            number = self._store.append(
                sender=envelope.mail_from or "",
                recipients=envelope.rcpt_tos,
                received_at=self._clock.now().isoformat(),
                content=content,
            )
        except OSError:
            return "452 The mailbox is full"
        return f"250 Stored as {number}"


def smtp_protocol(store: MailStore, *, clock: Clock) -> SMTP:
    """The protocol of one connection."""
    return SMTP(
        StoringHandler(store, clock=clock),
        data_size_limit=MAX_MESSAGE_BYTES,
        enable_SMTPUTF8=True,
        hostname="mailbox.kizuna.invalid",
        ident="Kizuna mailbox",
    )
