"""Makes a revision of an integration from what an MCP server lists."""

from __future__ import annotations

import asyncio
import secrets
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

import msgspec
from msgspec import Struct

from ...credentials.credential import Credential
from ...credentials.redaction import cleaned
from ...credentials.security_scheme import SecurityScheme
from ...domain.errors import Invalid, Reason, Violation
from ...ports import Failed, Unauthorized
from ...store.repositories.integrations import Revision
from ..node import DocumentError
from ..servers import STDIO, endpoint_of, home_of
from .answers import not_opened
from .configured import StdioServer
from .protected import ProtectedResource, protected_resource, scheme_of
from .reading import SCHEME, Place, read
from .sessions import CannotOpen, SdkMissing, Sessions
from .target import Listing, Owner, ServerError, Target, Unreadable, target_of

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

    def __init__(self, sessions: Sessions, servers: Mapping[str, StdioServer]) -> None:
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
            refusal = Failed(reason=Reason.DOCUMENT_UNREACHABLE, message=message)
            raise _invalid(field, refusal, target) from None

    def target(self, place: str, *, internal: bool, credential: Credential) -> Target:
        """The target at a place. LookupError: no such server is configured."""
        return target_of(place, self._servers, internal=internal, credential=credential)

    async def listing(self, target: Target) -> Listing:
        """What the server lists. CannotOpen, SdkMissing, ServerError, Unreadable, TimeoutError.

        By a session of its own: it must not end in the middle with who asked.
        """
        owner = Owner("", "", 0, "", secrets.token_bytes(16))
        try:
            async with self._sessions.lease(owner, target) as (connection, _), asyncio.timeout(_LISTING):
                return await connection.listing()
        finally:
            self._sessions.give_up(owner)


async def _guard(target: Target, error: CannotOpen, field: str) -> ProtectedResource:
    """Who guards a server that lets no stranger in. Invalid: it is not that, or does not say."""
    attempt = error.attempt
    answer = not_opened(attempt, error.message, credential=target.credential, now=datetime.now(UTC))
    if isinstance(answer, Unauthorized):
        challenge = attempt.headers.get("www-authenticate", "")
        guard = await protected_resource(target.place, internal=target.internal, challenge=challenge)
        if guard is not None:
            return guard
    raise _invalid(field, answer, target)


def _invalid(field: str, answer: Failed | Unauthorized, target: Target) -> Invalid:
    forbidden = isinstance(answer, Failed) and answer.reason is Reason.ADDRESS_FORBIDDEN
    reason = Reason.ADDRESS_FORBIDDEN if forbidden else Reason.DOCUMENT_UNREACHABLE
    return Invalid([Violation(field, cleaned(answer, target.secrets()).message)], reason=reason)


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
