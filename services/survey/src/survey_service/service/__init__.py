"""One function per use case. Each works inside its caller's transaction."""
