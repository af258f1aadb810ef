"""HTTP only: parse, one call, return. A module for each noun."""

from fastapi import APIRouter

from profile_service.routes import (
    anonymising,
    conditions,
    customers,
    insights,
    ranks,
    relations,
    segments,
    signs,
    traits,
)

routers: list[APIRouter] = [
    customers.router,
    conditions.router,
    segments.router,
    ranks.router,
    relations.router,
    insights.router,
    anonymising.router,
    traits.router,
    signs.router,
]
