"""The pages customers see: plain HTML that works on a phone without JavaScript, images or anybody else's servers."""

from survey_service.pages.renderer import Pages

__all__ = ["Pages"]
