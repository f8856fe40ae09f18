"""IntegrationService."""

from __future__ import annotations

from typing import Any, Final

from errands.v1 import integration_pb2 as pb
from errands.v1 import integration_pb2_grpc

from ..credentials import grants
from ..credentials.oauth.client import AUTHORIZATION_CODE, CLIENT_CREDENTIALS, OAuthClient
from ..domain.errors import Reason
from ..services.integrations import IntegrationChange, Integrations, SharedCredential
from ..tools.mcp.importer import McpSource
from ..tools.openapi.importer import OpenApiSource
from . import credentials, enums, messages
from .credentials import scope_list
from .interceptor import current_principal
from .validation import RequestValidator, check_id, make_page_token

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
        validator = RequestValidator()
        validator.text("name", request.name.strip(), least=1, most=MAX_NAME)
        source = _source(validator, request)
        if source is None:
            validator.reject("openapi", "give openapi_url, openapi_document, mcp_url or mcp_server")
        validator.text("base_url", request.base_url, most=MAX_URL)
        wanted = IntegrationChange(
            name=request.name.strip(),
            source=source,
            base_url=request.base_url,
            internal=request.internal,
            secret=_secret(validator, request),
            client=_client(validator, request),
            honours_keys=request.honours_idempotency_keys,
            rate_limit=validator.rate("rate_limit", request.rate_limit),
            max_concurrency=_max_concurrency(validator, request),
        )
        validator.raise_if_invalid()
        made = await self._integrations.create(current_principal(), wanted)
        return pb.CreateIntegrationResponse(integration=messages.integration(made))

    async def UpdateIntegration(
        self, request: pb.UpdateIntegrationRequest, context: Any
    ) -> pb.UpdateIntegrationResponse:
        validator = RequestValidator()
        renamed = request.name.strip() if request.HasField("name") else None
        if renamed is not None:
            validator.text("name", renamed, least=1, most=MAX_NAME)
        validator.text("base_url", request.base_url, most=MAX_URL)
        active = validator.choice("status", request.status, _ACTIVE, None)
        keyed = request.HasField("honours_idempotency_keys")
        wanted = IntegrationChange(
            name=renamed,
            source=_source(validator, request),
            base_url=request.base_url if request.HasField("base_url") else None,
            secret=_secret(validator, request),
            remove_credential=request.remove_credential,
            client=_client(validator, request),
            remove_client=request.remove_oauth_client,
            active=active,
            honours_keys=request.honours_idempotency_keys if keyed else None,
            rate_limit=(
                validator.rate("rate_limit", request.rate_limit) if request.HasField("rate_limit") else None
            ),
            max_concurrency=(
                _max_concurrency(validator, request) if request.HasField("max_concurrency") else None
            ),
        )
        if wanted.secret is not None and wanted.remove_credential:
            validator.reject("remove_credential", "does not go with credential")
        if wanted.client is not None and wanted.remove_client:
            validator.reject("remove_oauth_client", "does not go with oauth_client")
        validator.raise_if_invalid()
        changed, tools = await self._integrations.update(current_principal(), _id(request), wanted)
        return pb.UpdateIntegrationResponse(
            integration=messages.integration(changed),
            tools_added=tools.added,
            tools_removed=tools.removed,
            tools_changed=tools.changed,
        )

    async def GetIntegration(
        self, request: pb.GetIntegrationRequest, context: Any
    ) -> pb.GetIntegrationResponse:
        found = await self._integrations.get(current_principal(), _id(request))
        return pb.GetIntegrationResponse(integration=messages.integration(found))

    async def ListIntegrations(
        self, request: pb.ListIntegrationsRequest, context: Any
    ) -> pb.ListIntegrationsResponse:
        size, after = _page(request, "integrations")
        found = await self._integrations.page(current_principal(), after=after, limit=size + 1)
        more = len(found) > size
        return pb.ListIntegrationsResponse(
            integrations=[messages.integration(one) for one in found[:size]],
            next_page_token=make_page_token(found[size - 1].name, "integrations") if more else "",
        )

    async def DeleteIntegration(
        self, request: pb.DeleteIntegrationRequest, context: Any
    ) -> pb.DeleteIntegrationResponse:
        await self._integrations.delete(current_principal(), _id(request))
        return pb.DeleteIntegrationResponse()

    async def ListTools(self, request: pb.ListToolsRequest, context: Any) -> pb.ListToolsResponse:
        size, after = _page(request, request.id)
        found = await self._integrations.tools(current_principal(), _id(request), after=after, limit=size + 1)
        tools = enums.take_fitting([messages.tool(one) for one in found[:size]])
        more = len(found) > len(tools)
        return pb.ListToolsResponse(
            tools=tools, next_page_token=make_page_token(tools[-1].name, request.id) if more else ""
        )


_ACTIVE: Final[dict[int, bool | None]] = {
    pb.INTEGRATION_STATUS_ACTIVE: True,
    pb.INTEGRATION_STATUS_INACTIVE: False,
}


