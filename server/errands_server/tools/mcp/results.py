"""Interprets replies of MCP servers: the call succeeded, certainly failed, or is of unknown outcome."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import msgspec

from ...credentials.credential import Credential
from ...domain.errors import Reason
from ...domain.tool import Effect
from ...ports import AuthorizationRequired, CallFailed, CallOutcomeUnknown, CallResult, CallSucceeded
from ..answer_text import keep_text, read_json
from ..openapi.response import HttpReply, error_message
from ..openapi.response import call_result as http_result
from ..openapi.sender import MAX_ANSWER
from .elicitation import elicitation_result
from .endpoint import McpReply, ServerError, Target
from .exchange import Exchange

# JSON-RPC codes of errors that the SDK itself makes: no reply came, or no readable one.
_CLOSED: Final = -32000
_TIMED_OUT: Final = -32001
_UNPARSED: Final = -32700
_UNANSWERED: Final = frozenset({_CLOSED, _TIMED_OUT, _UNPARSED})
_SCOPE: Final = re.compile(r'\bscope="([^"]*)"')
_NARROW: Final = re.compile(r'\berror="?insufficient_scope\b')
_INSTEAD: Final = "say it in the intent or context of a new run, where the tool has an argument for it"
_BYTES_KEYS: Final = ("data", "blob")


def reply_result(reply: McpReply, exchange: Exchange, effect: Effect, target: Target) -> CallResult:
    """The result of a call that the tool replied to."""
    text = error_message(" ".join(_texts(reply)))
    if blocked := elicitation_result(exchange, text, target):
        return blocked
    if exchange.unanswerable:
        answer = f"; it answered: {text}" if text else ""
        asked = exchange.unanswerable
        message = f"the tool asked for input that nobody here can give: {asked}; {_INSTEAD}{answer}"
        return CallFailed(reason=Reason.SERVICE_REFUSED, message=message)
    if reply.error:
        return _refusal(exchange, text or "the tool failed and did not say why")
    written = msgspec.json.encode(_output(reply)).decode()
    output = read_json(written) or keep_text(written)
    if len(output) <= MAX_ANSWER:
        return CallSucceeded(output=output)
    return oversize_result(effect, len(output))


def oversize_result(effect: Effect, size: int) -> CallResult:
    """The result of a call whose output is longer than is stored. `size` is in bytes."""
    if effect is Effect.WRITE:  # it had its effect, however long the output
        return CallSucceeded(output=msgspec.json.encode({"truncated": True, "bytes": size}))
    message = f"the tool answered with more than {MAX_ANSWER} bytes"
    return CallFailed(reason=Reason.OUTPUT_TOO_LARGE, message=message)


def _output(reply: McpReply) -> Any:
    """The structured result, else a single text, else all content without its bytes."""
    if reply.structured:
        return reply.structured[0]
    texts = list(_texts(reply))
    if len(reply.content) == len(texts) == 1:
        return texts[0]
    return {"content": [_without_bytes(block) for block in reply.content]} if reply.content else None


def _texts(reply: McpReply) -> list[str]:
    return [str(block.get("text", "")) for block in reply.content if block.get("type") == "text"]


def _without_bytes(block: Mapping[str, Any]) -> Mapping[str, Any]:
    kept = {key: _without_bytes(value) if isinstance(value, dict) else value for key, value in block.items()}
    for name in _BYTES_KEYS:
        if isinstance(encoded := kept.get(name), str):
            del kept[name]
            kept["bytes"] = len(encoded) * 3 // 4
    return kept


def error_result(
    exchange: Exchange, error: ServerError, *, effect: Effect, target: Target, now: datetime
) -> CallResult:
    """The result of a call that ended in a protocol error, or with its session."""
    if exchange.forbidden:
        return CallFailed(reason=Reason.ADDRESS_FORBIDDEN, message=exchange.failure)
    if exchange.truncated:
        return oversize_result(effect, MAX_ANSWER)
    if exchange.status >= 300:
        return status_result(exchange, error.message, effect=effect, credential=target.credential, now=now)
    if exchange.failure or error.code in _UNANSWERED or not _speaks_mcp(exchange):
        return interruption(exchange, exchange.failure or error.message)
    if blocked := elicitation_result(exchange, error.message, target):
        return blocked
    asked = f"; it asked for input: {exchange.unanswerable}" if exchange.unanswerable else ""
    return _refusal(exchange, f"the server refused: {error.message}{asked}")


def _refusal(exchange: Exchange, why: str) -> CallFailed:
    """A call that failed. It is made again where the server's question may have belonged to another call."""
    if exchange.ambiguous:
        why = f"it asked while other calls were under way, so it must be made alone; {why}"
    return CallFailed(reason=Reason.SERVICE_REFUSED, message=why, transient=exchange.ambiguous)


def open_failure(
    exchange: Exchange, why: str, *, credential: Credential, now: datetime
) -> CallFailed | AuthorizationRequired:
    """The result of a call for which no session could be opened: the tool was not called."""
    if exchange.forbidden:
        return CallFailed(reason=Reason.ADDRESS_FORBIDDEN, message=exchange.failure)
    if exchange.status >= 300 and not exchange.failure:
        result = status_result(exchange, why, effect=Effect.READ, credential=credential, now=now)
        if isinstance(result, CallFailed | AuthorizationRequired):
            return result
    message = f"the server cannot be reached: {why}"
    return CallFailed(reason=Reason.SERVICE_UNREACHABLE, message=message, transient=True)


def interruption(exchange: Exchange, why: str) -> CallResult:
    """The result of a call whose reply did not come."""
    if not exchange.sent:
        message = f"the server cannot be reached: {why}"
        return CallFailed(reason=Reason.SERVICE_UNREACHABLE, message=message, transient=True)
    return CallOutcomeUnknown(message=f"the call left, but its answer did not come: {why}")


def status_result(
    exchange: Exchange, text: str, *, effect: Effect, credential: Credential, now: datetime
) -> CallResult:
    """The result of a call that was refused with an HTTP status. `text` is the message of the server."""
    challenge = exchange.headers.get("www-authenticate", "")
    narrow = exchange.status == 403 and _NARROW.search(challenge) is not None
    # With a credential the caller decides: it may have a fresher one.
    if not any(credential.sent) and (narrow or exchange.status == 401):
        found = _SCOPE.search(challenge)
        scopes = tuple(found[1].split()) if found else ()
        message = f"the server answered {exchange.status}: {text}"
        return AuthorizationRequired(scopes=scopes, message=message, lasting=True)
    body = msgspec.json.encode({"message": text})
    names = ("retry-after", "location", "www-authenticate")
    headers = {name: exchange.headers.get(name, "") for name in names}
    reply = HttpReply(status=exchange.status, headers=headers, body=body)
    return http_result(reply, effect=effect, now=now)


def _speaks_mcp(exchange: Exchange) -> bool:
    """Whether the response was of a media type of the protocol; that of a process always is."""
    kind = exchange.headers.get("content-type", "").partition(";")[0].strip().lower()
    return not exchange.status or kind in ("application/json", "text/event-stream")
