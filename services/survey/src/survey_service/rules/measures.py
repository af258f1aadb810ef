"""Figures over many answers: the Net Promoter Score and census coverage."""


def net_promoter_score(*, promoters: int, passives: int, detractors: int) -> float | None:
    """Return the percentage of promoters (9-10) minus that of detractors (0-6), -100 to 100, one decimal.

    Source: F. F. Reichheld, "The One Number You Need to Grow", Harvard Business Review, December 2003.
    None when nobody answered.
    """
    responses = promoters + passives + detractors
    return round(100 * (promoters - detractors) / responses, 1) if responses else None


def coverage(*, answered: int, base: int) -> float | None:
    """Return the share of the base with a valid answer, 0 to 1, four decimals; None for an empty base."""
    return round(answered / base, 4) if base else None
