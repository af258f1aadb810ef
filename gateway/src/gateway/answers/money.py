"""Amounts of money on the wire."""

Money = str | int | float
"""A decimal: the services write it as text; a JSON number is accepted."""
