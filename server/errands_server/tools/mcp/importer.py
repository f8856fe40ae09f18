"""Makes a revision of an integration from what an MCP server lists."""

from __future__ import annotations

import asyncio
import secrets
import zlib
from collections.abc import Iterator, Mapping
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
from ..openapi.schema import Direction, Schemas
from ..openapi.tool_schema import BUDGET
from ..operation import Omission, Operation
from ..origins import STDIO, endpoint_of, home_of
from ..tool_names import Names
from .endpoint import Listing, ServerError, SessionKey, StdioServer, Target, Unreadable, target_of
from .protected_resource import ProtectedResource, protected_resource, scheme_of
from .results import not_opened
from .session_pool import CannotOpen, SdkMissing, SessionPool

SCHEME: Final = "oauth"  # the one security scheme an MCP server has
MAX_DESCRIPTION: Final = 20_000  # characters
MAX_SCHEMA: Final = 1 << 20  # bytes


class Place(Struct, frozen=True, kw_only=True):
    """What all tools of one server have in common."""

    home: str
    path: str = ""
    honours_keys: bool = False
    scopes: tuple[str, ...] | None = None  # what its users must grant; None where it asks for nothing


def read(listing: Listing, place: Place) -> tuple[tuple[Operation, ...], tuple[Omission, ...]]:
    """The tools that can be called, and those that cannot with the reason."""
    found: dict[str, Operation] = {}
    left_out: list[Omission] = []
    names = Names((said, "", said) for said in _names(listing))
    for tool in listing.tools:
        said = str(tool.get("name", ""))
        try:
            if said in found:
                raise DocumentError("", "another tool has the same name")
            found[said] = _operation(tool, names["", said], said, place)
        except DocumentError as error:
            left_out.append(Omission(f"tools.{said[:100]}", str(error)))
    return tuple(found.values()), tuple(left_out)


def _names(listing: Listing) -> Iterator[str]:
    return iter(dict.fromkeys(str(tool.get("name", "")) for tool in listing.tools))


def _operation(tool: Mapping[str, Any], name: str, said: str, place: Place) -> Operation:
    annotations = tool.get("annotations") or {}
    effect = effect_of(annotations)
    parameters = _schema(tool.get("inputSchema"), "inputSchema", Direction.SENT, BUDGET)
    output = tool.get("outputSchema")
    return Operation(
        tool=Tool(
            name=name,
            title=str(tool.get("title") or annotations.get("title") or said),
            description=str(tool.get("description") or "")[:MAX_DESCRIPTION],
            effect=effect,
            repeat=_repeat(effect, place),
            method="",
            path="",
            origin=place.home,
            parameters={"type": "object", **parameters},
            output=_schema(output, "outputSchema", Direction.RECEIVED, OUTPUT_BUDGET) if output else None,
            secured=place.scopes is not None,
        ),
        base_path=place.path,
        remote_name=said,
        security=() if place.scopes is None else ((SCHEME,),),
        scopes=() if place.scopes is None else (place.scopes,),
    )


def effect_of(annotations: Mapping[str, Any]) -> Effect:
    """A tool that is not said to only read writes, and so does one that is said to do both."""
    reads = annotations.get("readOnlyHint") is True and annotations.get("destructiveHint") is not True
    return Effect.READ if reads else Effect.WRITE


def _repeat(effect: Effect, place: Place) -> Repeat:
    # A server's own `idempotentHint` is no promise: whoever adds it may make one with honours_keys.
    if effect is Effect.READ:
        return Repeat.FREELY
    return Repeat.KEYED if place.honours_keys else Repeat.NEVER


def _schema(value: Any, place: str, direction: Direction, budget: int) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise DocumentError(place, "is no JSON Schema of an object")
    if len(msgspec.json.encode(value)) > MAX_SCHEMA:
        raise DocumentError(place, f"is longer than {MAX_SCHEMA >> 20} MiB")
    schemas = Schemas()
    try:
        converted = schemas.convert(JsonNode(value, place, JsonDocument(value)), direction)
        found: Mapping[str, Any] = schemas.complete(converted, direction, budget=budget)
    except RecursionError:
        raise DocumentError(place, "is nested too deeply") from None
    return found


KIND: Final = "mcp"
_LISTING: Final = 30.0  # seconds, once there is a session
_LOCKED: Final = "tools: the server lists them only to who is authorized"


class McpSource(Struct, frozen=True):
    """An MCP server: the URL of its endpoint, or the name of a configured process."""

    url: str = ""
    server: str = ""

    @property
    def field(self) -> str:
        """The field of a request it came in."""
        return "mcp_url" if self.url else "mcp_server"

    def place(self) -> str:
        """What its integrations keep as their base URL. Invalid: it is none."""
        try:
            return endpoint_of(self.url, self.field) if self.url else f"{STDIO}{self.server}"
        except DocumentError as error:
            raise Invalid([Violation(self.field, error.message)]) from None


