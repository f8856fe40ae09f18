"""Connect links: a person reads what is asked, goes to the service, and comes back to the callback.

A GET of a link changes nothing, because scanners and previews open links, too. The flow begins with
the button, and ends only in the browser in which it began.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from errands.v1 import connection_pb2 as pb

from ..http.problems import Problem, problem
from ..pages import browser_binding, connect_page, form_input
from ..pages.browser_binding import is_prefetch, is_program
from ..pages.connect_page import KEY_FIELDS, FlowResult
from ..pages.rendering import add_page_headers
from ..rest.dialect import FORM, HTML, PAGE, STRING, Body, Call, Dialect, Operation, Parameter, ResponseSpec

_TAG: Final = "Connection"
_PATH: Final = "/connect/{token}"
_CALLBACK: Final = "/connect/callback"
_FORM: Final = Body(component="ConnectForm", media_type=FORM, limit=256 << 10)
_TOKEN: Final = re.compile(r"[A-Za-z0-9_.~-]{1,4096}")


async def _open(call: Call) -> ASGIApp:
    return connect_page.render(call, await _link(call, _token(call)))


async def _submit(call: Call) -> ASGIApp:
    token = _token(call)
    form = form_input.check_fields(call, _FORM, await form_input.read_pairs(call, _FORM))
    forged = browser_binding.csrf_problem(call, form.get("form", ""))
    if forged is not None:
        return _refuse(call.dialect, call.request, forged, call.caller.request_id, token)
    link = await _link(call, token)
    refuse = "refuse" in form
    typed = {} if refuse else _credential(link, form)
    request = pb.BeginConnectRequest(
        token=token, browser=browser_binding.read_cookie(call), refuse=refuse, **typed
    )
    begun = await _ask(call, call.backend.connections.BeginConnect, request)
    if begun.redirect_url:
        text = f"You sign in there and decide whether to connect {link.integration_name}."
        return connect_page.render_redirect(begun.redirect_url, text)
    result = FlowResult(
        outcome=begun.outcome,
        integration=link.integration_name,
        user=link.user_id,
        return_url=begun.return_url,
        elsewhere=link.type == "page",
    )
    return connect_page.render_result(result)


async def _finish(call: Call) -> ASGIApp:
    if call.is_head or is_prefetch(call.request.headers):
        # The code of the service is good once, so it is kept for the request that a person makes.
        return add_page_headers(Response(status_code=503, headers={"Retry-After": "1"}))
    browser = browser_binding.read_cookie(call)
    if not browser:
        raise problem("LINK_USED", "FAILED_PRECONDITION", "the flow did not begin in this browser")
    query = call.query
    request = pb.FinishConnectRequest(
        state=query.get("state", ""),
        code=query.get("code", ""),
        error=query.get("error", ""),
        error_description=query.get("error_description", ""),
        iss=query.get("iss", ""),
        browser=browser,
    )
    found = await _ask(call, call.backend.connections.FinishConnect, request)
    result = FlowResult(
        outcome=found.outcome,
        integration=found.integration_name,
        user=found.user_id,
        return_url=found.return_url,
    )
    return connect_page.render_result(result)


async def _link(call: Call, token: str) -> pb.GetConnectLinkResponse:
    request = pb.GetConnectLinkRequest(token=token)
    found: pb.GetConnectLinkResponse = await _ask(call, call.backend.connections.GetConnectLink, request)
    return found


async def _ask(call: Call, method: Any, request: Any) -> Any:
    """Call the server without a credential: the link is the proof, and a key could only be refused."""
    return await replace(call, caller=call.caller.anonymous).ask(method, request)


def _credential(link: pb.GetConnectLinkResponse, form: Mapping[str, str]) -> dict[str, Any]:
    """The credential that was typed in, of the link's type."""
    secret = form.get("secret", "")
    match link.type:
        case "apiKeys":
            keys = [
                pb.ConnectionSchemeKey(scheme=key.scheme, value=form.get(field, ""))
                for key, field in zip(link.keys, KEY_FIELDS, strict=False)
            ]
            return {"api_keys": pb.ConnectionApiKeys(keys=keys)}
        case "basic":
            return {"basic": pb.ConnectionBasic(username=form.get("username", ""), password=secret)}
        case "apiKey":
            return {"api_key": pb.ConnectionApiKey(value=secret)}
        case "bearer":
            return {"bearer": pb.ConnectionBearer(token=secret)}
        case _:
            return {}


def _token(call: Call) -> str:
    """The token of the link. LINK_INVALID: it cannot be one."""
    text = call.path["token"]
    if not _TOKEN.fullmatch(text):
        raise problem("LINK_INVALID", "INVALID_ARGUMENT", "the link is not one of this service")
    return text


def _refuse(dialect: Dialect, request: Request, found: Problem, request_id: str, again: str = "") -> Response:
    """A problem for programs, a page for people. `again`: the token of a link that can be opened again."""
    if is_program(request.headers):
        return add_page_headers(dialect.problem.response(found, request_id))
    return connect_page.render_problem(found, request_id, again)


_OF_LINK: Final = Parameter(
    name="token", where="path", schema=STRING, description="Of the link.", required=True
)
_GOES_ON: Final = ResponseSpec(description="How it ended, or where it goes on.", schema=PAGE, media_type=HTML)


def _callback_parameter(name: str, most: int, description: str) -> Parameter:
    return Parameter(name=name, schema={"type": "string", "maxLength": most}, description=description)


OPERATIONS: Final = (
    Operation(
        method="GET",
        path=_PATH,
        id="openConnectLink",
        tag=_TAG,
        summary="Read what a connect link asks for, on a page",
        description="Changes nothing: links are opened by scanners and previews too.",
        parameters=(_OF_LINK,),
        responses={200: ResponseSpec(description="What is asked.", schema=PAGE, media_type=HTML)},
        problems=(404,),
        handle=_open,
        refuse=_refuse,
        public=True,
    ),
    Operation(
        method="POST",
        path=_PATH,
        id="sendConnectForm",
        tag=_TAG,
        summary="Connect as the page of a link does",
        parameters=(_OF_LINK,),
        body=_FORM,
        responses={200: _GOES_ON},
        problems=(404, 409, 422),
        handle=_submit,
        refuse=_refuse,
        public=True,
    ),
    Operation(
        method="GET",
        path=_CALLBACK,
        id="finishConnect",
        tag=_TAG,
        summary="Where services send browsers back to (RFC 6749)",
        description="Ends a flow, once, and only in the browser in which it began.",
        parameters=(
            _callback_parameter("state", 2_048, "As it was sent to the service."),
            _callback_parameter("code", 4_096, "The authorization code."),
            _callback_parameter("error", 255, "The error code."),
            _callback_parameter("error_description", 1_024, "What the service says of the error."),
            _callback_parameter("iss", 1_024, "Who answers (RFC 9207)."),
        ),
        responses={200: _GOES_ON},
        problems=(404, 409, 422),
        handle=_finish,
        refuse=_refuse,
        public=True,
    ),
)
