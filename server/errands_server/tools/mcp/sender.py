"""Calls one tool of an MCP server and says what became of it. It never raises for what a server does."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, cast

import msgspec

from ...credentials.credential import Credential
from ...credentials.redaction import scrub_result
from ...domain.errors import Reason
from ...domain.tool import Repeat
from ...ports import CallFailed, CallRequest, CallResult
from ..operation import Operation
from ..validation import ArgumentChecker
from .endpoint import (
    McpReply,
    McpSession,
    ServerError,
    SessionKey,
    StdioServer,
    Target,
    Unreadable,
    target_of,
)
from .exchange import Exchange, Resume, current
from .results import broken_off, not_opened, refused, replied
from .session_pool import CannotOpen, SdkMissing, SessionPool

LONGEST: Final = 55.0  # seconds a call may take in all, however often it reports progress
IDEMPOTENCY_KEY: Final = "errands/idempotency-key"  # in `_meta`
_HEADER_MISMATCH: Final = -32020
_GONE: Final = 404


class McpSender:
    """Sends calls over sessions, each of which is one user's."""

    def __init__(self, sessions: SessionPool, servers: Mapping[str, StdioServer]) -> None:
        self._sessions = sessions
        self._servers = servers
        self._arguments = ArgumentChecker()
        self._salt = secrets.token_bytes(32)  # so that what identifies a credential tells nothing about it

    async def send(
        self,
        operation: Operation,
        request: CallRequest,
        *,
        credential: Credential | None = None,
        internal: bool,
        timeout: float,
    ) -> CallResult:
        """Make one call, once.

        `timeout` is how long, in seconds, the server may be silent. Failed means that the call
        had no effect, Unknown that it may have left. Cancelling tells the server, and leaves
        the outcome unknown; the caller must say so.
        """
        credential = credential or Credential()
        if problem := self._arguments.problem(request.ref, operation.tool, request.arguments):
            return scrub_result(CallFailed(reason=Reason.ARGUMENTS_INVALID, message=problem), credential)
        if credential.signer is not None:
            message = "only calls of OpenAPI integrations are signed for AWS; pass other credentials through"
            return CallFailed(reason=Reason.CREDENTIALS_INVALID, message=message)
        place = operation.tool.origin + operation.base_path
        try:
            target = target_of(place, self._servers, internal=internal, credential=credential)
        except LookupError as error:
            return CallFailed(reason=Reason.SERVICE_UNREACHABLE, message=str(error.args[0]))
        call = _Call(self._sessions, self._owner(request, credential), target, operation, request)
        return scrub_result(await call.make(timeout), target.secrets())

    def _owner(self, request: CallRequest, credential: Credential) -> SessionKey:
        ref = request.ref
        digest = hashlib.blake2b(
            msgspec.json.encode(credential.sent, order="sorted"), key=self._salt, digest_size=16
        ).digest()
        return SessionKey(request.tenant, ref.integration_id, ref.revision, request.user_id, digest)


class _Call:
    """One call under way."""

    def __init__(
        self,
        sessions: SessionPool,
        owner: SessionKey,
        target: Target,
        operation: Operation,
        request: CallRequest,
    ) -> None:
        self._sessions = sessions
        self._owner = owner
        self._target = target
        self._operation = operation
        self._request = request

    async def make(self, silence: float) -> CallResult:
        self._attempt = Exchange()
        loop = asyncio.get_running_loop()
        end = loop.time() + LONGEST
        try:
            async with asyncio.timeout_at(min(loop.time() + silence, end)) as deadline:

                async def progressed(*_: Any) -> None:
                    deadline.reschedule(min(loop.time() + silence, end))

                return await self._made(progressed)
        except TimeoutError:
            return broken_off(self._attempt, "the server was silent for too long, or took too long")

    async def _made(self, progressed: Any) -> CallResult:
        """The answer; a session the server no longer knows is opened anew, once, as nothing was done."""
        try:
            answer = await self._leased(progressed, last=False)
            return answer or cast("CallResult", await self._leased(progressed, last=True))
        except CannotOpen as error:
            return not_opened(
                error.attempt, error.message, credential=self._target.credential, now=datetime.now(UTC)
            )
        except SdkMissing as error:
            return CallFailed(reason=Reason.SERVICE_UNREACHABLE, message=str(error))

    async def _leased(self, progressed: Any, *, last: bool) -> CallResult | None:
        """The answer; none where another session may bring one."""
        async with self._sessions.lease(self._owner, self._target) as (connection, fresh):
            try:
                return self._replied(await self._exchange(connection, progressed))
            except Unreadable as error:
                return broken_off(self._attempt, str(error))
            except ServerError as error:
                if self._unknown_to_it(error):
                    self._sessions.give_up(self._owner)
                    if not (last or fresh):
                        return None
                return self._refused(error)

    async def _exchange(self, connection: McpSession, progressed: Any) -> McpReply:
        request = self._request
        resume = msgspec.json.decode(request.resume, type=Resume) if request.resume else None
        self._attempt = Exchange(request.pages, request.inputs, resume)
        token = current.set(self._attempt)
        try:
            return await connection.call(
                self._operation.remote_name,
                self._request.arguments,
                meta=self._meta(),
                progressed=progressed,
            )
        finally:
            current.reset(token)

    def _meta(self) -> Mapping[str, Any]:
        keyed = self._operation.tool.repeat is Repeat.KEYED
        return {
            **({IDEMPOTENCY_KEY: self._request.idempotency_key} if keyed else {}),
            **({"traceparent": self._request.traceparent} if self._request.traceparent else {}),
        }

    def _unknown_to_it(self, error: ServerError) -> bool:
        """Whether the server was not even asked, because the session is gone or out of date."""
        attempt = self._attempt
        return not attempt.left or attempt.status == _GONE or error.code == _HEADER_MISMATCH

    def _replied(self, reply: McpReply) -> CallResult:
        return replied(reply, self._attempt, self._operation.tool.effect, self._target)

    def _refused(self, error: ServerError) -> CallResult:
        return refused(
            self._attempt,
            error,
            effect=self._operation.tool.effect,
            target=self._target,
            now=datetime.now(UTC),
        )
