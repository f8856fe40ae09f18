"""ConnectionService."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlsplit

from errands.v1 import connection_pb2 as pb
from errands.v1 import connection_pb2_grpc

from ..credentials.grants import Grant, Tokens
from ..domain.errors import Reason
from ..environment import Environment
from ..services.connect import AuthorizationResponse, ConnectService
from ..services.connections import Connections
from ..services.tokens import invalid_link
from . import credentials
from .enums import timestamp
from .interceptor import call_context, current_principal
from .validation import MAX_ID, RequestValidator, make_page_token, parse_uuid

MAX_URL: Final = 2_048
MAX_TOKEN: Final = 16_384
MAX_CODE: Final = 8_192
MIN_PROOF: Final = 43  # characters: 32 bytes in base64url
MAX_PROOF: Final = 512


class ConnectionServicer(connection_pb2_grpc.ConnectionServiceServicer):
    def __init__(self, connections: Connections, connect: ConnectService, environment: Environment) -> None:
        self._connections = connections
        self._connect = connect
        self._environment = environment

    async def CreateConnection(
        self, request: pb.CreateConnectionRequest, context: Any
    ) -> pb.CreateConnectionResponse:
        validator = RequestValidator()
        validator.text("integration_id", request.integration_id, least=1, most=MAX_ID)
        validator.text("user_id", request.user_id, least=1, most=MAX_ID)
        grant = self._grant(validator, request)
        validator.raise_if_invalid()
        assert grant is not None  # noqa: S101 (a violation otherwise)
        made = await self._connections.create(
            current_principal(), request.integration_id, request.user_id, grant
        )
        return pb.CreateConnectionResponse(connection=credentials.connection(made))

    def _grant(self, validator: RequestValidator, request: Any) -> Grant | None:
        match request.WhichOneof("credential"):
            case "bearer":
                return Grant(secret=credentials.bearer(validator, "bearer", request.bearer))
            case "api_key":
                return Grant(secret=credentials.described_api_key(validator, "api_key", request.api_key))
            case "api_keys":
                return Grant(secret=credentials.scheme_keys(validator, "api_keys", request.api_keys))
            case "basic":
                return Grant(secret=credentials.basic(validator, "basic", request.basic))
            case "tokens":
                return self._tokens(validator, request.tokens)
            case _:
                validator.reject("credential", "give bearer, api_key, api_keys, basic or tokens")
                return None

    def _tokens(self, validator: RequestValidator, given: pb.ConnectionTokens) -> Grant:
        credentials.secret_text(validator, "tokens.access_token", given.access_token)
        validator.printable("tokens.refresh_token", given.refresh_token, most=credentials.MAX_SECRET)
        expires_at = None
        if given.HasField("expires_at"):
            # One that ran out is as good as any other, where it can be renewed.
            least = -1 if given.refresh_token else self._environment.now()
            expires_at = validator.timestamp("tokens.expires_at", given.expires_at, after=least)
        return Grant(
            secret=Tokens(access_token=given.access_token, refresh_token=given.refresh_token),
            scopes=credentials.scope_list(validator, "tokens.scopes", given.scopes),
            expires_at=expires_at,
        )

    async def GetConnection(self, request: pb.GetConnectionRequest, context: Any) -> pb.GetConnectionResponse:
        found = await self._connections.get(current_principal(), _id(request))
        return pb.GetConnectionResponse(connection=credentials.connection(found))

    async def ListConnections(
        self, request: pb.ListConnectionsRequest, context: Any
    ) -> pb.ListConnectionsResponse:
        validator = RequestValidator()
        size = validator.page_size(request.page_size)
        validator.text("integration_id", request.integration_id, most=MAX_ID)
        validator.text("user_id", request.user_id, most=MAX_ID)
        filters = ("connections", request.integration_id, request.user_id)
        before = validator.page_token(request.page_token, filters)
        validator.raise_if_invalid()
        found = await self._connections.page(
            current_principal(),
            integration_id=request.integration_id,
            user_id=request.user_id,
            before=before,
            limit=size + 1,
        )
        more = len(found) > size
        return pb.ListConnectionsResponse(
            connections=[credentials.connection(one) for one in found[:size]],
            next_page_token=make_page_token(found[size - 1].id, filters) if more else "",
        )

    async def DeleteConnection(
        self, request: pb.DeleteConnectionRequest, context: Any
    ) -> pb.DeleteConnectionResponse:
        await self._connections.delete(current_principal(), _id(request))
        return pb.DeleteConnectionResponse()

    async def CreateConnectLink(
        self, request: pb.CreateConnectLinkRequest, context: Any
    ) -> pb.CreateConnectLinkResponse:
        validator = RequestValidator()
        validator.text("integration_id", request.integration_id, least=1, most=MAX_ID)
        validator.text("user_id", request.user_id, least=1, most=MAX_ID)
        scopes = credentials.scope_list(validator, "scopes", request.scopes)
        web_url(validator, "return_url", request.return_url)
        validator.raise_if_invalid()
        url, expires_at = await self._connect.create_link(
            current_principal(),
            request.integration_id,
            request.user_id,
            scopes=scopes,
            return_url=request.return_url,
        )
        return pb.CreateConnectLinkResponse(url=url, expires_at=timestamp(expires_at))

    async def ConfirmConnection(
        self, request: pb.ConfirmConnectionRequest, context: Any
    ) -> pb.ConfirmConnectionResponse:
        validator = RequestValidator()
        validator.text("flow", request.flow, least=1, most=MAX_TOKEN)
        validator.text("user_id", request.user_id, least=1, most=MAX_ID)
        validator.raise_if_invalid()
        made, return_url = await self._connect.confirm(current_principal(), request.flow, request.user_id)
        return pb.ConfirmConnectionResponse(connection=credentials.connection(made), return_url=return_url)

    async def GetConnectLink(
        self, request: pb.GetConnectLinkRequest, context: Any
    ) -> pb.GetConnectLinkResponse:
        prompt = await self._connect.read_link(_token(request), call_context().principal)
        return pb.GetConnectLinkResponse(
            integration_name=prompt.integration_name,
            base_url=prompt.base_url,
            user_id=prompt.user_id,
            scopes=prompt.scopes,
            scope_texts=prompt.scope_texts,
            expires_at=timestamp(prompt.expires_at),
            type=prompt.type,
            page_url=prompt.page_url,
            keys=[pb.ConnectLinkKey(scheme=scheme, name=name) for scheme, name in prompt.keys.items()],
        )

    async def BeginConnect(self, request: pb.BeginConnectRequest, context: Any) -> pb.BeginConnectResponse:
        token = _token(request)
        validator = RequestValidator()
        _check_browser(validator, request.browser)
        typed = None if request.WhichOneof("credential") is None else self._grant(validator, request)
        if request.refuse and typed is not None:
            validator.reject("refuse", "goes without a credential")
        validator.raise_if_invalid()
        if request.refuse:
            return credentials.begin_response(
                await self._connect.refuse(token, request.browser, caller=call_context().principal)
            )
        secret = None if typed is None else typed.secret
        begun = await self._connect.begin(token, request.browser, secret, caller=call_context().principal)
        if isinstance(begun, str):
            return pb.BeginConnectResponse(redirect_url=begun)
        return credentials.begin_response(begun)

    async def FinishConnect(self, request: pb.FinishConnectRequest, context: Any) -> pb.FinishConnectResponse:
        validator = RequestValidator()
        validator.printable("state", request.state, most=MAX_TOKEN)
        validator.printable("code", request.code, most=MAX_CODE)
        validator.printable("error", request.error, most=MAX_ID)
        if bool(request.code) == bool(request.error):
            validator.reject("code", "give the code or the error, as the service did")
        validator.text("iss", request.iss, most=MAX_URL)
        _check_browser(validator, request.browser)
        validator.raise_if_invalid()
        answer = AuthorizationResponse(code=request.code, error=request.error, issuer=request.iss)
        ended = await self._connect.finish(
            request.state, request.browser, answer, caller=call_context().principal
        )
        return credentials.finish_response(ended)

    async def GetConnectSettings(
        self, request: pb.GetConnectSettingsRequest, context: Any
    ) -> pb.GetConnectSettingsResponse:
        return pb.GetConnectSettingsResponse(settings=await self._settings())

    async def UpdateConnectSettings(
        self, request: pb.UpdateConnectSettingsRequest, context: Any
    ) -> pb.UpdateConnectSettingsResponse:
        validator = RequestValidator()
        url = web_url(validator, "verifier_url", request.verifier_url)
        validator.raise_if_invalid()
        if request.HasField("verifier_url"):
            await self._connections.set_verifier_url(current_principal(), url)
        return pb.UpdateConnectSettingsResponse(settings=await self._settings())

    async def _settings(self) -> pb.ConnectSettings:
        return pb.ConnectSettings(verifier_url=await self._connections.verifier_url(current_principal()))


def web_url(validator: RequestValidator, field: str, url: str) -> str:
    """An address browsers may be sent to, or none."""
    validator.printable(field, url, most=MAX_URL)
    if url and not _is_web_url(url):
        validator.reject(field, "must be an http or https URL without a fragment")
    return url


def _is_web_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and not parts.fragment


def _check_browser(validator: RequestValidator, proof: str) -> None:
    if len(proof) < MIN_PROOF:
        validator.reject("browser", "must be at least 32 random bytes, as text")
    validator.printable("browser", proof, most=MAX_PROOF)


def _token(request: Any) -> str:
    if not request.token or len(request.token) > MAX_TOKEN or not request.token.isascii():
        raise invalid_link()
    return str(request.token)


def _id(request: Any) -> str:
    return parse_uuid(request.id, Reason.CONNECTION_NOT_FOUND)
