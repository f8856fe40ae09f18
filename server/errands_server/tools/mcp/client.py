"""The client side of a session with an MCP server, by the official SDK, which takes a second to import."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from functools import partial
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
from .elicitation import FormRejected, read_form
from .endpoint import Listing, McpReply, ServerError, Target, Unreadable
from .exchange import Exchange, Resume, SessionCalls, current_exchange
from .sdk_streams import over_http, over_process

MAX_TOOLS: Final = 5_000
_MAX_PAGES: Final = 500
_MAX_ROUNDS: Final = 20  # of a call whose server returns `input_required`
_PAUSE: Final = 0.25  # seconds between two rounds
_MAX_STATE: Final = 16 << 10  # characters of a server's state that are stored
_INFO: Final = types.Implementation(name="errands", version="1")
_RESULT: Final = TypeAdapter[types.CallToolResult | types.InputRequiredResult](
    types.CallToolResult | types.InputRequiredResult
)

# The SDK logs session ids, which are secrets, and messages it cannot read, which may hold some.
for _noisy in ("mcp", "client"):
    logging.getLogger(_noisy).setLevel(logging.CRITICAL + 1)


@asynccontextmanager
async def connect(
    target: Target,
    transport: httpx2.AsyncBaseTransport | None,
    on_tools_changed: Callable[[], None],
    on_end: Callable[[], None],
) -> AsyncGenerator[McpClient]:
    """An open session, of the newest revision of the protocol that both sides speak.

    `transport` carries it to a URL; it is None for a process. `on_tools_changed` is called
    whenever the server says that its tools changed, `on_end` when a process has ended. The
    context must be left in the task that entered it.
    """
    session = McpClient(on_tools_changed, target.secrets())
    async with AsyncExitStack() as stack:
        streams = (
            over_process(target, target.process, on_end) if target.process else over_http(target, transport)
        )
        client = Client(
            streams,
            client_info=_INFO,
            elicitation_callback=session.on_elicitation,
            message_handler=session.on_message,
            cache=None,
        )
        await stack.enter_async_context(client)
        group = await stack.enter_async_context(anyio.create_task_group())
        await session.begin(client, group)
        try:
            yield session
        finally:
            group.cancel_scope.cancel()


class McpClient:
    """An open session. Any task may call it, several at once."""

    def __init__(self, on_tools_changed: Callable[[], None], secrets: Credential) -> None:
        self._on_tools_changed = on_tools_changed
        self._secrets = secrets
        self._calls = SessionCalls()
        self._client: Client

    async def begin(self, client: Client, group: TaskGroup) -> None:
        """Read what calls need, and subscribe to changes; `group` lives as long as the session."""
        self._client = client
        capabilities = client.server_capabilities.tools
        if client.protocol_version not in MODERN_PROTOCOL_VERSIONS or capabilities is None:
            return
        await self.listing()  # the SDK learns from it which arguments headers must repeat
        if capabilities.list_changed:
            group.start_soon(self._subscribe)

    @property
    def protocol_version(self) -> str:
        """The revision of the protocol that was agreed on."""
        return self._client.protocol_version

    async def listing(self) -> Listing:
        """Every tool, over all pages, without the target's secrets. ServerError, Unreadable."""
        found: list[Mapping[str, Any]] = []
        cursor: str | None = None
        with _translate_errors():
            for _ in range(_MAX_PAGES):
                page = await self._client.session.list_tools(
                    params=None if cursor is None else types.PaginatedRequestParams(cursor=cursor)
                )
                found += [_dump(tool) for tool in page.tools]
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
        """Call a tool once. `progressed` is called at each sign of life. ServerError, Unreadable.

        A call that was stopped for a person goes on from there, or begins again where the server
        has forgotten it.
        """
        exchange = current_exchange.get() or Exchange()
        call = partial(self._exchange_rounds, name, dict(arguments), dict(meta), progressed, exchange)
        async with self._calls.under_way(exchange):
            try:
                try:
                    with _translate_errors():
                        return await call()
                except ServerError as error:
                    if exchange.resume is None or error.code != types.INVALID_PARAMS:
                        raise
                exchange.restart()
                with _translate_errors():
                    return await call()
            except _PagesRequired as required:
                _note_pages(exchange, required.error)
                return McpReply(error=True)

    async def _exchange_rounds(
        self, name: str, arguments: dict[str, Any], meta: dict[str, Any], progressed: Any, exchange: Exchange
    ) -> McpReply:
        """Call until the result is no `input_required` any more, or needs a person."""
        more = _resume_params(exchange)
        for _ in range(_MAX_ROUNDS):
            params = types.CallToolRequestParams.model_validate(
                {"name": name, "arguments": arguments, "_meta": meta, **more}
            )
            result = await self._client.session.send_request(
                types.CallToolRequest(params=params), _RESULT, progress_callback=progressed
            )
            if isinstance(result, types.CallToolResult):
                return _reply(result)
            requests = result.input_requests or {}
            answers = {key: _dump(_answer_request(exchange, request)) for key, request in requests.items()}
            if exchange.is_blocked:
                _note_resume(exchange, result.request_state, answers)
                return McpReply(error=True)
            more = {"requestState": result.request_state, "inputResponses": answers or None}
            await anyio.sleep(_PAUSE)
        raise Unreadable(f"the server asked {_MAX_ROUNDS} times to be asked again")

    async def on_elicitation(self, context: Any, params: types.ElicitRequestParams) -> types.ElicitResult:
        """Answer a question as people answered it before; else note it in the exchange of its call."""
        exchange = await self._calls.find_asking()
        if exchange is None:
            return types.ElicitResult(action="cancel")
        return _answer_elicitation(exchange, params)

    async def on_message(self, message: Any) -> None:
        """Handle a notification of the server."""
        if isinstance(message, types.ToolListChangedNotification):
            self._on_tools_changed()

    async def _subscribe(self) -> None:
        """Receive changes as of 2026-07-28, which servers send to subscribers only."""
        current_exchange.set(None)
        with suppress(MCPError, SubscriptionLost, ListenNotSupportedError, TimeoutError):
            async with self._client.listen(tools_list_changed=True) as subscription:
                async for _ in subscription:
                    pass  # `on_message` receives each of them, too


