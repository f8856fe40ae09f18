"""The stdio servers an operator configured, by name: the only commands that are ever run."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from ...credentials.credential import Credential

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
