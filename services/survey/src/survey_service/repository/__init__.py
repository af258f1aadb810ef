"""The only place with SQL. Every function takes the caller's session and commits nothing."""
