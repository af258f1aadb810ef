"""Topics and templates."""

from dataclasses import replace
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from delivery_service.rendering import TemplateCompiler, TemplateError, check_template
from delivery_service.repository import configuration as repository
from delivery_service.repository.configuration import TemplateRow, TopicRow
from delivery_service.schemas import TemplateBody, TopicBody, template_definition
from servicekit.errors import Invalid
from servicekit.http import check_version


async def put_topic(
    session: AsyncSession, key: str, body: TopicBody, *, if_match: int | None, now: datetime
) -> tuple[TopicRow, bool]:
    """Create or change a topic; return it, and whether it is new. The same again changes nothing."""
    await repository.lock_key(session, "topic", key)
    found = await repository.find_topics(session, [key])
    present = found[0] if found else None
    check_version(present.version if present else None, if_match)
    messages, days = (body.cap.messages, body.cap.days) if body.cap else (None, None)
    row = TopicRow(
        key=key,
        name=body.name,
        cap_messages=messages,
        cap_days=days,
        legal_entity=body.legal_entity,
        purpose=body.purpose,
        version=present.version + 1 if present else 1,
        updated_at=now,
    )
    if present is not None and replace(row, version=present.version, updated_at=present.updated_at) == present:
        return present, False
    await repository.put_topic(session, row)
    return row, present is None


async def put_template(
    session: AsyncSession,
    key: str,
    body: TemplateBody,
    *,
    compiler: TemplateCompiler,
    if_match: int | None,
    now: datetime,
) -> tuple[TemplateRow, bool]:
    """Create a template or a new version of it; return it, and whether it is new. The same again changes nothing.

    Raises:
        Invalid: it cannot be rendered, or is advertising without what the law wants shown; the field is named.
    """
    _check(body, compiler)
    await repository.lock_key(session, "template", key)
    found = await repository.find_templates(session, [key])
    present = found[0] if found else None
    check_version(present.version if present else None, if_match)
    definition = template_definition(body)
    if present is not None and template_definition(TemplateBody(**present.definition)) == definition:
        return present, False
    row = TemplateRow(key, present.version + 1 if present else 1, definition, now)
    await repository.put_template(session, row)
    return row, present is None


def _check(body: TemplateBody, compiler: TemplateCompiler) -> None:
    if body.category == "advertising" and not body.postal_address:
        raise Invalid(
            "Advertising mail must show the sender's postal address (特定電子メール法 Art. 4, ordinance Art. 9).",
            field="postal_address",
        )
    try:
        check_template(body, compiler)
    except TemplateError as error:
        raise Invalid(error.reason, field=error.part) from None
