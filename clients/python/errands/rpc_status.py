"""The google.rpc.Status of a failed call, decoded once for the client and the gateway."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import grpc
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

DOMAIN: Final = "errands"
_DETAILS: Final = "grpc-status-details-bin"


@dataclass(frozen=True)
class Violation:
    """One wrong field of a request.

    `field` is its path in the request; `message` says what to do about it.
    """

    field: str
    message: str


@dataclass(frozen=True)
class RpcStatus:
    """Why a call failed.

    code: the gRPC status code.
    message: the server's message, or the channel's where no server answered.
    reason: the name of an ErrorReason; empty where no server of Errands answered.
    metadata: the entries that ErrorReason documents for `reason`.
    violations: the wrong fields, in the server's order.
    retry_delay: seconds to wait before the next try; None where the server names no delay.
    """

    code: grpc.StatusCode
    message: str
    reason: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    violations: Sequence[Violation] = ()
    retry_delay: float | None = None


def decode(failure: Any) -> RpcStatus:
    """Read the status of a grpc.RpcError, synchronous or of grpc.aio.

    Details that are malformed, of an unknown type or an ErrorInfo of another service are
    left out; code and message are always there.
    """
    found: dict[str, Any] = {}
    info, bad, retry = ErrorInfo(), BadRequest(), RetryInfo()
    packed = dict(failure.trailing_metadata() or ()).get(_DETAILS, b"")
    with suppress(DecodeError):
        for detail in Status.FromString(packed).details:
            if detail.Unpack(info) and info.domain == DOMAIN:
                found.update(reason=info.reason, metadata=dict(info.metadata))
            elif detail.Unpack(bad):
                found["violations"] = tuple(Violation(v.field, v.description) for v in bad.field_violations)
            elif detail.Unpack(retry):
                found["retry_delay"] = retry.retry_delay.seconds + retry.retry_delay.nanos / 1e9
    return RpcStatus(failure.code(), failure.details() or "", **found)
