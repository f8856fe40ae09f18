"""KeyService."""

from __future__ import annotations

import re
from typing import Any, Final

from errands.v1 import key_pb2 as pb
from errands.v1 import key_pb2_grpc

from ..domain.errors import Reason
from ..environment import Environment
from ..services.keys import Keys
from ..services.principal import Scope
from . import messages
from .interceptor import current_principal
from .validation import RequestValidator, make_page_token, parse_uuid

_TENANT: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_SCOPES: Final = tuple(str(scope) for scope in Scope)


class KeyServicer(key_pb2_grpc.KeyServiceServicer):
    def __init__(self, keys: Keys, environment: Environment) -> None:
        self._keys = keys
        self._environment = environment

    async def CreateKey(self, request: pb.CreateKeyRequest, context: Any) -> pb.CreateKeyResponse:
        validator = RequestValidator()
        validator.text("name", request.name.strip(), least=1, most=100)
        validator.count("scopes", request.scopes, least=1, most=len(_SCOPES))
        for index, scope in enumerate(request.scopes):
            validator.one_of(f"scopes[{index}]", scope, _SCOPES)
        if request.tenant and not _TENANT.fullmatch(request.tenant):
            validator.reject("tenant", "must be 1 to 63 of a-z, 0-9, - and _, not beginning with - or _")
        expires_at = None
        if request.HasField("expires_at"):
            expires_at = validator.timestamp("expires_at", request.expires_at, after=self._environment.now())
        validator.raise_if_invalid()
        key, secret = await self._keys.create(
            current_principal(),
            name=request.name.strip(),
            scopes=frozenset(Scope(scope) for scope in request.scopes),
            expires_at=expires_at,
            tenant=request.tenant,
        )
        return pb.CreateKeyResponse(key=messages.key(key), secret=secret)

    async def ListKeys(self, request: pb.ListKeysRequest, context: Any) -> pb.ListKeysResponse:
        validator = RequestValidator()
        size = validator.page_size(request.page_size)
        before = validator.page_token(request.page_token, "keys")
        validator.raise_if_invalid()
        found = await self._keys.page(current_principal(), before=before, limit=size + 1)
        more = len(found) > size
        return pb.ListKeysResponse(
            keys=[messages.key(one) for one in found[:size]],
            next_page_token=make_page_token(found[size - 1].id, "keys") if more else "",
        )

    async def RevokeKey(self, request: pb.RevokeKeyRequest, context: Any) -> pb.RevokeKeyResponse:
        await self._keys.revoke(current_principal(), parse_uuid(request.id, Reason.KEY_NOT_FOUND))
        return pb.RevokeKeyResponse()
