"""campaign: what happens next to a customer, and did it work."""
