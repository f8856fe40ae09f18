"""Says what a tool's reply, or its absence, means for a call: done, certainly failed, or not known."""

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
from ..openapi.response import HttpReply, own_words
from ..openapi.response import answer_of as http_answer
from ..openapi.sender import MAX_ANSWER
from .elicitation import waiting
from .endpoint import McpReply, ServerError, Target
from .exchange import Exchange

# JSON-RPC codes by which the SDK itself says that no answer came, or none that can be read.
_CLOSED: Final = -32000
_TIMED_OUT: Final = -32001
_UNPARSED: Final = -32700
_UNANSWERED: Final = frozenset({_CLOSED, _TIMED_OUT, _UNPARSED})
_SCOPE: Final = re.compile(r'\bscope="([^"]*)"')
_NARROW: Final = re.compile(r'\berror="?insufficient_scope\b')
_INSTEAD: Final = "say it in the intent or context of a new run, where the tool has an argument for it"
_BYTES: Final = ("data", "blob")


def replied(reply: McpReply, attempt: Exchange, effect: Effect, target: Target) -> CallResult:
    """What a tool's reply means."""
    said = own_words(b"", " ".join(_texts(reply)))
    if waits := waiting(attempt, said, target):
        return waits
    if attempt.asked:
        answer = f"; it answered: {said}" if said else ""
        message = f"the tool asked for input that nobody here can give: {attempt.asked}; {_INSTEAD}{answer}"
        return CallFailed(reason=Reason.SERVICE_REFUSED, message=message)
    if reply.error:
        return _failed(attempt, said or "the tool failed and did not say why")
    output = msgspec.json.encode(_output(reply))
    if len(output) <= MAX_ANSWER:
        return CallSucceeded(output=output)
    return too_long(effect, len(output))


def too_long(effect: Effect, size: int) -> CallResult:
    """What an answer means that is longer than is kept."""
    if effect is Effect.WRITE:  # it happened, however much the service has to say about it
        return CallSucceeded(output=msgspec.json.encode({"truncated": True, "bytes": size}))
    message = f"the tool answered with more than {MAX_ANSWER} bytes"
    return CallFailed(reason=Reason.OUTPUT_TOO_LARGE, message=message)


def _output(reply: McpReply) -> Any:
    """The structured result, else a lone text, else all that there is without its bytes."""
    if reply.structured:
        return reply.structured[0]
    texts = list(_texts(reply))
    if len(reply.content) == len(texts) == 1:
        return texts[0]
    return {"content": [_shown(block) for block in reply.content]} if reply.content else None


def _texts(reply: McpReply) -> list[str]:
    return [str(block.get("text", "")) for block in reply.content if block.get("type") == "text"]


def _shown(block: Mapping[str, Any]) -> Mapping[str, Any]:
    held = {key: _shown(value) if isinstance(value, dict) else value for key, value in block.items()}
    for name in _BYTES:
        if isinstance(encoded := held.get(name), str):
            del held[name]
            held["bytes"] = len(encoded) * 3 // 4
    return held


def refused(
    attempt: Exchange, error: ServerError, *, effect: Effect, target: Target, now: datetime
) -> CallResult:
    """What a protocol error means, or a session that ended before it answered."""
    if attempt.forbidden:
        return CallFailed(reason=Reason.ADDRESS_FORBIDDEN, message=attempt.failure)
    if attempt.truncated:
        return too_long(effect, MAX_ANSWER)
    if attempt.status >= 300:
        return of_status(attempt, error.message, effect=effect, credential=target.credential, now=now)
    if attempt.failure or error.code in _UNANSWERED or not _speaks_mcp(attempt):
        return broken_off(attempt, attempt.failure or error.message)
    if waits := waiting(attempt, error.message, target):
        return waits
    asked = f"; it asked for input: {attempt.asked}" if attempt.asked else ""
    return _failed(attempt, f"the server refused: {error.message}{asked}")


def _failed(attempt: Exchange, why: str) -> CallFailed:
    """A call that failed; made again where nobody could tell that a question was its own."""
    if attempt.crowded:
        why = f"it asked while other calls were under way, so it must be made alone; {why}"
    return CallFailed(reason=Reason.SERVICE_REFUSED, message=why, transient=attempt.crowded)


def not_opened(
    attempt: Exchange, why: str, *, credential: Credential, now: datetime
) -> CallFailed | AuthorizationRequired:
    """What it means that there is no session: nothing was asked of the tool."""
    if attempt.forbidden:
        return CallFailed(reason=Reason.ADDRESS_FORBIDDEN, message=attempt.failure)
    if attempt.status >= 300 and not attempt.failure:
        answer = of_status(attempt, why, effect=Effect.READ, credential=credential, now=now)
        if isinstance(answer, CallFailed | AuthorizationRequired):
            return answer
    message = f"the server cannot be reached: {why}"
    return CallFailed(reason=Reason.SERVICE_UNREACHABLE, message=message, transient=True)


def broken_off(attempt: Exchange, why: str) -> CallResult:
    """What it means that no answer came."""
    if not attempt.left:
        message = f"the server cannot be reached: {why}"
        return CallFailed(reason=Reason.SERVICE_UNREACHABLE, message=message, transient=True)
    return CallOutcomeUnknown(message=f"the call left, but its answer did not come: {why}")


def of_status(
    attempt: Exchange, said: str, *, effect: Effect, credential: Credential, now: datetime
) -> CallResult:
    """What an HTTP status means by which a server refused."""
    challenge = attempt.headers.get("www-authenticate", "")
    narrow = attempt.status == 403 and _NARROW.search(challenge) is not None
    # With a credential it is the keyring's business: it may have a fresher one.
    if not any(credential.sent) and (narrow or attempt.status == 401):
        found = _SCOPE.search(challenge)
        scopes = tuple(found[1].split()) if found else ()
        message = f"the server answered {attempt.status}: {said}"
        return AuthorizationRequired(scopes=scopes, message=message, lasting=True)
    body = msgspec.json.encode({"message": said})
    told = ("retry-after", "location", "www-authenticate")
    headers = {name: attempt.headers.get(name, "") for name in told}
    reply = HttpReply(status=attempt.status, headers=headers, body=body)
    return http_answer(reply, effect=effect, now=now)


def _speaks_mcp(attempt: Exchange) -> bool:
    """Whether the answer was of a kind the protocol knows; a process's always is."""
    kind = attempt.headers.get("content-type", "").partition(";")[0].strip().lower()
    return not attempt.status or kind in ("application/json", "text/event-stream")
