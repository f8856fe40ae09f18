"""IntegrationService."""

from __future__ import annotations

import base64
from typing import Any, Final

from errands.v1 import integration_pb2 as pb
from errands.v1 import integration_pb2_grpc

from ..credentials.credential import Credential
from ..domain.errors import Reason
from ..services.integrations import Change, Integrations, Secret
from ..tools.importing import Source
from . import messages
from .checks import Checks, name, next_token
from .interceptors import principal

MAX_NAME: Final = 100
MAX_URL: Final = 2_048
MAX_SECRET: Final = 8_192
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
            checks.wrong("openapi", "give openapi_url or openapi_document")
        checks.text("base_url", request.base_url, most=MAX_URL)
        wanted = Change(
            name=request.name.strip(),
            source=source,
            base_url=request.base_url,
            internal=request.internal,
            secret=_secret(checks, request),
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
            active=active,
            honours_keys=request.honours_idempotency_keys if keyed else None,
            rate_limit=(
                checks.rate("rate_limit", request.rate_limit) if request.HasField("rate_limit") else None
            ),
            max_concurrency=_places(checks, request) if request.HasField("max_concurrency") else None,
        )
        if wanted.secret is not None and wanted.remove_credential:
            checks.wrong("remove_credential", "does not go with credential")
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
        more = len(found) > size
        return pb.ListToolsResponse(
            tools=[messages.tool(one) for one in found[:size]],
            next_page_token=next_token(found[size - 1].name, request.id) if more else "",
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


def _source(checks: Checks, request: Any) -> Source | None:
    match request.WhichOneof("openapi"):
        case "openapi_url":
            url = checks.text("openapi_url", request.openapi_url, least=1, most=MAX_URL)
            if not url.lower().startswith(("http://", "https://")):
                checks.wrong("openapi_url", "must begin with http:// or https://")
            return Source(url=url)
        case "openapi_document":
            document = request.openapi_document
            if not document.strip():
                checks.wrong("openapi_document", "must not be empty")
            if len(document.encode()) > MAX_DOCUMENT:
                checks.wrong("openapi_document", f"is larger than {MAX_DOCUMENT >> 20} MiB")
            return Source(text=document)
        case _:
            return None


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
            return _bearer(checks, request.credential.bearer)
        case "api_key":
            return _api_key(checks, request.credential.api_key)
        case "basic":
            return _basic(checks, request.credential.basic)
        case _:
            checks.wrong("credential", "give bearer, api_key or basic")
            return None


def _bearer(checks: Checks, bearer: pb.BearerCredential) -> Secret:
    _secret_text(checks, "credential.bearer.token", bearer.token)
    return Secret("bearer", Credential(headers={"Authorization": f"Bearer {bearer.token}"}))


def _api_key(checks: Checks, key: pb.ApiKeyCredential) -> Secret:
    place = getattr(key, "in")
    checks.one_of("credential.api_key.in", place, ("header", "query", "cookie"))
    name = checks.printable("credential.api_key.name", key.name, most=MAX_NAME)
    if not name or any(character in name for character in " \t:;,="):
        checks.wrong("credential.api_key.name", "must be a name without spaces or separators")
    elif place == "header" and name.lower() in _RESERVED:
        checks.wrong("credential.api_key.name", f"{name} is not for credentials")
    _secret_text(checks, "credential.api_key.value", key.value)
    value = {name: key.value}
    return Secret(
        "apiKey",
        Credential(
            headers=value if place == "header" else {},
            query=value if place == "query" else {},
            cookies=value if place == "cookie" else {},
        ),
    )


_RESERVED: Final = frozenset(
    {
        "host",
        "content-length",
        "content-type",
        "connection",
        "transfer-encoding",
        "upgrade",
        "te",
        "trailer",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "idempotency-key",
    }
)


def _basic(checks: Checks, basic: pb.BasicCredential) -> Secret:
    checks.text("credential.basic.username", basic.username, most=MAX_SECRET)
    if ":" in basic.username:
        checks.wrong("credential.basic.username", "must not contain a colon (RFC 7617)")
    checks.text("credential.basic.password", basic.password, least=1, most=MAX_SECRET)
    pair = base64.b64encode(f"{basic.username}:{basic.password}".encode()).decode()
    return Secret("basic", Credential(headers={"Authorization": f"Basic {pair}"}))


def _secret_text(checks: Checks, field: str, value: str) -> None:
    checks.text(field, value, least=1, most=MAX_SECRET)
    checks.printable(field, value, most=MAX_SECRET)
