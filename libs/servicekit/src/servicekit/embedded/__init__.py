"""The platform's real parts as child processes: PostgreSQL and NATS from wheels, for one machine and for tests.

Production points the same settings at servers of its own; nothing in a service knows which of the two it talks to.
"""
