"""Delivery's use cases, one function each, inside the caller's transaction."""
