"""Integrations over REST."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from starlette.types import ASGIApp

from errands.v1 import integration_pb2 as pb

from .. import enum_names
from ..http.encoding import json_text
from ..http.response import json_response, no_content
from ..rest.dialect import STRING, Body, Call, Operation, Parameter, ResponseSpec, ref
from .documents import integrations as documents
from .paging import PAGE_SIZE, PAGE_TOKEN, page_fields, page_response

_TAG: Final = "Integration"
_PATH: Final = "/v1/integrations"
_MAX_BODY: Final = 33 << 20  # bytes; a document may have 32 MiB
_STATUS_NUMBERS: Final = enum_names.numbers(enum_names.INTEGRATION_STATUS)

_ID: Final = Parameter(name="id", where="path", schema=STRING, description="The integration.", required=True)
_ONE: Final = ResponseSpec(description="The integration.", schema=ref("Integration"))


def _source(body: Mapping[str, Any]) -> dict[str, Any]:
    match body.get("openapi"):
        case {"url": str(url)}:
            return {"openapi_url": url}
        case {"document": str(text)}:
            return {"openapi_document": text}
        case {"document": document}:
            return {"openapi_document": json_text(document)}
        case _:
            return _mcp(body)


def _mcp(body: Mapping[str, Any]) -> dict[str, Any]:
    match body.get("mcp"):
        case {"url": str(url)}:
            return {"mcp_url": url}
        case {"server": str(name)}:
            return {"mcp_server": name}
        case _:
            return {}


def _credential(body: Mapping[str, Any]) -> pb.IntegrationCredential | None:
    auth = dict(body.get("auth", {}))
    match auth.pop("type", None):
        case "bearer":
            return pb.IntegrationCredential(bearer=pb.BearerCredential(**auth))
        case "apiKey":
            return pb.IntegrationCredential(api_key=pb.ApiKeyCredential(**auth))
        case "apiKeys":
            keys = [pb.ApiKeyCredential(**key) for key in auth["keys"]]
            return pb.IntegrationCredential(api_keys=pb.ApiKeysCredential(keys=keys))
        case "basic":
            return pb.IntegrationCredential(basic=pb.BasicCredential(**auth))
        case _:
            return None


def _whole(body: Mapping[str, Any], name: str) -> int | None:
    """A whole number, which JSON may also write as 3.0."""
    return int(body[name]) if name in body else None


def _oauth_client(body: Mapping[str, Any]) -> pb.OAuthClient | None:
    if "oauthClient" not in body:
        return None
    given = body["oauthClient"]
    return pb.OAuthClient(
        client_id=given["clientId"],
        client_secret=given.get("clientSecret", ""),
        issuer=given.get("issuer", ""),
        authorization_url=given.get("authorizationUrl", ""),
        token_url=given.get("tokenUrl", ""),
        refresh_url=given.get("refreshUrl", ""),
        scopes=given.get("scopes", ()),
        token_auth_method=given.get("tokenAuthMethod", ""),
        resource=given.get("resource", ""),
        grant=given.get("grant", ""),
    )


async def _create(call: Call) -> ASGIApp:
    body = call.body
    request = pb.CreateIntegrationRequest(
        name=body["name"],
        **_source(body),
        base_url=body.get("baseUrl", ""),
        internal=body.get("internal", False),
        credential=_credential(body),
        shared_credential=body.get("sharedCredential", False),
        honours_idempotency_keys=body.get("honoursIdempotencyKeys", False),
        rate_limit=body.get("rateLimit", ""),
        max_concurrency=_whole(body, "maxConcurrency") or 0,
        oauth_client=_oauth_client(body),
    )
    made = (await call.ask(call.backend.integrations.CreateIntegration, request)).integration
    return json_response(documents.integration(made), 201, {"Location": f"{_PATH}/{made.id}"})


async def _update(call: Call) -> ASGIApp:
    body = call.body
    request = pb.UpdateIntegrationRequest(
        id=call.path["id"],
        name=body.get("name"),
        **_source(body),
        base_url=body.get("baseUrl"),
        credential=_credential(body),
        shared_credential=body.get("sharedCredential", False),
        remove_credential=body.get("removeCredential", False),
        status=_STATUS_NUMBERS.get(body.get("status", ""), 0),
        honours_idempotency_keys=body.get("honoursIdempotencyKeys"),
        rate_limit=body.get("rateLimit"),
        max_concurrency=_whole(body, "maxConcurrency"),
        oauth_client=_oauth_client(body),
        remove_oauth_client=body.get("removeOauthClient", False),
    )
    changed = await call.ask(call.backend.integrations.UpdateIntegration, request)
    return json_response(documents.updated_integration(changed))


async def _get(call: Call) -> ASGIApp:
    request = pb.GetIntegrationRequest(id=call.path["id"])
    return json_response(
        documents.integration((await call.ask(call.backend.integrations.GetIntegration, request)).integration)
    )


async def _list(call: Call) -> ASGIApp:
    request = pb.ListIntegrationsRequest(**page_fields(call))
    found = await call.ask(call.backend.integrations.ListIntegrations, request)
    items = [documents.integration(one) for one in found.integrations]
    return page_response(call, "integrations", items, found.next_page_token)


async def _delete(call: Call) -> ASGIApp:
    await call.ask(
        call.backend.integrations.DeleteIntegration, pb.DeleteIntegrationRequest(id=call.path["id"])
    )
    return no_content()


async def _tools(call: Call) -> ASGIApp:
    request = pb.ListToolsRequest(id=call.path["id"], **page_fields(call))
    found = await call.ask(call.backend.integrations.ListTools, request)
    return page_response(call, "tools", [documents.tool(one) for one in found.tools], found.next_page_token)


_LINKS: Final = {
    name: {"operationId": operation, "parameters": {"id": "$response.body#/id"}}
    for name, operation in (
        ("integration", "getIntegration"),
        ("tools", "listTools"),
        ("update", "updateIntegration"),
        ("delete", "deleteIntegration"),
    )
}

OPERATIONS: Final = (
    Operation(
        method="POST",
        path=_PATH,
        id="createIntegration",
        tag=_TAG,
        summary="Create an integration from an OpenAPI document or an MCP server",
        body=Body(component="CreateIntegrationRequest", limit=_MAX_BODY),
        responses={
            201: ResponseSpec(
                description="The integration is stored.",
                schema=ref("Integration"),
                headers={"Location": "Path of the integration."},
                links=_LINKS,
            )
        },
        problems=(409, 422),
        handle=_create,
    ),
    Operation(
        method="GET",
        path=_PATH,
        id="listIntegrations",
        tag=_TAG,
        summary="List integrations by name",
        parameters=(PAGE_SIZE, PAGE_TOKEN),
        responses={200: ResponseSpec(description="A page.", schema=ref("IntegrationPage"))},
        handle=_list,
    ),
    Operation(
        method="GET",
        path=_PATH + "/{id}",
        id="getIntegration",
        tag=_TAG,
        summary="Read an integration",
        parameters=(_ID,),
        responses={200: _ONE},
        problems=(404,),
        handle=_get,
    ),
    Operation(
        method="PATCH",
        path=_PATH + "/{id}",
        id="updateIntegration",
        tag=_TAG,
        summary="Change an integration, as a new revision",
        parameters=(_ID,),
        body=Body(component="UpdateIntegrationRequest", limit=_MAX_BODY),
        responses={200: ResponseSpec(description="As it is now.", schema=ref("UpdatedIntegration"))},
        problems=(404, 409, 422),
        handle=_update,
    ),
    Operation(
        method="DELETE",
        path=_PATH + "/{id}",
        id="deleteIntegration",
        tag=_TAG,
        summary="Delete an integration",
        description="Runs that would still call it fail those calls.",
        parameters=(_ID,),
        responses={204: ResponseSpec(description="It is deleted.")},
        problems=(404, 409),
        handle=_delete,
    ),
    Operation(
        method="GET",
        path=_PATH + "/{id}/tools",
        id="listTools",
        tag=_TAG,
        summary="List an integration's tools by name",
        parameters=(_ID, PAGE_SIZE, PAGE_TOKEN),
        responses={200: ResponseSpec(description="A page.", schema=ref("ToolPage"))},
        problems=(404,),
        handle=_tools,
    ),
)
