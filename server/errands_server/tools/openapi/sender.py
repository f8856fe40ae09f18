"""Sends one operation over HTTP. Whatever the service does is a result, never an exception."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, Self

import httpx2
from msgspec import structs

from ...credentials.aws.sigv4 import AwsSigner
from ...credentials.credential import Credential
from ...credentials.redaction import scrub_result
from ...domain.errors import Reason
from ...domain.tool import Effect
from ...outbound.guard import AddressForbidden
from ...outbound.transport import GuardedTransport, read_bounded
from ...ports import CallFailed, CallOutcomeUnknown, CallRequest, CallResult
from ..attempt import Attempt
from ..operation import Operation
from ..validation import ArgumentChecker
from .request import CannotSend, OutgoingRequest, compose
from .response import HttpReply, call_result

MAX_ANSWER: Final = 1024 * 1024  # bytes after decompression

_MAX_ERROR: Final = 64 * 1024  # bytes of an error's body that are searched for a message
_MAX_REDIRECTS: Final = 5
_REDIRECTS: Final = (301, 302, 303, 307, 308)
_NO_CREDENTIAL: Final = Credential()


__all__ = ["Credential", "OpenApiSender"]


def _utc_now() -> datetime:
    return datetime.now(UTC)


class OpenApiSender:
    """Sends calls over two bounded connection pools, one for internal and one for public addresses."""

    def __init__(
        self,
        *,
        connections: int = 256,
        tls: ssl.SSLContext | None = None,
        now: Callable[[], datetime] = _utc_now,
    ) -> None:
        tls = tls or httpx2.create_ssl_context(trust_env=False)
        self._internal = GuardedTransport(internal=True, connections=connections, tls=tls)
        self._public = GuardedTransport(internal=False, connections=connections, tls=tls)
        self._arguments = ArgumentChecker()
        self._now = now

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close every connection."""
        await self._internal.aclose()
        await self._public.aclose()

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
        """Make one call, once; only a GET or HEAD that is redirected is sent again.

        `timeout` is in seconds and covers everything, also waiting for a connection.
        `internal` permits loopback and private addresses; requests go to the operation's
        origin only. Returns CallFailed where the call had no effect, CallOutcomeUnknown where
        the request may have been sent. Cancelling leaves the outcome unknown; the caller must
        record that.
        """
        credential = credential or _NO_CREDENTIAL
        if problem := self._arguments.problem(request.ref, operation.tool, request.arguments):
            return scrub_result(CallFailed(reason=Reason.ARGUMENTS_INVALID, message=problem), credential)
        try:
            outgoing = compose(operation, request, credential)
        except CannotSend as refusal:
            return scrub_result(CallFailed(reason=refusal.reason, message=refusal.message), credential)
        transport = self._internal if internal else self._public
        call = _HttpCall(transport, operation.tool.effect, self._now, credential.signer, attempt or Attempt())
        return scrub_result(await call.make(outgoing, timeout), credential)


class _HttpCall:
    """One call. How far its request came decides what a failure means."""

    def __init__(
        self,
        transport: GuardedTransport,
        effect: Effect,
        now: Callable[[], datetime],
        signer: AwsSigner | None,
        attempt: Attempt,
    ) -> None:
        self._transport = transport
        self._signer = signer
        self._effect = effect
        self._now = now
        self._attempt = attempt
        self._reply: HttpReply | None = None  # without its body

    async def make(self, outgoing: OutgoingRequest, timeout: float) -> CallResult:
        """Send the request, follow redirects, and interpret the reply. `timeout` (seconds) covers all."""
        try:
            async with asyncio.timeout(timeout):
                for _ in range(_MAX_REDIRECTS):
                    reply = await self._exchange(outgoing)
                    target = _redirect(outgoing, reply)
                    if target is None:
                        break
                    outgoing = structs.replace(outgoing, url=target)
                else:
                    reply = await self._exchange(outgoing)
                return call_result(reply, effect=self._effect, now=self._now())
        except AddressForbidden as refusal:
            return CallFailed(reason=Reason.ADDRESS_FORBIDDEN, message=str(refusal))
        except TimeoutError:
            return self._interruption(f"no answer within {timeout:g} seconds")
        except (httpx2.HTTPError, OSError) as error:
            return self._interruption(str(error) or type(error).__name__)

    async def _exchange(self, outgoing: OutgoingRequest) -> HttpReply:
        headers = outgoing.headers
        if self._signer is not None:
            headers = self._signer.sign(outgoing.method, str(outgoing.url), headers, outgoing.content)
        response = await self._transport.handle_async_request(
            httpx2.Request(
                outgoing.method,
                outgoing.url,
                headers=headers,
                content=outgoing.content,
                extensions={"trace": self._trace},
            )
        )
        try:
            self._reply = HttpReply(status=response.status_code, headers=dict(response.headers))
            limit = MAX_ANSWER if response.is_success else _MAX_ERROR
            body, truncated = await read_bounded(response, limit)
            return structs.replace(self._reply, body=body, truncated=truncated)
        finally:
            await response.aclose()

    async def _trace(self, event: str, _: Mapping[str, Any]) -> None:
        # Everything before (DNS, connecting, TLS, waiting for a connection) sends no request.
        if event.endswith("send_request_headers.started"):
            self._attempt.sent = True

    def _interruption(self, why: str) -> CallResult:
        """The result of a call whose reply did not come, or not to its end."""
        if not self._attempt.sent:
            message = f"the service cannot be reached: {why}"
            return CallFailed(reason=Reason.SERVICE_UNREACHABLE, message=message, transient=True)
        if self._reply is None:
            return CallOutcomeUnknown(message=f"the request left, but its answer did not come: {why}")
        if self._reply.status >= 400:  # the status is enough, without the body
            return call_result(self._reply, effect=self._effect, now=self._now())
        return CallOutcomeUnknown(
            message=f"the service answered {self._reply.status}, but not to the end: {why}"
        )


def _redirect(outgoing: OutgoingRequest, reply: HttpReply) -> httpx2.URL | None:
    """The URL of a redirect that may be followed: of a GET or HEAD, within the origin. Otherwise None."""
    location = reply.headers.get("location")
    if outgoing.method not in ("GET", "HEAD") or reply.status not in _REDIRECTS or not location:
        return None
    try:
        target = outgoing.url.join(location)
    except httpx2.InvalidURL:
        return None
    return target if _origin(target) == _origin(outgoing.url) and not target.userinfo else None


def _origin(url: httpx2.URL) -> tuple[str, bytes, int | None]:
    return url.scheme, url.raw_host, url.port
