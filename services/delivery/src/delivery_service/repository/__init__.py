"""The only place with SQL. Everything is set-wise over batches and runs in the caller's transaction."""