class _PagesRequired(Exception):
    """A call goes on only after a person has opened pages."""

    def __init__(self, error: MCPError) -> None:
        super().__init__(error.message)
        self.error = error


def _note_pages(exchange: Exchange, error: MCPError) -> None:
    """Note the page to be opened next; one that the user has opened already comes last."""
    try:
        pages = types.ElicitationRequiredErrorData.model_validate(error.data).elicitations
    except ValidationError:
        pages = []
    if not pages:
        exchange.unanswerable = error.message
        return
    next_one = min(pages, key=lambda page: page.url in exchange.pages)
    exchange.page_url, exchange.page_message = next_one.url, next_one.message


@contextmanager
def _translate_errors() -> Iterator[None]:
    """Raise ServerError, Unreadable and _PagesRequired in place of the SDK's errors."""
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


def _dump(model: Any) -> Mapping[str, Any]:
    dumped: dict[str, Any] = model.model_dump(by_alias=True, mode="json", exclude_unset=True)
    return dumped


def _reply(result: types.CallToolResult) -> McpReply:
    structured = "structured_content" in result.model_fields_set and result.structured_content is not None
    return McpReply(
        content=tuple(map(_dump, result.content)),
        structured=(result.structured_content,) if structured else (),
        error=result.is_error,
    )


def _resume_params(exchange: Exchange) -> dict[str, Any]:
    """The state at which the last attempt stopped, with the answer it needed; empty to begin again."""
    resume = exchange.resume
    if resume is None:
        return {}
    answers = {**resume.answers, resume.key: exchange.answer()}
    return {"requestState": resume.state, "inputResponses": answers}


def _note_resume(exchange: Exchange, state: str | None, answers: Mapping[str, Any]) -> None:
    """Note where a later attempt can go on, if one answer is missing. Otherwise it begins again."""
    missing = [key for key, answer in answers.items() if answer["action"] != "accept"]
    if len(missing) == 1 and len(state or "") <= _MAX_STATE:
        given = {key: answer for key, answer in answers.items() if key not in missing}
        exchange.next_resume = Resume(
            state=state, key=missing[0], answers=given, form=exchange.question is not None
        )


def _answer_request(exchange: Exchange, request: Any) -> types.ElicitResult:
    if isinstance(request, types.ElicitRequest):
        return _answer_elicitation(exchange, request.params)
    exchange.unanswerable = f"`{request.method}`, which this client does not offer"
    return types.ElicitResult(action="decline")


def _answer_elicitation(exchange: Exchange, params: types.ElicitRequestParams) -> types.ElicitResult:
    """Answer as the user did, once for each time they did; otherwise note what is asked."""
    if isinstance(params, types.ElicitRequestURLParams):
        if params.url in exchange.pages:
            exchange.pages.discard(params.url)
            return types.ElicitResult(action="accept")
        if not exchange.is_blocked:
            exchange.page_url, exchange.page_message = params.url, params.message
        return types.ElicitResult(action="cancel")
    try:
        form = read_form(params.message, _dump(params).get("requestedSchema", {}))
    except FormRejected as error:
        exchange.unanswerable = f"{params.message} (a form that nobody is shown, because {error})"
        return types.ElicitResult(action="decline")
    given = next((one for one in exchange.inputs if one.asked == form.digest), None)
    if given is not None:
        exchange.inputs.remove(given)
        return types.ElicitResult(action="accept", content=dict(given.values))
    if not exchange.is_blocked:
        exchange.question = form
    return types.ElicitResult(action="cancel")
