"""Pure rules, a module for each subject."""

from profile_service.rules.timeline import MAX_NAME_LENGTH, TimelineEvent, recency_days, storable_text, without_nul

__all__ = ["MAX_NAME_LENGTH", "TimelineEvent", "recency_days", "storable_text", "without_nul"]
