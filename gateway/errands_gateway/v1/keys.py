"""API keys over REST."""

from __future__ import annotations

from typing import Final

from starlette.types import ASGIApp

from errands.v1 import key_pb2 as pb

from ..http.encoding import parse_time
from ..http.response import json_response, no_content
from ..rest.dialect import STRING, Body, Call, Operation, Parameter, ResponseSpec, ref
from .documents.keys import key
from .paging import PAGE_SIZE, PAGE_TOKEN, page_fields, page_response

_TAG: Final = "Key"
_PATH: Final = "/v1/keys"


async def _create(call: Call) -> ASGIApp:
    body = call.body
    request = pb.CreateKeyRequest(name=body["name"], scopes=body["scopes"], tenant=body.get("tenant", ""))
    if "expiresAt" in body:
        request.expires_at.FromDatetime(parse_time(body["expiresAt"]))
    made = await call.ask(call.backend.keys.CreateKey, request)
    return json_response({**key(made.key), "secret": made.secret}, 201)


async def _list(call: Call) -> ASGIApp:
    found = await call.ask(call.backend.keys.ListKeys, pb.ListKeysRequest(**page_fields(call)))
    return page_response(call, "keys", [key(one) for one in found.keys], found.next_page_token)


async def _revoke(call: Call) -> ASGIApp:
    await call.ask(call.backend.keys.RevokeKey, pb.RevokeKeyRequest(id=call.path["id"]))
    return no_content()


OPERATIONS: Final = (
    Operation(
        method="POST",
        path=_PATH,
        id="createKey",
        tag=_TAG,
        summary="Create a key",
        body=Body(component="CreateKeyRequest"),
        responses={
            201: ResponseSpec(
                description="The key, with its secret.",
                schema=ref("CreatedKey"),
                links={"revoke": {"operationId": "revokeKey", "parameters": {"id": "$response.body#/id"}}},
            )
        },
        handle=_create,
    ),
    Operation(
        method="GET",
        path=_PATH,
        id="listKeys",
        tag=_TAG,
        summary="List the tenant's keys, newest first",
        parameters=(PAGE_SIZE, PAGE_TOKEN),
        responses={200: ResponseSpec(description="A page.", schema=ref("KeyPage"))},
        handle=_list,
    ),
    Operation(
        method="DELETE",
        path=_PATH + "/{id}",
        id="revokeKey",
        tag=_TAG,
        summary="Revoke a key, at once and for ever",
        parameters=(
            Parameter(name="id", where="path", schema=STRING, description="The key.", required=True),
        ),
        responses={204: ResponseSpec(description="It works no more.")},
        problems=(404,),
        handle=_revoke,
    ),
)
