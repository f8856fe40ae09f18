"""The extra `mcp`: what is said without it, and that nobody waits for it who does not need it."""

from __future__ import annotations

import subprocess
import sys

WITHOUT = """
import asyncio, sys
sys.modules["mcp"] = None  # as where it is not installed
from errands_server.domain.errors import Invalid
from errands_server.tools.mcp.importer import McpImporter, McpSource, McpTerms
from errands_server.tools.mcp.session_pool import SessionPool

async def main():
    async with SessionPool() as sessions:
        await McpImporter(sessions, {}).import_source(McpSource(url="https://x.example/"), McpTerms(), None)

try:
    asyncio.run(main())
except Invalid as refusal:
    print(refusal.violations[0].field, refusal.violations[0].message)
"""
SERVING = """
import sys
import errands_server.app
print(sorted({"mcp", "mcp_types", "pydantic"} & set(sys.modules)))
"""


def said_by(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout.strip()


def test_without_the_extra_the_message_names_it() -> None:
    assert said_by(WITHOUT) == "mcp_url MCP integrations need the extra `mcp`: pip install 'errands[mcp]'"


def test_a_server_starts_without_loading_the_sdk() -> None:
    assert said_by(SERVING) == "[]"
