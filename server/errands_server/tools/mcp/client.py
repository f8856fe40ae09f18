"""A session with an MCP server by the official SDK, which takes long to import."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from typing import Any, Final

import anyio
import httpx2
import mcp_types as types
import msgspec
from anyio.abc import TaskGroup
from mcp import Client, MCPError
from mcp.client.subscriptions import ListenNotSupportedError, SubscriptionLost
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import TypeAdapter, ValidationError

from ...credentials.credential import Credential
from ...credentials.redaction import scrub_json
from .elicitation import Unshowable, question
from .endpoint import Listing, McpReply, ServerError, Target, Unreadable
from .exchange import Calls, Exchange, Resume, current
from .sdk_streams import over_http, over_process

MAX_TOOLS: Final = 5_000
_MAX_PAGES: Final = 500
_MAX_ROUNDS: Final = 20  # of a call whose server asks to be asked again
_PAUSE: Final = 0.25  # seconds between two of them
_MAX_STATE: Final = 16 << 10  # characters of what a server wants back
_INFO: Final = types.Implementation(name="errands", version="1")
_RESULT: Final = TypeAdapter[types.CallToolResult | types.InputRequiredResult](
    types.CallToolResult | types.InputRequiredResult
)

# The SDK logs ids of sessions, which open them, and whatever it cannot read of what servers send.
for _noisy in ("mcp", "client"):
    logging.getLogger(_noisy).setLevel(logging.CRITICAL + 1)


@asynccontextmanager
async def connected(
    target: Target,
    transport: httpx2.AsyncBaseTransport | None,
    changed: Callable[[], None],
    ended: Callable[[], None],
) -> AsyncGenerator[McpClient]:
    """An open session, of the newest revision of the protocol that both sides speak.

    `transport` carries it to a URL; a process has none. `changed` is called whenever the
    server says that its tools changed, `ended` when it is gone. Must be left in the task that
    entered it.
    """
    connection = McpClient(changed, target.secrets())
    async with AsyncExitStack() as stack:
        streams = (
            over_process(target, target.process, ended) if target.process else over_http(target, transport)
        )
        client = Client(
            streams,
            client_info=_INFO,
            elicitation_callback=connection.asked,
            message_handler=connection.heard,
            cache=None,
        )
        await stack.enter_async_context(client)
        group = await stack.enter_async_context(anyio.create_task_group())
        await connection.begin(client, group)
        try:
            yield connection
        finally:
            group.cancel_scope.cancel()


class McpClient:
    """An open session. Any task may call it, several at once."""

    def __init__(self, changed: Callable[[], None], secrets: Credential) -> None:
        self._changed = changed
        self._secrets = secrets
        self._calls = Calls()
        self._client: Client

    async def begin(self, client: Client, group: TaskGroup) -> None:
        """Learn what calling needs, and listen for changes; `group` lives as long as the session."""
        self._client = client
        capabilities = client.server_capabilities.tools
        if client.protocol_version not in MODERN_PROTOCOL_VERSIONS or capabilities is None:
            return
        await self.listing()  # arguments may have to be repeated in headers, as the listing says
        if capabilities.list_changed:
            group.start_soon(self._listen)

    @property
    def protocol_version(self) -> str:
        """The revision of the protocol that was agreed on."""
        return self._client.protocol_version

    async def listing(self) -> Listing:
        """Every tool, over all pages, with none of the target's secrets. ServerError, Unreadable."""
        found: list[Mapping[str, Any]] = []
        cursor: str | None = None
        with _translated():
            for _ in range(_MAX_PAGES):
                page = await self._client.session.list_tools(
                    params=None if cursor is None else types.PaginatedRequestParams(cursor=cursor)
                )
                found += [_plain(tool) for tool in page.tools]
                cursor = page.next_cursor
                if cursor is None or len(found) > MAX_TOOLS:
                    break
        if cursor is not None or len(found) > MAX_TOOLS:
            raise Unreadable(f"the server lists more than {MAX_TOOLS:,} tools, or pages without end")
        listed = msgspec.json.encode(found)
        scrubbed = scrub_json(listed, self._secrets)
        return Listing(tools=tuple(found if scrubbed is listed else msgspec.json.decode(scrubbed)))

    async def call(
        self, name: str, arguments: Mapping[str, Any], *, meta: Mapping[str, Any], progressed: Any
    ) -> McpReply:
        """Call a tool once. `progressed` is called at each sign of life. ServerError, Unreadable."""
        attempt = current.get() or Exchange()
        async with self._calls.under_way(attempt):
            try:
                return await self._made(name, dict(arguments), dict(meta), progressed, attempt)
            except _PagesRequired as required:
                _note_pages(attempt, required.error)
                return McpReply(error=True)

    async def _made(
        self, name: str, arguments: dict[str, Any], meta: dict[str, Any], progressed: Any, attempt: Exchange
    ) -> McpReply:
        """From where the last attempt stopped; from the beginning where the server has forgotten it."""
        try:
            with _translated():
                return await self._finished(name, arguments, meta, progressed, attempt)
        except ServerError as error:
            if attempt.resume is None or error.code != types.INVALID_PARAMS:
                raise
        attempt.begin_anew()
        with _translated():
            return await self._finished(name, arguments, meta, progressed, attempt)

    async def _finished(
        self, name: str, arguments: dict[str, Any], meta: dict[str, Any], progressed: Any, attempt: Exchange
    ) -> McpReply:
        more = _resumed(attempt)
        for _ in range(_MAX_ROUNDS):
            params = types.CallToolRequestParams.model_validate(
                {"name": name, "arguments": arguments, "_meta": meta, **more}
            )
            result = await self._client.session.send_request(
                types.CallToolRequest(params=params), _RESULT, progress_callback=progressed
            )
            if isinstance(result, types.CallToolResult):
                return _reply(result)
            answers = {
                key: _plain(_action(attempt, asked)) for key, asked in (result.input_requests or {}).items()
            }
            if attempt.waits:
                _stop(attempt, result.request_state, answers)
                return McpReply(error=True)  # unanswered it goes no further
            more = {"requestState": result.request_state, "inputResponses": answers or None}
            await anyio.sleep(_PAUSE)
        raise Unreadable(f"the server asked {_MAX_ROUNDS} times to be asked again")

    async def asked(self, context: Any, params: types.ElicitRequestParams) -> types.ElicitResult:
        """Answer a question for a person: as they did before, or not yet; their call will tell them of it."""
        attempt = await self._calls.that_asks()
        return types.ElicitResult(action="cancel") if attempt is None else _noted(attempt, params)

    async def heard(self, message: Any) -> None:
        """Take notice of what the server says by itself."""
        if isinstance(message, types.ToolListChangedNotification):
            self._changed()

    async def _listen(self) -> None:
        """Hear of changes as of 2026-07-28, where they are told only to who asks."""
        current.set(None)
        with suppress(MCPError, SubscriptionLost, ListenNotSupportedError, TimeoutError):
            async with self._client.listen(tools_list_changed=True) as subscription:
                async for _ in subscription:
                    pass  # `heard` is told of each, too


