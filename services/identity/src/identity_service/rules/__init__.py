"""Identity's rules: pure functions without I/O, importing nothing of ours."""
