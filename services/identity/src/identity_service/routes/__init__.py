"""HTTP only: parse, one call, return."""