def _max_concurrency(validator: RequestValidator, request: Any) -> int:
    return validator.number("max_concurrency", request.max_concurrency, least=0, most=MAX_CONCURRENCY)


def _id(request: Any) -> str:
    return check_id(request.id, Reason.INTEGRATION_NOT_FOUND)


def _page(request: Any, filters: object) -> tuple[int, str]:
    validator = RequestValidator()
    size = validator.page_size(request.page_size)
    after = validator.page_token(request.page_token, filters)
    validator.raise_if_invalid()
    return size, after


def _source(validator: RequestValidator, request: Any) -> OpenApiSource | McpSource | None:
    if request.WhichOneof("openapi") and request.WhichOneof("mcp"):
        validator.reject("mcp", "does not go with openapi: an integration has one description")
    return _mcp(validator, request) or _document(validator, request)


def _mcp(validator: RequestValidator, request: Any) -> McpSource | None:
    match request.WhichOneof("mcp"):
        case "mcp_url":
            source = McpSource(url=_url(validator, "mcp_url", request.mcp_url))
        case "mcp_server":
            source = McpSource(
                server=validator.text("mcp_server", request.mcp_server, least=1, most=MAX_NAME)
            )
            if request.HasField("credential"):
                validator.reject("credential", "does not go with mcp_server: its process has what it needs")
        case _:
            return None
    if request.base_url:
        validator.reject("base_url", "goes only with openapi; mcp says where the server is")
    return source


def _document(validator: RequestValidator, request: Any) -> OpenApiSource | None:
    match request.WhichOneof("openapi"):
        case "openapi_url":
            return OpenApiSource(url=_url(validator, "openapi_url", request.openapi_url))
        case "openapi_document":
            document = request.openapi_document
            if not document.strip():
                validator.reject("openapi_document", "must not be empty")
            if len(document.encode()) > MAX_DOCUMENT:
                validator.reject("openapi_document", f"is larger than {MAX_DOCUMENT >> 20} MiB")
            return OpenApiSource(text=document)
        case _:
            return None


def _url(validator: RequestValidator, field: str, value: str) -> str:
    url = validator.text(field, value, least=1, most=MAX_URL)
    if not url.lower().startswith(("http://", "https://")):
        validator.reject(field, "must begin with http:// or https://")
    return url


def _secret(validator: RequestValidator, request: Any) -> SharedCredential | None:
    if not request.HasField("credential"):
        if request.shared_credential:
            validator.reject("shared_credential", "goes only with credential")
        return None
    if not request.shared_credential:
        validator.reject(
            "shared_credential",
            "must be true with credential: it is one account for every user, and shown as such",
        )
    match request.credential.WhichOneof("credential"):
        case "bearer":
            token = credentials.bearer(validator, "credential.bearer", request.credential.bearer).token
            return SharedCredential("bearer", grants.bearer(token))
        case "api_key":
            key = credentials.api_key(validator, "credential.api_key", request.credential.api_key)
            return SharedCredential("apiKey", grants.api_key(key.location, key.name, key.value))
        case "api_keys":
            keys = credentials.api_keys(validator, "credential.api_keys", request.credential.api_keys)
            placed = (grants.api_key(key.location, key.name, key.value) for key in keys)
            return SharedCredential("apiKeys", grants.merge(placed))
        case "basic":
            pair = credentials.basic(validator, "credential.basic", request.credential.basic)
            return SharedCredential("basic", grants.basic(pair.username, pair.password))
        case _:
            validator.reject("credential", "give bearer, api_key, api_keys or basic")
            return None


def _client(validator: RequestValidator, request: Any) -> OAuthClient | None:
    if not request.HasField("oauth_client"):
        return None
    given = request.oauth_client
    for field in ("issuer", "authorization_url", "token_url", "refresh_url", "resource"):
        validator.printable(f"oauth_client.{field}", getattr(given, field), most=MAX_URL)
    validator.text("oauth_client.client_id", given.client_id, least=1, most=MAX_URL)
    validator.printable("oauth_client.client_id", given.client_id, most=MAX_URL)
    validator.printable("oauth_client.client_secret", given.client_secret, most=credentials.MAX_SECRET)
    validator.one_of("oauth_client.token_auth_method", given.token_auth_method, _METHODS)
    validator.one_of("oauth_client.grant", given.grant, _GRANTS)
    return OAuthClient(
        client_id=given.client_id,
        client_secret=given.client_secret,
        issuer=given.issuer,
        authorization_url=given.authorization_url,
        token_url=given.token_url,
        refresh_url=given.refresh_url,
        scopes=scope_list(validator, "oauth_client.scopes", given.scopes),
        token_auth_method=given.token_auth_method,
        resource=given.resource,
        grant=given.grant or AUTHORIZATION_CODE,
    )


_METHODS: Final = ("", "client_secret_basic", "client_secret_post", "none")
_GRANTS: Final = ("", AUTHORIZATION_CODE, CLIENT_CREDENTIALS)
