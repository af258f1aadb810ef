"""Events by which departments' systems pass on dates of related persons; their content is for one purpose only."""

RELATION_DATE_GIVEN = "Relation Date Given"
RELATION_DATE_WITHDRAWN = "Relation Date Withdrawn"

FOR_ONE_PURPOSE = frozenset({RELATION_DATE_GIVEN, RELATION_DATE_WITHDRAWN})
"""Who consumes events takes nothing from the properties of these: profile keeps them, by purpose."""
