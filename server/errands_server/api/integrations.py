"""IntegrationService."""

from __future__ import annotations

from typing import Any, Final

from errands.v1 import integration_pb2 as pb
from errands.v1 import integration_pb2_grpc

from ..credentials import grants
from ..credentials.oauth.client import AUTHORIZATION_CODE, CLIENT_CREDENTIALS, OAuthClient
from ..domain.errors import Reason
from ..services.integrations import Change, Integrations, Secret
from ..tools.mcp.importer import McpSource
from ..tools.openapi.importer import OpenApiSource
from . import credentials, enums, messages
from .credentials import scope_list
from .interceptor import principal
from .validation import Checks, name, next_token

MAX_NAME: Final = 100
MAX_URL: Final = 2_048
MAX_CONCURRENCY: Final = 1_000
MAX_DOCUMENT: Final = 32 << 20  # bytes


class IntegrationServicer(integration_pb2_grpc.IntegrationServiceServicer):
    def __init__(self, integrations: Integrations) -> None:
        self._integrations = integrations

    async def CreateIntegration(
        self, request: pb.CreateIntegrationRequest, context: Any
    ) -> pb.CreateIntegrationResponse:
        checks = Checks()
        checks.text("name", request.name.strip(), least=1, most=MAX_NAME)
        source = _source(checks, request)
        if source is None:
            checks.wrong("openapi", "give openapi_url, openapi_document, mcp_url or mcp_server")
        checks.text("base_url", request.base_url, most=MAX_URL)
        wanted = Change(
            name=request.name.strip(),
            source=source,
            base_url=request.base_url,
            internal=request.internal,
            secret=_secret(checks, request),
            client=_client(checks, request),
            honours_keys=request.honours_idempotency_keys,
            rate_limit=checks.rate("rate_limit", request.rate_limit),
            max_concurrency=_places(checks, request),
        )
        checks.done()
        made = await self._integrations.create(principal(), wanted)
        return pb.CreateIntegrationResponse(integration=messages.integration(made))

    async def UpdateIntegration(
        self, request: pb.UpdateIntegrationRequest, context: Any
    ) -> pb.UpdateIntegrationResponse:
        checks = Checks()
        renamed = request.name.strip() if request.HasField("name") else None
        if renamed is not None:
            checks.text("name", renamed, least=1, most=MAX_NAME)
        checks.text("base_url", request.base_url, most=MAX_URL)
        active = checks.choice("status", request.status, _ACTIVE, None)
        keyed = request.HasField("honours_idempotency_keys")
        wanted = Change(
            name=renamed,
            source=_source(checks, request),
            base_url=request.base_url if request.HasField("base_url") else None,
            secret=_secret(checks, request),
            remove_credential=request.remove_credential,
            client=_client(checks, request),
            remove_client=request.remove_oauth_client,
            active=active,
            honours_keys=request.honours_idempotency_keys if keyed else None,
            rate_limit=(
                checks.rate("rate_limit", request.rate_limit) if request.HasField("rate_limit") else None
            ),
            max_concurrency=_places(checks, request) if request.HasField("max_concurrency") else None,
        )
        if wanted.secret is not None and wanted.remove_credential:
            checks.wrong("remove_credential", "does not go with credential")
        if wanted.client is not None and wanted.remove_client:
            checks.wrong("remove_oauth_client", "does not go with oauth_client")
        checks.done()
        changed, tools = await self._integrations.update(principal(), _id(request), wanted)
        return pb.UpdateIntegrationResponse(
            integration=messages.integration(changed),
            tools_added=tools.added,
            tools_removed=tools.removed,
            tools_changed=tools.changed,
        )

    async def GetIntegration(
        self, request: pb.GetIntegrationRequest, context: Any
    ) -> pb.GetIntegrationResponse:
        found = await self._integrations.get(principal(), _id(request))
        return pb.GetIntegrationResponse(integration=messages.integration(found))

    async def ListIntegrations(
        self, request: pb.ListIntegrationsRequest, context: Any
    ) -> pb.ListIntegrationsResponse:
        size, after = _page(request, "integrations")
        found = await self._integrations.page(principal(), after=after, limit=size + 1)
        more = len(found) > size
        return pb.ListIntegrationsResponse(
            integrations=[messages.integration(one) for one in found[:size]],
            next_page_token=next_token(found[size - 1].name, "integrations") if more else "",
        )

    async def DeleteIntegration(
        self, request: pb.DeleteIntegrationRequest, context: Any
    ) -> pb.DeleteIntegrationResponse:
        await self._integrations.delete(principal(), _id(request))
        return pb.DeleteIntegrationResponse()

    async def ListTools(self, request: pb.ListToolsRequest, context: Any) -> pb.ListToolsResponse:
        size, after = _page(request, request.id)
        found = await self._integrations.tools(principal(), _id(request), after=after, limit=size + 1)
        tools = enums.within([messages.tool(one) for one in found[:size]])
        more = len(found) > len(tools)
        return pb.ListToolsResponse(
            tools=tools, next_page_token=next_token(tools[-1].name, request.id) if more else ""
        )


