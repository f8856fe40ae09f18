"""MCP servers from the command line, and the operator's file of them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from errands.cli.exit_codes import Exit
from tests.cli.command_line import Errands, environment
from tests.cli.servers import COMMAND, Server
from tests.tools.mcp import process


@pytest.fixture
def lending(tmp_path: Path) -> Iterator[Errands]:
    """A server whose operator lends it a process."""
    file = tmp_path / "servers.json"
    file.write_text(json.dumps({"desk": {"command": sys.executable, "args": ["-S", process.__file__]}}))
    server = Server(tmp_path / "data", "--mcp-servers", str(file))
    yield server.errands
    server.kill()


def test_a_configured_server_is_added_by_its_name(lending: Errands) -> None:
    added = lending.json("integrations", "add", "desk", "--mcp-server", "desk")

    assert (added["kind"], added["baseUrl"], added["toolCount"]) == ("mcp", "stdio:desk", len(process.TOOLS))
    assert "write" in lending("integrations", "tools", "desk").stdout


def test_a_server_that_is_not_there_is_told(errands: Errands) -> None:
    add = ("integrations", "add", "nobody", "--internal", "--mcp-url", "http://127.0.0.1:1/mcp")

    assert "(DOCUMENT_UNREACHABLE)" in errands(*add, code=Exit.REFUSED).stderr


@pytest.mark.parametrize("options", [(), ("--openapi", "a.json", "--mcp-url", "http://x/")])
def test_an_integration_has_one_description(errands: Errands, options: tuple[str, ...]) -> None:
    said = errands("integrations", "add", "both", *options, code=Exit.USAGE).stderr

    assert "give one of --openapi, --mcp-url and --mcp-server" in said


def test_a_wrong_file_of_servers_keeps_the_service_from_starting(tmp_path: Path) -> None:
    file = tmp_path / "servers.json"
    file.write_text('{"desk": {"comand": "sh"}}')
    done = subprocess.run(
        [*COMMAND, "--data", str(tmp_path / "data"), "--mcp-servers", str(file)],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 1
    assert f"--mcp-servers {file}" in done.stderr
    assert "unknown field `comand`" in done.stderr
