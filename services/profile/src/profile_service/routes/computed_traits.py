"""Computed traits: HTTP only."""

from fastapi import APIRouter, Request, Response

from profile_service.repository.computed_traits import ComputedTraitRow
from profile_service.routes.dependencies import SettingsDependency, SightDependency, reads, writes
from profile_service.rules.presets import presets
from profile_service.schemas import computed_traits as schemas
from profile_service.service import computed_traits
from servicekit.http import ClockDependency, IfMatch, Key, Session, TransactionalRoute, etag, resource

router = APIRouter(prefix="/v1", route_class=TransactionalRoute, tags=["values"])


@router.get("/computed-traits", dependencies=reads)
async def list_computed_traits(session: Session, sight: SightDependency) -> schemas.ComputedTraitListAnswer:
    """All computed traits by key."""
    rows = await computed_traits.list_computed_traits(session)
    return schemas.ComputedTraitListAnswer(
        items=[schemas.ComputedTraitAnswer.model_validate(row, from_attributes=True) for row in rows],
        withheld=not sight.is_whole,
    )


@router.get("/computed-traits:presets", dependencies=reads)
async def list_presets(settings: SettingsDependency) -> schemas.PresetListAnswer:
    """Computed traits that many want, with where their formulas are from."""
    found = presets(settings.purchase_event, settings.revenue_property, settings.base_currency)
    return schemas.PresetListAnswer(
        items=[schemas.PresetAnswer.model_validate(each, from_attributes=True) for each in found]
    )


@router.get("/computed-traits/{key}", dependencies=reads)
async def get_computed_trait(key: Key, session: Session, response: Response) -> schemas.ComputedTraitAnswer:
    """One computed trait."""
    return _tagged(await computed_traits.get_computed_trait(session, key), response)


@router.put("/computed-traits/{key}", dependencies=writes, responses={201: {"model": schemas.ComputedTraitAnswer}})
async def put_computed_trait(
    key: Key,
    body: schemas.ComputedTraitBody,
    request: Request,
    session: Session,
    clock: ClockDependency,
    response: Response,
    demanded: IfMatch,
) -> schemas.ComputedTraitAnswer:
    """Create or change a computed trait. It counts at once; what refers to it is evaluated anew."""
    row, is_new = await computed_traits.put_computed_trait(
        session,
        key,
        name=body.name,
        description=body.description,
        unit=body.unit,
        value=body.value,
        points=body.points,
        demanded_version=demanded,
        now=clock.now(),
    )
    resource(request, "wake_backfill")(session)
    resource(request, "wake_cutter")(session)
    response.status_code = 201 if is_new else 200
    return _tagged(row, response)


@router.delete("/computed-traits/{key}", dependencies=writes, status_code=204)
async def delete_computed_trait(key: Key, session: Session, demanded: IfMatch) -> None:
    """Delete a computed trait that nothing refers to."""
    await computed_traits.delete_computed_trait(session, key, demanded_version=demanded)


def _tagged(row: ComputedTraitRow, response: Response) -> schemas.ComputedTraitAnswer:
    etag(response, row.version)
    return schemas.ComputedTraitAnswer.model_validate(row, from_attributes=True)
