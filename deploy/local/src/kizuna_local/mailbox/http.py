"""The HTTP side: who received what, and each message as it came in. Needs a token with the scope delivery:read."""

from collections.abc import Awaitable, Callable
from email import message_from_bytes
from email.header import decode_header, make_header
from email.policy import compat32
from typing import Any

from aiohttp import web

from kizuna_local.mailbox.access import Refused, TokenCheck
from kizuna_local.mailbox.store import MailStore, Message

MAX_PAGE = 1000
HEALTH_PATHS = ("/livez", "/readyz")
STORE: web.AppKey[MailStore] = web.AppKey("store", MailStore)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def build_application(store: MailStore, token_check: TokenCheck) -> web.Application:
    """Routes: `/messages`, `/messages/{id}`, `/messages/{id}/raw`, and HEALTH_PATHS, which alone need no token."""
    application = web.Application(middlewares=[_middleware(token_check)])
    application[STORE] = store
    for path in HEALTH_PATHS:
        application.router.add_get(path, _health)
    application.router.add_get("/messages", _list)
    application.router.add_get(r"/messages/{id:\d+}", _show)
    application.router.add_get(r"/messages/{id:\d+}/raw", _raw)
    return application


def _middleware(token_check: TokenCheck) -> Any:  # Any: aiohttp's middleware type is private
    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path not in HEALTH_PATHS:
            try:
                token_check.check(request.headers.get("Authorization", ""))
            except Refused as refused:
                return _problem(refused.status, str(refused))
        return await handler(request)

    return check


async def _health(_: web.Request) -> web.Response:
    return web.json_response({"status": "ready"})


async def _list(request: web.Request) -> web.Response:
    """`?recipient=` `&after=<id>` `&limit=` -> `{"messages": [...], "total": n}`, oldest first."""
    store = request.app[STORE]
    try:
        after, limit = int(request.query.get("after", "0")), int(request.query.get("limit", "100"))
    except ValueError:
        return _problem(400, "after and limit are numbers.")
    if not 1 <= limit <= MAX_PAGE or after < 0:
        return _problem(400, f"limit is a number from 1 to {MAX_PAGE}, after is not negative.")
    numbers = store.ids(recipient=request.query.get("recipient"), after=after, limit=limit)
    messages = [message for number in numbers if (message := store.read(number)) is not None]
    return web.json_response({"messages": [_summary(message) for message in messages], "total": len(store)})


async def _show(request: web.Request) -> web.Response:
    """The message with its headers and its text and HTML parts, decoded."""
    message = request.app[STORE].read(int(request.match_info["id"]))
    if message is None:
        return _problem(404, "There is no such message.")
    parsed = message_from_bytes(message.content, policy=compat32)
    parts = {"text/plain": "", "text/html": ""}
    for part in parsed.walk():
        payload = part.get_payload(decode=True)
        if part.get_content_type() in parts and isinstance(payload, bytes):
            text = payload.decode(part.get_content_charset() or "utf-8", "replace")
            parts[part.get_content_type()] += text.replace("\r\n", "\n")
    headers = [[name, str(make_header(decode_header(str(value))))] for name, value in parsed.items()]
    body = {**_summary(message), "headers": headers, "text": parts["text/plain"], "html": parts["text/html"]}
    return web.json_response(body)


async def _raw(request: web.Request) -> web.Response:
    """The bytes as SMTP delivered them."""
    message = request.app[STORE].read(int(request.match_info["id"]))
    if message is None:
        return _problem(404, "There is no such message.")
    return web.Response(body=message.content, content_type="message/rfc822")


def _summary(message: Message) -> dict[str, Any]:  # Any: a JSON document
    head = message.content.partition(b"\r\n\r\n")[0]
    subject = message_from_bytes(head, policy=compat32).get("Subject", "")
    return {
        "id": message.id,
        "sender": message.sender,
        "recipients": list(message.recipients),
        "subject": str(make_header(decode_header(str(subject)))),
        "received_at": message.received_at,
        "size": len(message.content),
    }


def _problem(status: int, detail: str) -> web.Response:
    return web.json_response(
        {"type": "about:blank", "status": status, "detail": detail},
        status=status,
        content_type="application/problem+json",
    )
