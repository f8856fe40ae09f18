"""MCP servers of the tests: one by the SDK, on a free port of this process, that does as it is told."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import uvicorn
from mcp.server.mcpserver import Context, Elicit, MCPServer, Resolve
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations
from pydantic import BaseModel
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send


class Note(BaseModel):
    """A note that was kept."""

    id: int
    text: str


class Form(BaseModel):
    """What the tool `ask` wants to know."""

    colour: str


class Number(BaseModel):
    """What the tool `guess` wants to know, again and again."""

    number: int


def _colour() -> Elicit[Form]:
    return Elicit("Which colour?", Form)


def _number() -> Elicit[Number]:
    return Elicit("How often?", Number)


class Target:
    """A server that keeps notes, and what a test wants to know about its life."""

    def __init__(self) -> None:
        self.server = MCPServer("desk", log_level="CRITICAL")
        self.notes: list[str] = []
        self.seen: list[dict[str, str]] = []  # headers of every HTTP request
        self.metas: list[dict[str, Any]] = []
        self.started = asyncio.Event()
        self.cancelled = asyncio.Event()
        self.go_on = asyncio.Event()
        self.url = ""
        self._tools()
        self._asking_tools()

    def _tools(self) -> None:
        tool = self.server.tool

        @tool(title="Find notes", annotations=ToolAnnotations(read_only_hint=True))
        def find_notes(text: str) -> list[Note]:
            """Find notes by their text."""
            return [Note(id=i, text=note) for i, note in enumerate(self.notes) if text in note]

        @tool()
        def add_note(text: str, ctx: Context) -> Note:
            """Add a note."""
            self.metas.append(dict(ctx.request_context.meta or {}))
            self.notes.append(text)
            return Note(id=len(self.notes) - 1, text=text)

        @tool(structured_output=False)
        def greet(name: str) -> str:
            """Greet somebody in plain words."""
            return f"Hello, {name}!"

        @tool(structured_output=False)
        def two() -> list[str]:
            """Say two things."""
            return ["one", "two"]

        @tool()
        def fail(why: str) -> str:
            """Fail, and say why."""
            raise ToolError(f"cannot do that: {why}")

        @tool()
        async def wait(ctx: Context) -> str:
            """Wait until told to go on."""
            self.started.set()
            try:
                await self.go_on.wait()
            except asyncio.CancelledError:
                self.cancelled.set()
                raise
            return "went on"

        @tool()
        async def grow(ctx: Context) -> str:
            """Offer one tool more."""
            self.server.add_tool(lambda: "new", name="extra_tool", description="A new tool.")
            await ctx.session.send_tool_list_changed()  # to 2025-11-25 and before
            await ctx.notify_tools_changed()  # to who listens, since 2026-07-28
            return "grown"

        @tool()
        async def work(steps: int, ctx: Context) -> str:
            """Report progress, step by step, and never end."""
            for step in range(steps):
                await ctx.report_progress(step, steps)
                await asyncio.sleep(0.2)
            return "worked"

    def _asking_tools(self) -> None:
        tool = self.server.tool

        @tool()
        async def ask(ctx: Context) -> str:
            """Ask a person for a colour."""
            answer = await ctx.elicit("Which colour?", Form)
            if answer.action != "accept":
                raise ToolError(f"no colour: {answer.action}")
            self.notes.append(answer.data.colour)
            return f"painted {answer.data.colour}"

        @tool()
        async def paint(what: str, colour: Annotated[Form, Resolve(_colour)]) -> str:
            """Paint something in a colour that a person chooses."""
            self.notes.append(f"{what} {colour.colour}")
            return f"{what} is {colour.colour}"

        @tool()
        async def repeat(
            colour: Annotated[Form, Resolve(_colour)], number: Annotated[Number, Resolve(_number)]
        ) -> str:
            """Paint as often as a person says, in the colour that a person says."""
            self.notes.append(f"{number.number} {colour.colour}")
            return f"{number.number} times {colour.colour}"

        @tool()
        async def guess(ctx: Context) -> str:
            """Let a person guess a number, until it is 7."""
            while True:
                answer = await ctx.elicit("Which number?", Number)
                if answer.action != "accept":
                    raise ToolError(f"nobody guesses: {answer.action}")
                if answer.data.number == 7:
                    return "guessed"

        @tool()
        async def visit(url: str, ctx: Context) -> str:
            """Send a person to a page."""
            answer = await ctx.elicit_url("Pay first", url, "e1")
            if answer.action != "accept":
                raise ToolError(f"nothing is sold: {answer.action}")
            return "sold"

    def app(self, *, modern: bool) -> ASGIApp:
        app = self.server.streamable_http_app()

        async def seeing(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http":
                headers = {name.decode(): value.decode() for name, value in scope["headers"]}
                self.seen.append({**headers, ":method": scope["method"]})
                if not modern and headers.get("mcp-method") == "server/discover":
                    await Response(status_code=404)(scope, receive, send)
                    return
            await app(scope, receive, send)

        return seeing


@asynccontextmanager
async def target(*, modern: bool = True) -> AsyncGenerator[Target]:
    """A server on loopback. Not modern: it knows no revision of the protocol after 2025-11-25."""
    found = Target()
    async with listening(found.app(modern=modern)) as origin:
        found.url = f"{origin}/mcp"
        yield found


@asynccontextmanager
async def listening(app: ASGIApp) -> AsyncGenerator[str]:
    """The app on a free port; its origin."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        async with served(app, bound):
            yield f"http://127.0.0.1:{bound.getsockname()[1]}"


@asynccontextmanager
async def served(app: ASGIApp, bound: socket.socket) -> AsyncGenerator[None]:
    """The app on a socket that is bound already."""
    config = uvicorn.Config(app, log_level="critical", timeout_graceful_shutdown=1, ws="none")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[bound]))
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield
    finally:
        server.should_exit = True
        await serving
