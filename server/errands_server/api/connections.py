"""ConnectionService."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlsplit

from errands.v1 import connection_pb2 as pb
from errands.v1 import connection_pb2_grpc

from ..credentials.grants import Grant, Tokens
from ..domain.errors import Reason
from ..environment import Environment
from ..services.connect import ConnectService, ConnectStep
from ..services.connections import Connections
from ..services.tokens import invalid_link
from . import credentials
from .enums import timestamp
from .interceptor import caller, principal
from .validation import MAX_ID, Checks, identifier, next_token

MAX_URL: Final = 2_048
MAX_TOKEN: Final = 16_384
MAX_CODE: Final = 8_192
MIN_PROOF: Final = 43  # characters: 32 bytes in base64url
MAX_PROOF: Final = 512


class ConnectionServicer(connection_pb2_grpc.ConnectionServiceServicer):
    def __init__(
        self, connections: Connections, connecting: ConnectService, environment: Environment
    ) -> None:
        self._connections = connections
        self._connecting = connecting
        self._environment = environment

    async def CreateConnection(
        self, request: pb.CreateConnectionRequest, context: Any
    ) -> pb.CreateConnectionResponse:
        checks = Checks()
        checks.text("integration_id", request.integration_id, least=1, most=MAX_ID)
        checks.text("user_id", request.user_id, least=1, most=MAX_ID)
        grant = self._grant(checks, request)
        checks.done()
        assert grant is not None  # noqa: S101 (a violation otherwise)
        made = await self._connections.create(principal(), request.integration_id, request.user_id, grant)
        return pb.CreateConnectionResponse(connection=credentials.connection(made))

    def _grant(self, checks: Checks, request: Any) -> Grant | None:
        match request.WhichOneof("credential"):
            case "bearer":
                return Grant(secret=credentials.bearer(checks, "bearer", request.bearer))
            case "api_key":
                return Grant(secret=credentials.described_api_key(checks, "api_key", request.api_key))
            case "api_keys":
                return Grant(secret=credentials.scheme_keys(checks, "api_keys", request.api_keys))
            case "basic":
                return Grant(secret=credentials.basic(checks, "basic", request.basic))
            case "tokens":
                return self._tokens(checks, request.tokens)
            case _:
                checks.wrong("credential", "give bearer, api_key, api_keys, basic or tokens")
                return None

    def _tokens(self, checks: Checks, given: pb.ConnectionTokens) -> Grant:
        credentials.secret_text(checks, "tokens.access_token", given.access_token)
        checks.printable("tokens.refresh_token", given.refresh_token, most=credentials.MAX_SECRET)
        expires_at = None
        if given.HasField("expires_at"):
            # One that ran out is as good as any other, where it can be renewed.
            least = -1 if given.refresh_token else self._environment.now()
            expires_at = checks.timestamp("tokens.expires_at", given.expires_at, after=least)
        return Grant(
            secret=Tokens(access_token=given.access_token, refresh_token=given.refresh_token),
            scopes=credentials.scope_list(checks, "tokens.scopes", given.scopes),
            expires_at=expires_at,
        )

    async def GetConnection(self, request: pb.GetConnectionRequest, context: Any) -> pb.GetConnectionResponse:
        found = await self._connections.get(principal(), _id(request))
        return pb.GetConnectionResponse(connection=credentials.connection(found))

    async def ListConnections(
        self, request: pb.ListConnectionsRequest, context: Any
    ) -> pb.ListConnectionsResponse:
        checks = Checks()
        size = checks.page_size(request.page_size)
        checks.text("integration_id", request.integration_id, most=MAX_ID)
        checks.text("user_id", request.user_id, most=MAX_ID)
        filters = ("connections", request.integration_id, request.user_id)
        before = checks.page_token(request.page_token, filters)
        checks.done()
        found = await self._connections.page(
            principal(),
            integration_id=request.integration_id,
            user_id=request.user_id,
            before=before,
            limit=size + 1,
        )
        more = len(found) > size
        return pb.ListConnectionsResponse(
            connections=[credentials.connection(one) for one in found[:size]],
            next_page_token=next_token(found[size - 1].id, filters) if more else "",
        )

    async def DeleteConnection(
        self, request: pb.DeleteConnectionRequest, context: Any
    ) -> pb.DeleteConnectionResponse:
        await self._connections.delete(principal(), _id(request))
        return pb.DeleteConnectionResponse()

    async def CreateConnectLink(
        self, request: pb.CreateConnectLinkRequest, context: Any
    ) -> pb.CreateConnectLinkResponse:
        checks = Checks()
        checks.text("integration_id", request.integration_id, least=1, most=MAX_ID)
        checks.text("user_id", request.user_id, least=1, most=MAX_ID)
        scopes = credentials.scope_list(checks, "scopes", request.scopes)
        web_url(checks, "return_url", request.return_url)
        checks.done()
        url, expires_at = await self._connecting.link(
            principal(),
            request.integration_id,
            request.user_id,
            scopes=scopes,
            return_url=request.return_url,
        )
        return pb.CreateConnectLinkResponse(url=url, expires_at=timestamp(expires_at))

    async def ConfirmConnection(
        self, request: pb.ConfirmConnectionRequest, context: Any
    ) -> pb.ConfirmConnectionResponse:
        checks = Checks()
        checks.text("flow", request.flow, least=1, most=MAX_TOKEN)
        checks.text("user_id", request.user_id, least=1, most=MAX_ID)
        checks.done()
        made, return_url = await self._connecting.confirm(principal(), request.flow, request.user_id)
        return pb.ConfirmConnectionResponse(connection=credentials.connection(made), return_url=return_url)

    async def GetConnectLink(
        self, request: pb.GetConnectLinkRequest, context: Any
    ) -> pb.GetConnectLinkResponse:
        asked = await self._connecting.asked(_token(request), caller().principal)
        return pb.GetConnectLinkResponse(
            integration_name=asked.integration_name,
            base_url=asked.base_url,
            user_id=asked.user_id,
            scopes=asked.scopes,
            scope_texts=asked.scope_texts,
            expires_at=timestamp(asked.expires_at),
            type=asked.type,
            page_url=asked.page_url,
            keys=[pb.ConnectLinkKey(scheme=scheme, name=name) for scheme, name in asked.keys.items()],
        )

    async def BeginConnect(self, request: pb.BeginConnectRequest, context: Any) -> pb.BeginConnectResponse:
        token = _token(request)
        checks = Checks()
        _check_browser(checks, request.browser)
        typed = None if request.WhichOneof("credential") is None else self._grant(checks, request)
        if request.refuse and typed is not None:
            checks.wrong("refuse", "goes without a credential")
        checks.done()
        if request.refuse:
            return credentials.begun(
                await self._connecting.refuse(token, request.browser, caller=caller().principal)
            )
        secret = None if typed is None else typed.secret
        begun = await self._connecting.begin(token, request.browser, secret, caller=caller().principal)
        if isinstance(begun, str):
            return pb.BeginConnectResponse(redirect_url=begun)
        return credentials.begun(begun)

    async def FinishConnect(self, request: pb.FinishConnectRequest, context: Any) -> pb.FinishConnectResponse:
        checks = Checks()
        checks.printable("state", request.state, most=MAX_TOKEN)
        checks.printable("code", request.code, most=MAX_CODE)
        checks.printable("error", request.error, most=MAX_ID)
        if bool(request.code) == bool(request.error):
            checks.wrong("code", "give the code or the error, as the service did")
        checks.text("iss", request.iss, most=MAX_URL)
        _check_browser(checks, request.browser)
        checks.done()
        answer = ConnectStep(code=request.code, error=request.error, issuer=request.iss)
        ended = await self._connecting.finish(
            request.state, request.browser, answer, caller=caller().principal
        )
        return credentials.finished(ended)

    async def GetConnectSettings(
        self, request: pb.GetConnectSettingsRequest, context: Any
    ) -> pb.GetConnectSettingsResponse:
        return pb.GetConnectSettingsResponse(settings=await self._settings())

    async def UpdateConnectSettings(
        self, request: pb.UpdateConnectSettingsRequest, context: Any
    ) -> pb.UpdateConnectSettingsResponse:
        checks = Checks()
        url = web_url(checks, "verifier_url", request.verifier_url)
        checks.done()
        if request.HasField("verifier_url"):
            await self._connections.verify_at(principal(), url)
        return pb.UpdateConnectSettingsResponse(settings=await self._settings())

    async def _settings(self) -> pb.ConnectSettings:
        return pb.ConnectSettings(verifier_url=await self._connections.verifier_url(principal()))


def web_url(checks: Checks, field: str, url: str) -> str:
    """An address browsers may be sent to, or none."""
    checks.printable(field, url, most=MAX_URL)
    if url and not _leads_somewhere(url):
        checks.wrong(field, "must be an http or https URL without a fragment")
    return url


def _leads_somewhere(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and not parts.fragment


def _check_browser(checks: Checks, proof: str) -> None:
    if len(proof) < MIN_PROOF:
        checks.wrong("browser", "must be at least 32 random bytes, as text")
    checks.printable("browser", proof, most=MAX_PROOF)


def _token(request: Any) -> str:
    if not request.token or len(request.token) > MAX_TOKEN or not request.token.isascii():
        raise invalid_link()
    return str(request.token)


def _id(request: Any) -> str:
    return identifier(request.id, Reason.CONNECTION_NOT_FOUND)
