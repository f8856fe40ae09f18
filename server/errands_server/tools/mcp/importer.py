"""Imports MCP servers: makes revisions of integrations from the tools that a server lists."""

from __future__ import annotations

import asyncio
import secrets
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from msgspec import Struct

from ...credentials.credential import Credential
from ...credentials.redaction import scrub_result
from ...credentials.security_scheme import SecurityScheme
from ...domain.errors import Invalid, Reason, Violation
from ...domain.tool import Effect, Repeat, Tool
from ...ports import AuthorizationRequired, CallFailed
from ...store.repositories.integrations import Revision
from ..openapi.document import OUTPUT_BUDGET
from ..openapi.json_node import DocumentError, JsonDocument, JsonNode
from ..openapi.schema import Direction, SchemaConverter
from ..openapi.tool_schema import BUDGET
from ..operation import Omission, Operation
from ..origins import STDIO, endpoint_of, service_origin
from ..tool_names import ToolNames
from .endpoint import Listing, ServerError, SessionKey, StdioServer, Target, Unreadable, target_of
from .protected_resource import ProtectedResource, protected_resource, scheme_of
from .results import open_failure
from .session_pool import CannotOpen, SdkMissing, SessionPool

KIND: Final = "mcp"
SCHEME: Final = "oauth"  # the one security scheme an MCP server has
MAX_DESCRIPTION: Final = 20_000  # characters
MAX_SCHEMA: Final = 1 << 20  # bytes
_LISTING_TIMEOUT: Final = 30.0  # seconds, once there is a session
_LOCKED: Final = "tools: the server lists them only to who is authorized"


class McpSource(Struct, frozen=True):
    """An MCP server: the URL of its endpoint, or the name of a configured process."""

    url: str = ""
    server: str = ""

    @property
    def field(self) -> str:
        """The field of a request that holds it."""
        return "mcp_url" if self.url else "mcp_server"

    def address(self) -> str:
        """The base URL of its integrations: the URL, or `stdio:NAME`. Invalid: it is no URL."""
        try:
            return endpoint_of(self.url, self.field) if self.url else f"{STDIO}{self.server}"
        except DocumentError as error:
            raise Invalid([Violation(self.field, error.message)]) from None


class McpTerms(Struct, frozen=True, kw_only=True):
    """How a server is to be used."""

    internal: bool = False  # private addresses may be reached
    honours_keys: bool = False  # calls carry an idempotency key, which the server heeds


class _StoredListing(Struct, frozen=True, kw_only=True):
    """A listing as a revision stores it, in msgpack, so that it can be read again."""

    listing: Listing
    guard: ProtectedResource | None = None  # None: the server needs no authorization


class McpImporter:
    """Lists the tools of servers, and makes revisions of them."""

    def __init__(self, sessions: SessionPool, servers: Mapping[str, StdioServer]) -> None:
        self._sessions = sessions
        self._servers = servers

    async def import_source(
        self, source: McpSource, terms: McpTerms, credential: Credential | None, old: Revision | None = None
    ) -> Revision:
        """A revision, without a credential, of the tools that the server lists to `credential`.

        A server that lists none without authorization, and publishes who grants it, keeps the
        tools of `old`, or has none. Invalid: DOCUMENT_UNREACHABLE, ADDRESS_FORBIDDEN, FIELD_INVALID.
        """
        address, field = source.address(), source.field
        try:
            target = self.target(address, internal=terms.internal, credential=credential or Credential())
        except LookupError as error:
            raise Invalid([Violation(field, str(error.args[0]))]) from None
        known = Listing(tools=())
        if old is not None and old.base_url == address:
            known = _unpack(old.document).listing
        try:
            stored = _StoredListing(listing=await self.listing(target))
        except SdkMissing as error:
            raise Invalid([Violation(field, str(error))]) from None
        except CannotOpen as error:
            stored = _StoredListing(listing=known, guard=await _find_guard(target, error, field))
        except (ServerError, Unreadable, TimeoutError) as error:
            message = str(error) or f"no tools within {_LISTING_TIMEOUT:g} seconds"
            refusal = CallFailed(reason=Reason.DOCUMENT_UNREACHABLE, message=message)
            raise _invalid(field, refusal, target) from None
        return await asyncio.to_thread(_make_revision, address, stored, terms)

    def target(self, address: str, *, internal: bool, credential: Credential) -> Target:
        """The target at a URL or `stdio:NAME`. LookupError: no such server is configured."""
        return target_of(address, self._servers, internal=internal, credential=credential)

    async def listing(self, target: Target) -> Listing:
        """What the server lists. CannotOpen, SdkMissing, ServerError, Unreadable, TimeoutError.

        It uses a session of its own, which no other caller can end.
        """
        key = SessionKey("", "", 0, "", secrets.token_bytes(16))
        try:
            async with self._sessions.lease(key, target) as (session, _), asyncio.timeout(_LISTING_TIMEOUT):
                return await session.listing()
        finally:
            self._sessions.discard(key)


async def _find_guard(target: Target, error: CannotOpen, field: str) -> ProtectedResource:
    """Who authorizes clients of a server that refused a session. Invalid: it refused for another reason."""
    exchange = error.exchange
    result = open_failure(exchange, error.message, credential=target.credential, now=datetime.now(UTC))
    if isinstance(result, AuthorizationRequired):
        challenge = exchange.headers.get("www-authenticate", "")
        guard = await protected_resource(target.address, internal=target.internal, challenge=challenge)
        if guard is not None:
            return guard
    raise _invalid(field, result, target)