class _PagesRequired(Exception):
    """A call that goes no further until a person has opened pages."""

    def __init__(self, error: MCPError) -> None:
        super().__init__(error.message)
        self.error = error


def _note_pages(attempt: Exchange, error: MCPError) -> None:
    """The page to be opened next: one that is done already comes last."""
    try:
        asked = types.ElicitationRequiredErrorData.model_validate(error.data).elicitations
    except ValidationError:
        asked = []
    if not asked:
        attempt.asked = error.message
        return
    next_one = min(asked, key=lambda page: page.url in attempt.done)
    attempt.page, attempt.why = next_one.url, next_one.message


@contextmanager
def _translated() -> Iterator[None]:
    """Turns what the SDK raises into what everything else knows."""
    try:
        yield
    except MCPError as error:
        if error.code == types.URL_ELICITATION_REQUIRED:
            raise _PagesRequired(error) from error
        raise ServerError(error.code, error.message) from error
    except ValidationError as error:
        message = f"the answer is not as the protocol says ({error.error_count()} faults)"
        raise Unreadable(message) from None
    except (anyio.BrokenResourceError, anyio.ClosedResourceError) as error:
        raise ServerError(types.CONNECTION_CLOSED, "the session ended") from error


def _plain(model: Any) -> Mapping[str, Any]:
    dumped: dict[str, Any] = model.model_dump(by_alias=True, mode="json", exclude_unset=True)
    return dumped


def _reply(result: types.CallToolResult) -> McpReply:
    told = "structured_content" in result.model_fields_set and result.structured_content is not None
    return McpReply(
        content=tuple(map(_plain, result.content)),
        structured=(result.structured_content,) if told else (),
        error=result.is_error,
    )


def _resumed(attempt: Exchange) -> dict[str, Any]:
    """Where the last attempt stopped, with the answer it stopped for; empty to begin anew."""
    resume = attempt.resume
    if resume is None:
        return {}
    answers = {**resume.answers, resume.key: attempt.answer()}
    return {"requestState": resume.state, "inputResponses": answers}


def _stop(attempt: Exchange, state: str | None, answers: Mapping[str, Any]) -> None:
    """Note where a later attempt can go on: with one answer more. Others begin anew, with all they know."""
    missing = [key for key, answer in answers.items() if answer["action"] != "accept"]
    if len(missing) == 1 and len(state or "") <= _MAX_STATE:
        given = {key: answer for key, answer in answers.items() if key not in missing}
        attempt.stopped = Resume(
            state=state, key=missing[0], answers=given, form=attempt.question is not None
        )


def _action(attempt: Exchange, request: Any) -> types.ElicitResult:
    if isinstance(request, types.ElicitRequest):
        return _noted(attempt, request.params)
    attempt.asked = f"`{request.method}`, which this client does not offer"
    return types.ElicitResult(action="decline")


def _noted(attempt: Exchange, asked: types.ElicitRequestParams) -> types.ElicitResult:
    """Answer as the user did, once for each time they did; otherwise take note of what is asked."""
    if isinstance(asked, types.ElicitRequestURLParams):
        if asked.url in attempt.done:
            attempt.done.discard(asked.url)
            return types.ElicitResult(action="accept")
        if not attempt.waits:
            attempt.page, attempt.why = asked.url, asked.message
        return types.ElicitResult(action="cancel")
    try:
        form = question(asked.message, _plain(asked).get("requestedSchema", {}))
    except Unshowable as error:
        attempt.asked = f"{asked.message} (a form that nobody is shown, because {error})"
        return types.ElicitResult(action="decline")
    given = next((one for one in attempt.inputs if one.asked == form.digest), None)
    if given is not None:
        attempt.inputs.remove(given)
        return types.ElicitResult(action="accept", content=dict(given.values))
    if not attempt.waits:
        attempt.question = form
    return types.ElicitResult(action="cancel")
