"""What can go wrong in the story, each as one sentence a newcomer can act on."""


class StoryError(Exception):
    """The story cannot go on; the message says why and what to do."""


class RefusedError(StoryError):
    """A service said no, with a problem that says why; `detail` is that sentence."""

    def __init__(self, asked: str, *, status: int, detail: str) -> None:
        super().__init__(f"{asked}: HTTP {status} {detail}")
        self.status = status
        self.detail = detail


def first_story_error(error: BaseException) -> StoryError | None:
    """The first StoryError inside an exception group; None when it holds none."""
    if isinstance(error, StoryError):
        return error
    if isinstance(error, BaseExceptionGroup):
        return next((found for one in error.exceptions if (found := first_story_error(one))), None)
    return None
