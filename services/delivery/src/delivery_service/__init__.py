"""Delivery: may we, did we, what came back."""
