"""Calls one tool of an MCP server. Whatever the server does is a result, never an exception."""

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
from ..attempt import Attempt
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
from .exchange import Exchange, Resume, current_exchange
from .results import error_result, interruption, open_failure, reply_result
from .session_pool import CannotOpen, SdkMissing, SessionPool

MAX_SECONDS: Final = 55.0  # seconds a call may take in all, however often it reports progress
IDEMPOTENCY_KEY: Final = "errands/idempotency-key"  # in `_meta`
_HEADER_MISMATCH: Final = -32020
_GONE: Final = 404


class McpSender:
    """Sends calls over sessions, each of which serves one user only."""

    def __init__(self, sessions: SessionPool, servers: Mapping[str, StdioServer]) -> None:
        self._sessions = sessions
        self._servers = servers
        self._arguments = ArgumentChecker()
        self._salt = secrets.token_bytes(32)  # so that the digest of a credential reveals nothing of it

    async def send(
        self,
        operation: Operation,
        request: CallRequest,
        *,
        credential: Credential | None = None,
        internal: bool,
        timeout: float,
        attempt: Attempt | None = None,
    ) -> CallResult:
        """Make one call, once.

        `timeout` is how long, in seconds, the server may be silent. Returns CallFailed where the
        call had no effect, CallOutcomeUnknown where it may have been sent. Cancelling notifies
        the server and leaves the outcome unknown; the caller must record that.
        """
        credential = credential or Credential()
        if problem := self._arguments.problem(request.ref, operation.tool, request.arguments):
            return scrub_result(CallFailed(reason=Reason.ARGUMENTS_INVALID, message=problem), credential)
        if credential.signer is not None:
            message = "only calls of OpenAPI integrations are signed for AWS; pass other credentials through"
            return CallFailed(reason=Reason.CREDENTIALS_INVALID, message=message)
        address = operation.tool.origin + operation.base_path
        try:
            target = target_of(address, self._servers, internal=internal, credential=credential)
        except LookupError as error:
            return CallFailed(reason=Reason.SERVICE_UNREACHABLE, message=str(error.args[0]))
        call = _McpCall(
            self._sessions,
            self._session_key(request, credential),
            target,
            operation,
            request,
            attempt or Attempt(),
        )
        return scrub_result(await call.make(timeout), target.secrets())

    def _session_key(self, request: CallRequest, credential: Credential) -> SessionKey:
        ref = request.ref
        digest = hashlib.blake2b(
            msgspec.json.encode(credential.sent, order="sorted"), key=self._salt, digest_size=16
        ).digest()
        return SessionKey(request.tenant, ref.integration_id, ref.revision, request.user_id, digest)


class _McpCall:
    """One call. How far its request came decides what a failure means."""

    def __init__(
        self,
        sessions: SessionPool,
        key: SessionKey,
        target: Target,
        operation: Operation,
        request: CallRequest,
        attempt: Attempt,
    ) -> None:
        self._account = attempt
        self._sessions = sessions
        self._key = key
        self._target = target
        self._operation = operation
        self._request = request
        self._exchange = Exchange(attempt=attempt)

    async def make(self, silence: float) -> CallResult:
        """Call the tool. The server may be silent for `silence` seconds, and take MAX_SECONDS in all."""
        loop = asyncio.get_running_loop()
        end = loop.time() + MAX_SECONDS
        try:
            async with asyncio.timeout_at(min(loop.time() + silence, end)) as deadline:

                async def progressed(*_: Any) -> None:
                    deadline.reschedule(min(loop.time() + silence, end))

                result = await self._attempt(progressed, is_last=False)
                return result or cast("CallResult", await self._attempt(progressed, is_last=True))
        except CannotOpen as error:
            return open_failure(
                error.exchange, error.message, credential=self._target.credential, now=datetime.now(UTC)
            )
        except SdkMissing as error:
            return CallFailed(reason=Reason.SERVICE_UNREACHABLE, message=str(error))
        except TimeoutError:
            return interruption(self._exchange, "the server was silent for too long, or took too long")

    async def _attempt(self, progressed: Any, *, is_last: bool) -> CallResult | None:
        """The result; None where the session was out of date, so that another one may bring a result."""
        async with self._sessions.lease(self._key, self._target) as (session, is_fresh):
            try:
                reply = await self._send(session, progressed)
            except Unreadable as error:
                return interruption(self._exchange, str(error))
            except ServerError as error:
                if self._is_unseen(error):
                    self._sessions.discard(self._key)
                    if not (is_last or is_fresh):
                        return None
                return error_result(
                    self._exchange,
                    error,
                    effect=self._operation.tool.effect,
                    target=self._target,
                    now=datetime.now(UTC),
                )
            return reply_result(reply, self._exchange, self._operation.tool.effect, self._target)

    async def _send(self, session: McpSession, progressed: Any) -> McpReply:
        request = self._request
        resume = msgspec.json.decode(request.resume, type=Resume) if request.resume else None
        meta: dict[str, str] = {}
        if self._operation.tool.repeat is Repeat.KEYED:
            meta[IDEMPOTENCY_KEY] = request.idempotency_key
        if request.traceparent:
            meta["traceparent"] = request.traceparent
        self._account.sent = False  # an earlier request was not seen
        self._exchange = Exchange(request.pages, request.inputs, resume, attempt=self._account)
        token = current_exchange.set(self._exchange)
        try:
            return await session.call(
                self._operation.remote_name, request.arguments, meta=meta, progressed=progressed
            )
        finally:
            current_exchange.reset(token)

    def _is_unseen(self, error: ServerError) -> bool:
        """Whether the tool was not called, because the session has ended or is out of date."""
        exchange = self._exchange
        return not exchange.sent or exchange.status == _GONE or error.code == _HEADER_MISMATCH
