"""HTTP only: parse, one call, return. A module for each noun."""

from fastapi import APIRouter, Depends

from profile_service.routes import (
    anonymising,
    circulation,
    computed_traits,
    conditions,
    customers,
    insights,
    lifecycle,
    next_categories,
    policy,
    ranks,
    relations,
    remarks,
    schedules,
    segments,
    signs,
    traits,
)
from profile_service.routes.dependencies import look

_ALL: list[APIRouter] = [
    customers.router,
    segments.router,
    ranks.router,
    relations.router,
    insights.router,
    anonymising.router,
    traits.router,
    computed_traits.router,
    schedules.router,
    lifecycle.router,
    next_categories.router,
    signs.router,
    remarks.router,
    policy.router,
    circulation.router,
]

_guarded = APIRouter(dependencies=[Depends(look)])
for _each in _ALL:
    _guarded.include_router(_each)

routers: list[APIRouter] = [_guarded, conditions.router, insights.uploads]
"""Before a route reads anything of the database, what its caller may see is known (uploads look for themselves)."""
