"""A connection to an Errands server: one channel, who asks, and errors a program can branch on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import grpc
from google.protobuf.message import Message

from . import rpc_status
from .rpc_status import Violation

Answer = TypeVar("Answer", bound=Message)

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

    `code` is the name of the gRPC status code. `reason` is the name of an ErrorReason, or
    empty where no server of ours answered.
    """

    code: str
    message: str
    reason: str = ""
    violations: Sequence[Violation] = ()
    metadata: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.message} ({self.reason or self.code})"


def error_of(failure: Any) -> Error:
    """The error behind a grpc.RpcError, synchronous or of grpc.aio."""
    status = rpc_status.decode(failure)
    return Error(status.code.name, status.message, status.reason, status.violations, dict(status.metadata))


class Connection:
    """One channel to one server. `api_key` goes along with every request."""

    def __init__(self, server: str, *, api_key: str = "", tls: bool = False, ca: bytes | None = None) -> None:
        """Open nothing yet: the first request connects.

        `ca` is a PEM file's content with the certificates to trust instead of the
        system's; giving it means TLS.
        """
        self._channel = _channel(server, tls=tls, ca=ca)
        self._metadata = (("x-api-key", api_key),) if api_key else ()

    def call(
        self, method: str, request: Message, answer: type[Answer], *, timeout: float | None = None
    ) -> Answer:
        """Ask `Service/Method` of errands.v1. `timeout` is in seconds. Raises Error."""
        ask = self._channel.unary_unary(
            f"/errands.v1.{method}",
            request_serializer=type(request).SerializeToString,
            response_deserializer=answer.FromString,
        )
        try:
            result: Answer = ask(request, timeout=timeout, metadata=self._metadata)
        except grpc.RpcError as failure:
            raise error_of(failure) from failure
        return result

    def stream(self, method: str, request: Message, answer: type[Answer]) -> Iterator[Answer]:
        """Messages of a streaming method, as they come. Raises Error; closing the iterator cancels."""
        ask = self._channel.unary_stream(
            f"/errands.v1.{method}",
            request_serializer=type(request).SerializeToString,
            response_deserializer=answer.FromString,
        )
        call = ask(request, metadata=self._metadata)
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


def _channel(server: str, *, tls: bool, ca: bytes | None) -> grpc.Channel:
    if not tls and ca is None:
        return grpc.insecure_channel(server, options=_OPTIONS)
    credentials = grpc.ssl_channel_credentials(root_certificates=ca)
    return grpc.secure_channel(server, credentials, options=_OPTIONS)
