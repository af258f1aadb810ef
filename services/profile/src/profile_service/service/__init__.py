"""Profile's use cases, one function each: record, conclude, follow time and moves, configure, read."""
