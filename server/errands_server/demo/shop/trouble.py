"""Trouble: how the faults look on the wire."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from .faults import Fault
from .ledger import Rejected


async def before(fault: Fault) -> None:
    """What comes before the effect. Refused: with 503, where the fault says so."""
    await asyncio.sleep(fault.delay_before)
    if fault.unavailable:
        raise Rejected(503, "unavailable", "come back later", retry_after=fault.retry_after)


async def after(fault: Fault, response: Response) -> Response:
    """What comes between the effect and its answer."""
    await asyncio.sleep(fault.delay_after)
    return HangUp() if fault.drop else response


class HangUp(Response):
    """No answer at all: the connection is reset."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["shop.transport"].abort()
        while (await receive())["type"] != "http.disconnect":
            pass


def with_transport(app: ASGIApp) -> ASGIApp:
    """Hand the connection down to `HangUp`: ASGI itself has no way to close one unanswered."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            # uvicorn's `send` is a method of the object that holds the connection.
            scope["shop.transport"] = cast("Any", send).__self__.transport
        await app(scope, receive, send)

    return wrapped
