"""The graph's types."""
