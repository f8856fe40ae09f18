"""API keys over REST."""

from __future__ import annotations

from typing import Final

from starlette.types import ASGIApp

from errands.v1 import key_pb2 as pb

from ..http.operation import STRING, Answer, Body, Call, Operation, Parameter, ref
from ..http.response import answer, nothing
from . import values
from .documents.keys import key
from .paging import PAGE_SIZE, PAGE_TOKEN, page, paging

_TAG: Final = "Key"
_PATH: Final = "/v1/keys"


async def _create(call: Call) -> ASGIApp:
    body = call.body
    request = pb.CreateKeyRequest(name=body["name"], scopes=body["scopes"], tenant=body.get("tenant", ""))
    if "expiresAt" in body:
        request.expires_at.FromDatetime(values.parsed_moment(body["expiresAt"]))
    made = await call.ask(call.gateway.keys.CreateKey, request)
    return answer({**key(made.key), "secret": made.secret}, 201)


async def _list(call: Call) -> ASGIApp:
    found = await call.ask(call.gateway.keys.ListKeys, pb.ListKeysRequest(**paging(call)))
    return page(call, "keys", [key(one) for one in found.keys], found.next_page_token)


async def _revoke(call: Call) -> ASGIApp:
    await call.ask(call.gateway.keys.RevokeKey, pb.RevokeKeyRequest(id=call.path["id"]))
    return nothing()


OPERATIONS: Final = (
    Operation(
        method="POST",
        path=_PATH,
        id="createKey",
        tag=_TAG,
        summary="Create a key",
        body=Body(component="CreateKeyRequest"),
        answers={
            201: Answer(
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
        answers={200: Answer(description="A page.", schema=ref("KeyPage"))},
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
        answers={204: Answer(description="It works no more.")},
        problems=(404,),
        handle=_revoke,
    ),
)
