"""One function per use case; each works inside the caller's transaction."""
