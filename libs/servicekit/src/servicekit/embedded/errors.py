"""What can go wrong with an embedded server, said in one sentence a person can act on."""


class EmbeddedServerError(RuntimeError):
    """An embedded server could not be started or stopped; the message is one sentence for a person."""
