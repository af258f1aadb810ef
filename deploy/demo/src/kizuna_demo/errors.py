"""What can go wrong in the story, each as one sentence a newcomer can act on."""


class StoryError(Exception):
    """The story cannot go on; the message says why and what to do."""


def first_story_error(error: BaseException) -> StoryError | None:
    """The first StoryError inside an exception group; None when it holds none."""
    if isinstance(error, StoryError):
        return error
    if isinstance(error, BaseExceptionGroup):
        return next((found for one in error.exceptions if (found := first_story_error(one))), None)
    return None
