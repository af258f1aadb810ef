"""What can go wrong in the story, each as one sentence a newcomer can act on."""


class StoryError(Exception):
    """The story cannot go on; the message says why and what to do."""
