"""The only place with SQL. Functions take the connection or session of the caller's transaction and never commit."""
