"""What the launcher tells a person instead of a traceback."""


class LauncherError(Exception):
    """Something a person can mend: one sentence that says what is wrong and what to do."""
