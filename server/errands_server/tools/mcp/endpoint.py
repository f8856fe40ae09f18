"""Where an MCP server is, and as whom it is spoken to."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from ...credentials.credential import Credential
from ..origins import STDIO

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_SECRET: Final = re.compile(r"KEY|TOKEN|SECRET|PASS|CREDENTIAL", re.IGNORECASE)


class StdioServer(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A process that speaks MCP over its standard input and output.

    Its environment is `env` and what every program needs (HOME, LOGNAME, PATH, SHELL, TERM, USER).
    """

    command: str
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = {}
    cwd: str = ""  # "" is where the service itself runs

    def __repr__(self) -> str:
        return f"StdioServer({self.command!r}, ...)"

    def secrets(self) -> Credential:
        """What of its environment must not be told: variables that are named like secrets."""
        return Credential(query={name: value for name, value in self.env.items() if _SECRET.search(name)})


def load_servers(path: Path | None) -> Mapping[str, StdioServer]:
    """The servers a JSON file configures; none without a file. ValueError says what to change."""
    if path is None:
        return {}
    try:
        servers = msgspec.json.decode(path.read_bytes(), type=dict[str, StdioServer])
    except OSError as error:
        raise ValueError(f"--mcp-servers {path}: {error.strerror}") from error
    except msgspec.DecodeError as error:
        raise ValueError(f"--mcp-servers {path}: {error}") from error
    for name, server in servers.items():
        if problem := _problem(name, server):
            raise ValueError(f"--mcp-servers {path}: {name!r}: {problem}")
    return servers


def _problem(name: str, server: StdioServer) -> str:
    if not NAME.fullmatch(name):
        return "a name is letters, digits, `_`, `.` and `-`, at most 100"
    if server.cwd and not Path(server.cwd).is_dir():
        return f"cwd {server.cwd} is not a folder"
    if any("\0" in text for text in (server.command, *server.args, *server.env, *server.env.values())):
        return "a null character can be in no command, argument or variable"
    where = Path(server.cwd) / server.command if "/" in server.command else server.command
    if not server.command or shutil.which(where, path=server.env.get("PATH")) is None:
        return f"there is no program {server.command!r}"
    return ""


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


class SessionKey(Struct, frozen=True):
    """Whose session it is: no two users share one, nor two revisions, nor two credentials."""

    tenant: str
    integration_id: str
    revision: int
    user_id: str
    credential: bytes  # a digest


class Listing(Struct, frozen=True, kw_only=True):
    """The tools a server listed, each as it wrote it (MCP, `tools/list`)."""

    tools: tuple[Mapping[str, Any], ...]


class McpReply(Struct, frozen=True, kw_only=True):
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


class McpSession(Protocol):
    """An open session, as the SDK's side of it looks to everything else."""

    async def listing(self) -> Listing:
        """Every tool, over all pages. ServerError, Unreadable."""
        ...

    async def call(
        self, name: str, arguments: Mapping[str, Any], *, meta: Mapping[str, Any], progressed: Any
    ) -> McpReply:
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
