"""Connections over REST: users' credentials, and links at which users connect by themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from starlette.types import ASGIApp

from errands.v1 import connection_pb2 as pb

from ..http.encoding import format_time, parse_time
from ..http.response import json_response, no_content
from ..rest.dialect import Body, Call, Operation, Parameter, ResponseSpec, ref
from .documents import connections as documents
from .paging import PAGE_SIZE, PAGE_TOKEN, page_fields, page_response
from .schemas.builders import MAX_ID

_TAG: Final = "Connection"
_PATH: Final = "/v1/connections"
_FILTER: Final = {"type": "string", "minLength": 1, "maxLength": MAX_ID}


def _credential(auth: Mapping[str, Any]) -> dict[str, Any]:
    given = {name: value for name, value in auth.items() if name != "type"}
    match auth["type"]:
        case "bearer":
            return {"bearer": pb.ConnectionBearer(**given)}
        case "apiKey":
            return {"api_key": pb.ConnectionApiKey(**given)}
        case "apiKeys":
            keys = [pb.ConnectionSchemeKey(**key) for key in given["keys"]]
            return {"api_keys": pb.ConnectionApiKeys(keys=keys)}
        case "basic":
            return {"basic": pb.ConnectionBasic(**given)}
        case _:
            return {"tokens": _tokens(given)}


def _tokens(given: Mapping[str, Any]) -> pb.ConnectionTokens:
    tokens = pb.ConnectionTokens(
        access_token=given["accessToken"],
        refresh_token=given.get("refreshToken", ""),
        scopes=given.get("scopes", ()),
    )
    if "expiresAt" in given:
        tokens.expires_at.FromDatetime(parse_time(given["expiresAt"]))
    return tokens


async def _create(call: Call) -> ASGIApp:
    body = call.body
    request = pb.CreateConnectionRequest(
        integration_id=body["integrationId"], user_id=body["userId"], **_credential(body["auth"])
    )
    made = (await call.ask(call.backend.connections.CreateConnection, request)).connection
    return json_response(documents.connection(made), 201, {"Location": f"{_PATH}/{made.id}"})


async def _list(call: Call) -> ASGIApp:
    request = pb.ListConnectionsRequest(
        integration_id=call.query.get("integrationId", ""),
        user_id=call.query.get("userId", ""),
        **page_fields(call),
    )
    found = await call.ask(call.backend.connections.ListConnections, request)
    items = [documents.connection(one) for one in found.connections]
    return page_response(call, "connections", items, found.next_page_token)


async def _get(call: Call) -> ASGIApp:
    request = pb.GetConnectionRequest(id=call.path["id"])
    found = await call.ask(call.backend.connections.GetConnection, request)
    return json_response(documents.connection(found.connection))


async def _delete(call: Call) -> ASGIApp:
    request = pb.DeleteConnectionRequest(id=call.path["id"])
    await call.ask(call.backend.connections.DeleteConnection, request)
    return no_content()


async def _link(call: Call) -> ASGIApp:
    request = pb.CreateConnectLinkRequest(
        integration_id=call.body["integrationId"],
        user_id=call.body["userId"],
        scopes=call.body.get("scopes", ()),
        return_url=call.body.get("returnUrl", ""),
    )
    made = await call.ask(call.backend.connections.CreateConnectLink, request)
    return json_response({"url": made.url, "expiresAt": format_time(made.expires_at)}, 201)


async def _confirm(call: Call) -> ASGIApp:
    request = pb.ConfirmConnectionRequest(flow=call.body["flow"], user_id=call.body["userId"])
    made = await call.ask(call.backend.connections.ConfirmConnection, request)
    return json_response(documents.confirmed_connection(made))


async def _settings(call: Call) -> ASGIApp:
    found = await call.ask(call.backend.connections.GetConnectSettings, pb.GetConnectSettingsRequest())
    return json_response({"verifierUrl": found.settings.verifier_url})


async def _change_settings(call: Call) -> ASGIApp:
    request = pb.UpdateConnectSettingsRequest(verifier_url=call.body.get("verifierUrl"))
    changed = await call.ask(call.backend.connections.UpdateConnectSettings, request)
    return json_response({"verifierUrl": changed.settings.verifier_url})


_ID: Final = Parameter(
    name="id",
    where="path",
    schema={"type": "string", "format": "uuid"},
    description="The connection.",
    required=True,
)
_ONE: Final = ResponseSpec(description="The connection.", schema=ref("Connection"))
_SETTINGS: Final = ResponseSpec(description="The settings.", schema=ref("ConnectSettings"))
_LINKS: Final = {
    name: {"operationId": operation, "parameters": {"id": "$response.body#/id"}}
    for name, operation in (("connection", "getConnection"), ("delete", "deleteConnection"))
}

OPERATIONS: Final = (
    Operation(
        method="POST",
        path=_PATH,
        id="createConnection",
        tag=_TAG,
        summary="Store a user's credential",
        description="Runs of the user that wait for it go on.",
        body=Body(component="CreateConnectionRequest"),
        responses={
            201: ResponseSpec(
                description="The connection is stored.",
                schema=ref("Connection"),
                headers={"Location": "Path of the connection."},
                links=_LINKS,
            )
        },
        problems=(404, 409, 422),
        handle=_create,
    ),
    Operation(
        method="GET",
        path=_PATH,
        id="listConnections",
        tag=_TAG,
        summary="List connections, newest first",
        parameters=(
            Parameter(name="integrationId", schema=_FILTER, description="To this integration."),
            Parameter(name="userId", schema=_FILTER, description="Of this user."),
            PAGE_SIZE,
            PAGE_TOKEN,
        ),
        responses={200: ResponseSpec(description="A page.", schema=ref("ConnectionPage"))},
        handle=_list,
    ),
    Operation(
        method="GET",
        path=_PATH + "/{id}",
        id="getConnection",
        tag=_TAG,
        summary="Read a connection; its secrets are not shown",
        parameters=(_ID,),
        responses={200: _ONE},
        problems=(404,),
        handle=_get,
    ),
    Operation(
        method="DELETE",
        path=_PATH + "/{id}",
        id="deleteConnection",
        tag=_TAG,
        summary="Forget a connection and its secrets",
        description="Its tokens are revoked where the service can (RFC 7009).",
        parameters=(_ID,),
        responses={204: ResponseSpec(description="It is forgotten.")},
        problems=(404,),
        handle=_delete,
    ),
    Operation(
        method="POST",
        path=_PATH + "/links",
        id="createConnectLink",
        tag=_TAG,
        summary="Make a link at which one user connects one integration",
        description="The application hands it to its own logged-in user, and to nobody else.",
        body=Body(component="CreateConnectLinkRequest"),
        responses={201: ResponseSpec(description="The link.", schema=ref("ConnectLink"))},
        problems=(404, 409),
        handle=_link,
    ),
    Operation(
        method="POST",
        path=_PATH + "/confirm",
        id="confirmConnection",
        tag=_TAG,
        summary="Say which user finished a flow",
        description="For applications that verify who sits at the browser. Another user than the flow was "
        "for: nothing is kept.",
        body=Body(component="ConfirmConnectionRequest"),
        responses={
            200: ResponseSpec(description="The connection is made.", schema=ref("ConfirmedConnection"))
        },
        problems=(404, 409),
        handle=_confirm,
    ),
    Operation(
        method="GET",
        path=_PATH + "/settings",
        id="getConnectSettings",
        tag=_TAG,
        summary="Read how users of the tenant connect",
        responses={200: _SETTINGS},
        handle=_settings,
    ),
    Operation(
        method="PATCH",
        path=_PATH + "/settings",
        id="updateConnectSettings",
        tag=_TAG,
        summary="Change how users of the tenant connect",
        body=Body(component="UpdateConnectSettingsRequest"),
        responses={200: _SETTINGS},
        handle=_change_settings,
    ),
)