_ACTIVE: Final[dict[int, bool | None]] = {
    pb.INTEGRATION_STATUS_ACTIVE: True,
    pb.INTEGRATION_STATUS_INACTIVE: False,
}


def _places(checks: Checks, request: Any) -> int:
    return checks.number("max_concurrency", request.max_concurrency, least=0, most=MAX_CONCURRENCY)


def _id(request: Any) -> str:
    return name(request.id, Reason.INTEGRATION_NOT_FOUND)


def _page(request: Any, filters: object) -> tuple[int, str]:
    checks = Checks()
    size = checks.page_size(request.page_size)
    after = checks.page_token(request.page_token, filters)
    checks.done()
    return size, after


def _source(checks: Checks, request: Any) -> OpenApiSource | McpSource | None:
    if request.WhichOneof("openapi") and request.WhichOneof("mcp"):
        checks.wrong("mcp", "does not go with openapi: an integration has one description")
    return _mcp(checks, request) or _document(checks, request)


def _mcp(checks: Checks, request: Any) -> McpSource | None:
    match request.WhichOneof("mcp"):
        case "mcp_url":
            source = McpSource(url=_url(checks, "mcp_url", request.mcp_url))
        case "mcp_server":
            source = McpSource(server=checks.text("mcp_server", request.mcp_server, least=1, most=MAX_NAME))
            if request.HasField("credential"):
                checks.wrong("credential", "does not go with mcp_server: its process has what it needs")
        case _:
            return None
    if request.base_url:
        checks.wrong("base_url", "goes only with openapi; mcp says where the server is")
    return source


def _document(checks: Checks, request: Any) -> OpenApiSource | None:
    match request.WhichOneof("openapi"):
        case "openapi_url":
            return OpenApiSource(url=_url(checks, "openapi_url", request.openapi_url))
        case "openapi_document":
            document = request.openapi_document
            if not document.strip():
                checks.wrong("openapi_document", "must not be empty")
            if len(document.encode()) > MAX_DOCUMENT:
                checks.wrong("openapi_document", f"is larger than {MAX_DOCUMENT >> 20} MiB")
            return OpenApiSource(text=document)
        case _:
            return None


def _url(checks: Checks, field: str, value: str) -> str:
    url = checks.text(field, value, least=1, most=MAX_URL)
    if not url.lower().startswith(("http://", "https://")):
        checks.wrong(field, "must begin with http:// or https://")
    return url


def _secret(checks: Checks, request: Any) -> Secret | None:
    if not request.HasField("credential"):
        if request.shared_credential:
            checks.wrong("shared_credential", "goes only with credential")
        return None
    if not request.shared_credential:
        checks.wrong(
            "shared_credential",
            "must be true with credential: it is one account for every user, and shown as such",
        )
    match request.credential.WhichOneof("credential"):
        case "bearer":
            token = credentials.bearer(checks, "credential.bearer", request.credential.bearer).token
            return Secret("bearer", grants.bearer(token))
        case "api_key":
            key = credentials.api_key(checks, "credential.api_key", request.credential.api_key)
            return Secret("apiKey", grants.api_key(key.location, key.name, key.value))
        case "api_keys":
            keys = credentials.api_keys(checks, "credential.api_keys", request.credential.api_keys)
            placed = (grants.api_key(key.location, key.name, key.value) for key in keys)
            return Secret("apiKeys", grants.together(placed))
        case "basic":
            pair = credentials.basic(checks, "credential.basic", request.credential.basic)
            return Secret("basic", grants.basic(pair.username, pair.password))
        case _:
            checks.wrong("credential", "give bearer, api_key, api_keys or basic")
            return None


def _client(checks: Checks, request: Any) -> OAuthClient | None:
    if not request.HasField("oauth_client"):
        return None
    given = request.oauth_client
    for field in ("issuer", "authorization_url", "token_url", "refresh_url", "resource"):
        checks.printable(f"oauth_client.{field}", getattr(given, field), most=MAX_URL)
    checks.text("oauth_client.client_id", given.client_id, least=1, most=MAX_URL)
    checks.printable("oauth_client.client_id", given.client_id, most=MAX_URL)
    checks.printable("oauth_client.client_secret", given.client_secret, most=credentials.MAX_SECRET)
    checks.one_of("oauth_client.token_auth_method", given.token_auth_method, _METHODS)
    checks.one_of("oauth_client.grant", given.grant, _GRANTS)
    return OAuthClient(
        client_id=given.client_id,
        client_secret=given.client_secret,
        issuer=given.issuer,
        authorization_url=given.authorization_url,
        token_url=given.token_url,
        refresh_url=given.refresh_url,
        scopes=scope_list(checks, "oauth_client.scopes", given.scopes),
        token_auth_method=given.token_auth_method,
        resource=given.resource,
        grant=given.grant or AUTHORIZATION_CODE,
    )


_METHODS: Final = ("", "client_secret_basic", "client_secret_post", "none")
_GRANTS: Final = ("", AUTHORIZATION_CODE, CLIENT_CREDENTIALS)