class McpTerms(Struct, frozen=True, kw_only=True):
    """What is said about a server besides where it is."""

    internal: bool = False
    honours_keys: bool = False  # it heeds the idempotency key that its calls then carry


class _Stored(Struct, frozen=True, kw_only=True):
    """A listing as a revision keeps it, so that it can be read anew."""

    listing: Listing
    guard: ProtectedResource | None = None


class McpImporter:
    """Asks servers for their tools."""

    def __init__(self, sessions: SessionPool, servers: Mapping[str, StdioServer]) -> None:
        self._sessions = sessions
        self._servers = servers

    async def import_source(
        self, source: McpSource, terms: McpTerms, credential: Credential | None, old: Revision | None = None
    ) -> Revision:
        """A revision without a credential, from what the server lists to `credential`.

        A server that lists nothing to strangers, and says who guards it, keeps the tools of
        `old`, or has none. DOCUMENT_UNREACHABLE, ADDRESS_FORBIDDEN, FIELD_INVALID.
        """
        place = source.place()
        try:
            given = credential or Credential()
            target = self.target(place, internal=terms.internal, credential=given)
        except LookupError as error:
            raise Invalid([Violation(source.field, str(error.args[0]))]) from None
        known = Listing(tools=())
        if old is not None and old.base_url == place:
            known = _unpacked(old.document).listing
        stored = await self._stored(target, source.field, known)
        return await asyncio.to_thread(_revision, place, stored, terms)

    async def _stored(self, target: Target, field: str, known: Listing) -> _Stored:
        try:
            return _Stored(listing=await self.listing(target))
        except SdkMissing as error:
            raise Invalid([Violation(field, str(error))]) from None
        except CannotOpen as error:
            return _Stored(listing=known, guard=await _guard(target, error, field))
        except (ServerError, Unreadable, TimeoutError) as error:
            message = str(error) or f"no tools within {_LISTING:g} seconds"
            refusal = CallFailed(reason=Reason.DOCUMENT_UNREACHABLE, message=message)
            raise _invalid(field, refusal, target) from None

    def target(self, place: str, *, internal: bool, credential: Credential) -> Target:
        """The target at a place. LookupError: no such server is configured."""
        return target_of(place, self._servers, internal=internal, credential=credential)

    async def listing(self, target: Target) -> Listing:
        """What the server lists. CannotOpen, SdkMissing, ServerError, Unreadable, TimeoutError.

        By a session of its own: it must not end in the middle with who asked.
        """
        owner = SessionKey("", "", 0, "", secrets.token_bytes(16))
        try:
            async with self._sessions.lease(owner, target) as (connection, _), asyncio.timeout(_LISTING):
                return await connection.listing()
        finally:
            self._sessions.give_up(owner)


async def _guard(target: Target, error: CannotOpen, field: str) -> ProtectedResource:
    """Who guards a server that lets no stranger in. Invalid: it is not that, or does not say."""
    attempt = error.attempt
    answer = not_opened(attempt, error.message, credential=target.credential, now=datetime.now(UTC))
    if isinstance(answer, AuthorizationRequired):
        challenge = attempt.headers.get("www-authenticate", "")
        guard = await protected_resource(target.place, internal=target.internal, challenge=challenge)
        if guard is not None:
            return guard
    raise _invalid(field, answer, target)


def _invalid(field: str, answer: CallFailed | AuthorizationRequired, target: Target) -> Invalid:
    forbidden = isinstance(answer, CallFailed) and answer.reason is Reason.ADDRESS_FORBIDDEN
    reason = Reason.ADDRESS_FORBIDDEN if forbidden else Reason.DOCUMENT_UNREACHABLE
    return Invalid([Violation(field, scrub_result(answer, target.secrets()).message)], reason=reason)


def read_again(old: Revision, terms: McpTerms) -> Revision:
    """A revision from the listing of an earlier one; the server is not asked."""
    return _revision(old.base_url, _unpacked(old.document), terms)


def read_listing(old: Revision, listing: Listing) -> Revision:
    """What a new listing makes of a revision; the very same one where it changes no tool."""
    stored = _Stored(listing=listing, guard=_unpacked(old.document).guard)
    terms = McpTerms(internal=old.internal, honours_keys=old.honours_keys)
    new = _revision(old.base_url, stored, terms)
    if new.operations == old.operations:
        return old
    return msgspec.structs.replace(new, auth_type=old.auth_type, shared=old.shared, credential=old.credential)


def _revision(base_url: str, stored: _Stored, terms: McpTerms) -> Revision:
    home = home_of(base_url)
    guard = stored.guard
    operations, omitted = read(
        stored.listing,
        Place(
            home=home,
            path=base_url.removeprefix(home),
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
        shared=base_url.startswith(STDIO),  # a process has one account, whoever asks
    )


def _unpacked(stored: bytes) -> _Stored:
    return msgspec.msgpack.decode(zlib.decompress(stored), type=_Stored)