def _invalid(field: str, result: CallFailed | AuthorizationRequired, target: Target) -> Invalid:
    forbidden = isinstance(result, CallFailed) and result.reason is Reason.ADDRESS_FORBIDDEN
    reason = Reason.ADDRESS_FORBIDDEN if forbidden else Reason.DOCUMENT_UNREACHABLE
    return Invalid([Violation(field, scrub_result(result, target.secrets()).message)], reason=reason)


def reimport(old: Revision, terms: McpTerms) -> Revision:
    """A revision from the stored listing of an earlier one; the server is not called."""
    return _make_revision(old.base_url, _unpack(old.document), terms)


def apply_listing(old: Revision, listing: Listing) -> Revision:
    """The revision of a new listing; `old` itself where the listing changes no tool."""
    stored = _StoredListing(listing=listing, guard=_unpack(old.document).guard)
    terms = McpTerms(internal=old.internal, honours_keys=old.honours_keys)
    new = _make_revision(old.base_url, stored, terms)
    if new.operations == old.operations:
        return old
    return msgspec.structs.replace(new, auth_type=old.auth_type, shared=old.shared, credential=old.credential)


def _make_revision(base_url: str, stored: _StoredListing, terms: McpTerms) -> Revision:
    origin = service_origin(base_url)
    guard = stored.guard
    operations, omitted = read_tools(
        stored.listing,
        ServerTraits(
            origin=origin,
            path=base_url.removeprefix(origin),
            honours_keys=terms.honours_keys,
            scopes=None if guard is None else guard.scopes,
        ),
    )
    schemes: dict[str, SecurityScheme] = {} if guard is None else {SCHEME: scheme_of(guard)}
    left_out = [f"{omission.place}: {omission.why}" for omission in omitted]
    if guard is not None and not operations:
        left_out.append(_LOCKED)
    return Revision(
        kind=KIND,
        base_url=base_url,
        internal=terms.internal,
        honours_keys=terms.honours_keys,
        document=zlib.compress(msgspec.msgpack.encode(stored)),
        operations=msgspec.json.encode(operations),
        schemes=msgspec.json.encode(schemes).decode(),
        tool_count=len(operations),
        left_out=tuple(left_out),
        shared=base_url.startswith(STDIO),  # a process has one account for all users
    )


def _unpack(stored: bytes) -> _StoredListing:
    return msgspec.msgpack.decode(zlib.decompress(stored), type=_StoredListing)


class ServerTraits(Struct, frozen=True, kw_only=True):
    """What all tools of one server share."""

    origin: str
    path: str = ""  # of its endpoint
    honours_keys: bool = False
    scopes: tuple[str, ...] | None = None  # what its users must grant; None where it needs no authorization


def read_tools(listing: Listing, traits: ServerTraits) -> tuple[tuple[Operation, ...], tuple[Omission, ...]]:
    """The tools that can be called, and those that cannot, with the reason."""
    found: dict[str, Operation] = {}
    left_out: list[Omission] = []
    remote_names = dict.fromkeys(str(tool.get("name", "")) for tool in listing.tools)
    names = ToolNames((remote_name, "", remote_name) for remote_name in remote_names)
    for tool in listing.tools:
        remote_name = str(tool.get("name", ""))
        try:
            if remote_name in found:
                raise DocumentError("", "another tool has the same name")
            found[remote_name] = _operation(tool, names["", remote_name], remote_name, traits)
        except DocumentError as error:
            left_out.append(Omission(f"tools.{remote_name[:100]}", str(error)))
    return tuple(found.values()), tuple(left_out)


def _operation(tool: Mapping[str, Any], name: str, remote_name: str, traits: ServerTraits) -> Operation:
    annotations = tool.get("annotations") or {}
    effect = effect_of(annotations)
    parameters = _schema(tool.get("inputSchema"), "inputSchema", Direction.SENT, BUDGET)
    output = tool.get("outputSchema")
    return Operation(
        tool=Tool(
            name=name,
            title=str(tool.get("title") or annotations.get("title") or remote_name),
            description=str(tool.get("description") or "")[:MAX_DESCRIPTION],
            effect=effect,
            repeat=_repeat(effect, traits),
            method="",
            path="",
            origin=traits.origin,
            parameters={"type": "object", **parameters},
            output=_schema(output, "outputSchema", Direction.RECEIVED, OUTPUT_BUDGET) if output else None,
            secured=traits.scopes is not None,
        ),
        base_path=traits.path,
        remote_name=remote_name,
        security=() if traits.scopes is None else ((SCHEME,),),
        scopes=() if traits.scopes is None else (traits.scopes,),
    )


def effect_of(annotations: Mapping[str, Any]) -> Effect:
    """READ where the annotations say that a tool only reads, and not also that it is destructive."""
    reads = annotations.get("readOnlyHint") is True and annotations.get("destructiveHint") is not True
    return Effect.READ if reads else Effect.WRITE


def _repeat(effect: Effect, traits: ServerTraits) -> Repeat:
    # A server's own `idempotentHint` is no promise; the one that adds the server may give one (honours_keys).
    if effect is Effect.READ:
        return Repeat.FREELY
    return Repeat.KEYED if traits.honours_keys else Repeat.NEVER


def _schema(value: Any, place: str, direction: Direction, budget: int) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise DocumentError(place, "is no JSON Schema of an object")
    if len(msgspec.json.encode(value)) > MAX_SCHEMA:
        raise DocumentError(place, f"is longer than {MAX_SCHEMA >> 20} MiB")
    schemas = SchemaConverter()
    try:
        converted = schemas.convert(JsonNode(value, place, JsonDocument(value)), direction)
        found: Mapping[str, Any] = schemas.complete(converted, direction, budget=budget)
    except RecursionError:
        raise DocumentError(place, "is nested too deeply") from None
    return found
