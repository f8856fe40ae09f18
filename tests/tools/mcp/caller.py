"""Imports a server's tools and calls them, as the server's own importer and toolbox do."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from errands_server.credentials.credential import Credential
from errands_server.domain.question import Input
from errands_server.domain.tool import ToolRef
from errands_server.ports import CallRequest, CallResult
from errands_server.store.repositories.integrations import Revision
from errands_server.tools.mcp.endpoint import StdioServer
from errands_server.tools.mcp.importer import McpImporter, McpSource, McpTerms
from errands_server.tools.mcp.sender import McpSender
from errands_server.tools.mcp.session_pool import OnToolsChanged, SessionLimits, SessionPool
from errands_server.tools.operation import Operation
from tests.tools.loopback import TLS

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Caller:
    """One server's tools."""

    def __init__(self, sessions: SessionPool, sender: McpSender, revision: Revision) -> None:
        self.sessions = sessions
        self.revision = revision
        self.operations = {operation.tool.name: operation for operation in operations(revision)}
        self._sender = sender

    async def __call__(
        self,
        tool: str,
        /,
        *,
        user: str = "ada",
        credential: Credential | None = None,
        timeout: float = 5,
        internal: bool = True,
        pages: tuple[str, ...] = (),
        inputs: tuple[Input, ...] = (),
        resume: str = "",
        **arguments: Any,
    ) -> CallResult:
        request = CallRequest(
            ref=ToolRef("i", 1, tool),
            arguments=arguments,
            idempotency_key="key-1",
            user_id=user,
            tenant="t",
            traceparent=TRACE,
            pages=pages,
            inputs=inputs,
            resume=resume,
        )
        operation = self.operations[tool]
        return await self._sender.send(
            operation, request, credential=credential, internal=internal, timeout=timeout
        )


def operations(revision: Revision) -> tuple[Operation, ...]:
    return msgspec.json.decode(revision.operations, type=tuple[Operation, ...])


@asynccontextmanager
async def caller(
    source: McpSource,
    *,
    servers: Mapping[str, StdioServer] | None = None,
    limits: SessionLimits | None = None,
    terms: McpTerms | None = None,
    credential: Credential | None = None,
    old: Revision | None = None,
    on_tools_changed: OnToolsChanged | None = None,
) -> AsyncGenerator[Caller]:
    """The tools of a server on loopback, ready to be called."""
    servers = servers or {}
    async with SessionPool(limits, tls=TLS, on_tools_changed=on_tools_changed) as sessions:
        importer = McpImporter(sessions, servers)
        terms = terms or McpTerms(internal=True)
        revision = await importer.import_source(source, terms, credential, old)
        yield Caller(sessions, McpSender(sessions, servers), revision)
