"""Profile's SQL, and nothing but: set-wise statements over batches, one module per group of tables."""
