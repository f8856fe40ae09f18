"""MCP servers as endpoints: their addresses, sessions and replies, without the SDK."""

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
    """A process that speaks MCP over its standard input and output."""

    command: str
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = {}  # besides HOME, LOGNAME, PATH, SHELL, TERM and USER of this process
    cwd: str = ""  # "" is the working directory of this process

    def __repr__(self) -> str:
        return f"StdioServer({self.command!r}, ...)"

    def secrets(self) -> Credential:
        """The secrets of its environment: variables whose names say that they are."""
        return Credential(query={name: value for name, value in self.env.items() if _SECRET.search(name)})


def load_servers(path: Path | None) -> Mapping[str, StdioServer]:
    """The servers that a JSON file configures; none without a file. ValueError: the file cannot be used."""
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
    program = Path(server.cwd) / server.command if "/" in server.command else server.command
    if not server.command or shutil.which(program, path=server.env.get("PATH")) is None:
        return f"there is no program {server.command!r}"
    return ""


class Target(Struct, frozen=True, kw_only=True):
    """The server's end of a session: a URL, or a configured process."""

    address: str  # the URL, or `stdio:NAME`
    process: StdioServer | None = None
    internal: bool = False  # the URL's origin may lie in a private network
    credential: Credential = Credential()

    def secrets(self) -> Credential:
        """What must be redacted from everything the server sends."""
        if self.process is None:
            return self.credential
        return replace(self.process.secrets(), known=self.credential.known)


class SessionKey(Struct, frozen=True):
    """What a session is for: two users, revisions or credentials never share one."""

    tenant: str
    integration_id: str
    revision: int
    user_id: str
    credential: bytes  # a digest


class Listing(Struct, frozen=True, kw_only=True):
    """The tools that a server lists, each as it sent it (MCP, `tools/list`). Stored in msgpack."""

    tools: tuple[Mapping[str, Any], ...]


class McpReply(Struct, frozen=True, kw_only=True):
    """The reply of a tool (MCP, `CallToolResult`)."""

    content: tuple[Mapping[str, Any], ...] = ()
    structured: tuple[Any, ...] = ()  # one JSON value; empty where there is none
    error: bool = False  # the tool failed


class ServerError(Exception):
    """The server replied with a protocol error, or the session ended before its reply."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Unreadable(Exception):
    """The server's reply is not as the protocol says."""


class McpSession(Protocol):
    """An open session. `client` implements it with the SDK, and is imported only when one is opened."""

    async def listing(self) -> Listing:
        """Every tool, over all pages. ServerError, Unreadable."""
        ...

    async def call(
        self, name: str, arguments: Mapping[str, Any], *, meta: Mapping[str, Any], progressed: Any
    ) -> McpReply:
        """Call a tool once. `progressed` is called at each sign of life. ServerError, Unreadable."""
        ...


def target_of(
    address: str, servers: Mapping[str, StdioServer], *, internal: bool, credential: Credential
) -> Target:
    """The target at a URL or `stdio:NAME`. LookupError: no such server is configured."""
    if not address.startswith(STDIO):
        return Target(address=address, internal=internal, credential=credential)
    name = address.removeprefix(STDIO)
    if name not in servers:
        raise LookupError(f"the operator has configured no MCP server {name!r}")
    return Target(address=address, process=servers[name])
