"""What every refusal must be, and what must not have happened then."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

import pytest
from google.rpc import error_details_pb2
from grpc import StatusCode, aio
from grpc_status import rpc_status

from errands.v1 import error_reason_pb2
from tests.service import info

REASONS = {
    name.removeprefix("ERROR_REASON_")
    for name in error_reason_pb2.ErrorReason.keys()  # noqa: SIM118 (a generated wrapper, no mapping)
    if not name.endswith("UNSPECIFIED")
}
NEVER = {StatusCode.INTERNAL, StatusCode.UNKNOWN}


async def refused(call: Any) -> aio.AioRpcError:
    """The error of a call that must be refused, and refused properly."""
    with pytest.raises(aio.AioRpcError) as caught:
        await _answered(call)
    check(caught.value)
    return caught.value


async def _answered(call: Any) -> Any:
    if isinstance(call, aio.UnaryStreamCall):
        return [message async for message in call]
    assert isinstance(call, Awaitable)
    return await call


def check(error: aio.AioRpcError) -> None:
    """A status of ours: one ErrorInfo with a reason of the table, and small enough for any client."""
    told = info(error)

    assert told.domain == "errands"
    assert told.reason in REASONS
    assert error.code() not in NEVER, error
    status = rpc_status.from_call(error)
    assert status is not None
    assert len(status.SerializeToString()) < 5_000
    assert status.message
    if error.code() is StatusCode.UNAVAILABLE or error.code() is StatusCode.RESOURCE_EXHAUSTED:
        assert details(error, error_details_pb2.RetryInfo)


def details(error: aio.AioRpcError, kind: Any) -> list[Any]:
    """The details of this kind."""
    status = rpc_status.from_call(error)
    assert status is not None
    found = []
    for packed in status.details:
        if packed.Is(kind.DESCRIPTOR):
            detail = kind()
            packed.Unpack(detail)
            found.append(detail)
    return found
