"""Where an MCP server is, and as whom it is spoken to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from msgspec import Struct
from msgspec.structs import replace

from ...credentials.credential import Credential
from ..servers import STDIO
from .configured import StdioServer


class Target(Struct, frozen=True, kw_only=True):
    """One end of a session: a URL, or a configured process."""

    place: str  # the URL, or `stdio:` and a name
    process: StdioServer | None = None
    internal: bool = False  # the URL's origin may lie in a private network
    credential: Credential = Credential()

    def secrets(self) -> Credential:
        """What must be scrubbed from everything the server says."""
        if self.process is None:
            return self.credential
        return replace(self.process.secrets(), known=self.credential.known)


class Owner(Struct, frozen=True):
    """Whose session it is: no two users share one, nor two revisions, nor two credentials."""

    tenant: str
    integration_id: str
    revision: int
    user_id: str
    credential: bytes  # a digest


class Listing(Struct, frozen=True, kw_only=True):
    """The tools a server listed, each as it wrote it (MCP, `tools/list`)."""

    tools: tuple[Mapping[str, Any], ...]


class Reply(Struct, frozen=True, kw_only=True):
    """What a tool answered (MCP, `CallToolResult`). `structured` is one JSON value, where there is one."""

    content: tuple[Mapping[str, Any], ...] = ()
    structured: tuple[Any, ...] = ()
    error: bool = False


class ServerError(Exception):
    """The server answered with a protocol error, or its session ended before it answered."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Unreadable(Exception):
    """The server answered, and not as the protocol says."""


class Connection(Protocol):
    """An open session, as the SDK's side of it looks to everything else."""

    async def listing(self) -> Listing:
        """Every tool, over all pages. ServerError, Unreadable."""
        ...

    async def call(
        self, name: str, arguments: Mapping[str, Any], *, meta: Mapping[str, Any], progressed: Any
    ) -> Reply:
        """Call a tool once. `progressed` is called at each sign of life. ServerError, Unreadable."""
        ...


def target_of(
    place: str, servers: Mapping[str, StdioServer], *, internal: bool, credential: Credential
) -> Target:
    """The target at a URL or `stdio:NAME`. LookupError: no such server is configured."""
    if not place.startswith(STDIO):
        return Target(place=place, internal=internal, credential=credential)
    name = place.removeprefix(STDIO)
    if name not in servers:
        raise LookupError(f"the operator has configured no MCP server {name!r}")
    return Target(place=place, process=servers[name])
