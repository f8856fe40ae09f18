"""ConnectionService."""

from __future__ import annotations

from typing import Any, Final

from errands.v1 import connection_pb2 as pb
from errands.v1 import connection_pb2_grpc

from ..credentials.secret import Grant, Tokens
from ..domain.errors import Reason
from ..services.connections import Connections
from ..world import World
from . import messages, secrets
from .checks import MAX_ID, Checks, identifier, next_token
from .interceptors import principal

MAX_SCOPES: Final = 100
MAX_SCOPE: Final = 1_000


class ConnectionServicer(connection_pb2_grpc.ConnectionServiceServicer):
    def __init__(self, connections: Connections, world: World) -> None:
        self._connections = connections
        self._world = world

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
        return pb.CreateConnectionResponse(connection=messages.connection(made))

    def _grant(self, checks: Checks, request: Any) -> Grant | None:
        match request.WhichOneof("credential"):
            case "bearer":
                return Grant(secret=secrets.bearer(checks, "bearer", request.bearer))
            case "api_key":
                return Grant(secret=secrets.described_api_key(checks, "api_key", request.api_key))
            case "basic":
                return Grant(secret=secrets.basic(checks, "basic", request.basic))
            case "tokens":
                return self._tokens(checks, request.tokens)
            case _:
                checks.wrong("credential", "give bearer, api_key, basic or tokens")
                return None

    def _tokens(self, checks: Checks, given: pb.ConnectionTokens) -> Grant:
        secrets.secret_text(checks, "tokens.access_token", given.access_token)
        checks.printable("tokens.refresh_token", given.refresh_token, most=secrets.MAX_SECRET)
        expires_at = None
        if given.HasField("expires_at"):
            # One that ran out is as good as any other, where it can be renewed.
            least = -1 if given.refresh_token else self._world.now()
            expires_at = checks.timestamp("tokens.expires_at", given.expires_at, after=least)
        return Grant(
            secret=Tokens(access_token=given.access_token, refresh_token=given.refresh_token),
            scopes=scopes(checks, "tokens.scopes", given.scopes),
            expires_at=expires_at,
        )

    async def GetConnection(self, request: pb.GetConnectionRequest, context: Any) -> pb.GetConnectionResponse:
        found = await self._connections.get(principal(), _id(request))
        return pb.GetConnectionResponse(connection=messages.connection(found))

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
            connections=[messages.connection(one) for one in found[:size]],
            next_page_token=next_token(found[size - 1].id, filters) if more else "",
        )

    async def DeleteConnection(
        self, request: pb.DeleteConnectionRequest, context: Any
    ) -> pb.DeleteConnectionResponse:
        await self._connections.delete(principal(), _id(request))
        return pb.DeleteConnectionResponse()


def scopes(checks: Checks, field: str, given: Any) -> tuple[str, ...]:
    """Scopes as RFC 6749 §3.3 spells them."""
    checks.count(field, given, most=MAX_SCOPES)
    for index, scope in enumerate(given[:MAX_SCOPES]):
        checks.printable(f"{field}[{index}]", scope, most=MAX_SCOPE)
        if not scope or not set(scope).isdisjoint(' "\\'):
            checks.wrong(f"{field}[{index}]", "must be one scope, without spaces, quotes or backslashes")
    return tuple(dict.fromkeys(given))


def _id(request: Any) -> str:
    return identifier(request.id, Reason.CONNECTION_NOT_FOUND)
