"""A client of an Errands server: one channel, one API key, and errors a program can branch on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import grpc
from google.protobuf.message import Message

from . import rpc_status
from .rpc_status import Violation

Response = TypeVar("Response", bound=Message)

_OPTIONS: Final = (
    # A stream of a run that waits for a person is silent for hours; pings find out that its server is gone.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    # A server that comes back is found within a second; gRPC's own default waits up to two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    # An OpenAPI document goes out and a replay comes in; 32 MiB is the largest document taken.
    ("grpc.max_send_message_length", 33 * 1024 * 1024),
    ("grpc.max_receive_message_length", 33 * 1024 * 1024),
)


@dataclass(eq=False)
class Error(Exception):
    """A request that failed.

    code: the name of the gRPC status code.
    message: what was wrong and what to do about it.
    reason: the name of an ErrorReason; empty where no server of Errands answered.
    violations: the wrong fields of the request.
    metadata: the entries that ErrorReason documents for `reason`.
    """

    code: str
    message: str
    reason: str = ""
    violations: Sequence[Violation] = ()
    metadata: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.message} ({self.reason or self.code})"


def error_of(failure: Any) -> Error:
    """The Error of a grpc.RpcError."""
    status = rpc_status.decode(failure)
    return Error(status.code.name, status.message, status.reason, status.violations, dict(status.metadata))


class Client:
    """One channel to one server. Sends `api_key` with every request."""

    def __init__(self, server: str, *, api_key: str = "", tls: bool = False, ca: bytes | None = None) -> None:
        """Open nothing yet: the first request connects.

        server: HOST:PORT.
        ca: PEM text of the certificates to trust instead of the system's; implies TLS.
        """
        if tls or ca is not None:
            credentials = grpc.ssl_channel_credentials(root_certificates=ca)
            self._channel = grpc.secure_channel(server, credentials, options=_OPTIONS)
        else:
            self._channel = grpc.insecure_channel(server, options=_OPTIONS)
        self._metadata = (("x-api-key", api_key),) if api_key else ()

    def call(
        self, method: str, request: Message, response: type[Response], *, timeout: float | None = None
    ) -> Response:
        """Call `Service/Method` of errands.v1 and return its response.

        `timeout` is in seconds; None waits for ever. Raises Error.
        """
        rpc = self._channel.unary_unary(
            f"/errands.v1.{method}",
            request_serializer=type(request).SerializeToString,
            response_deserializer=response.FromString,
        )
        try:
            result: Response = rpc(request, timeout=timeout, metadata=self._metadata)
        except grpc.RpcError as failure:
            raise error_of(failure) from failure
        return result

    def stream(self, method: str, request: Message, response: type[Response]) -> Iterator[Response]:
        """Yield the messages of a streaming method as they come.

        Closing the iterator cancels the call. Raises Error.
        """
        rpc = self._channel.unary_stream(
            f"/errands.v1.{method}",
            request_serializer=type(request).SerializeToString,
            response_deserializer=response.FromString,
        )
        call = rpc(request, metadata=self._metadata)
        try:
            yield from call
        except grpc.RpcError as failure:
            raise error_of(failure) from failure
        finally:
            call.cancel()

    def close(self) -> None:
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
