"""What a client learns from the google.rpc.Status of a failed call."""

from __future__ import annotations

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc import StatusCode, aio

from errands.rpc_status import RpcStatus, Violation, decode

_DETAILS = "grpc-status-details-bin"


def _failure(*trailing: tuple[str, str | bytes]) -> aio.AioRpcError:
    return aio.AioRpcError(StatusCode.UNAVAILABLE, aio.Metadata(), aio.Metadata(*trailing), "busy")


def _failure_with(*details: Message) -> aio.AioRpcError:
    status = Status(code=14, message="busy")
    for detail in details:
        status.details.add().Pack(detail)
    return _failure((_DETAILS, status.SerializeToString()))


def test_reason_violations_and_delay_are_read() -> None:
    failure = _failure_with(
        RetryInfo(retry_delay=Duration(seconds=2, nanos=500_000_000)),
        ErrorInfo(reason="STORE_UNAVAILABLE", domain="errands", metadata={"a": "b"}),
        BadRequest(field_violations=[BadRequest.FieldViolation(field="intent", description="is empty")]),
    )

    assert decode(failure) == RpcStatus(
        code=StatusCode.UNAVAILABLE,
        message="busy",
        reason="STORE_UNAVAILABLE",
        metadata={"a": "b"},
        violations=(Violation("intent", "is empty"),),
        retry_delay=2.5,
    )


def test_a_reason_of_another_service_is_none_of_ours() -> None:
    failure = _failure_with(ErrorInfo(reason="STORE_UNAVAILABLE", domain="example.com"))

    assert decode(failure) == RpcStatus(StatusCode.UNAVAILABLE, "busy")


def test_without_readable_details_code_and_message_remain() -> None:
    bare = RpcStatus(StatusCode.UNAVAILABLE, "busy")

    assert decode(_failure()) == bare
    assert decode(_failure((_DETAILS, b"\xff\xff"))) == bare
