"""One table of reasons: the proto's comments, the server's codes and the domain agree."""

from __future__ import annotations

import re
from pathlib import Path

import grpc
from google.rpc import error_details_pb2

from errands.v1 import error_reason_pb2
from errands_gateway.http.problems import STATUSES
from errands_server.api.status import CODES, status
from errands_server.domain.errors import (
    Conflict,
    Exhausted,
    Forbidden,
    Invalid,
    NotFound,
    Reason,
    Unavailable,
    Violation,
)

PROTO = Path(__file__).parents[2] / "proto/errands/v1/error_reason.proto"
HTTP_ONLY = "Only over HTTP: "
ROW = re.compile(r"// ([A-Z_]+), (\d{3})\. ([^\n]+)\n(?:  //[^\n]*\n)*  ERROR_REASON_([A-Z_]+) = (\d+);")


def documented() -> dict[str, tuple[str, int]]:
    """The gRPC code and the HTTP status of every reason, as the comments say."""
    return {name: (code, int(http)) for code, http, _, name, _ in ROW.findall(PROTO.read_text())}


def known_to_servers() -> dict[str, tuple[str, int]]:
    """The reasons a server gives; the others are the gateway's own."""
    own = {name for _, _, text, name, _ in ROW.findall(PROTO.read_text()) if text.startswith(HTTP_ONLY)}
    return {name: row for name, row in documented().items() if name not in own}


def test_every_reason_of_the_wire_is_documented_with_its_codes() -> None:
    names = {name.removeprefix("ERROR_REASON_") for name in error_reason_pb2.ErrorReason.keys()}  # noqa: SIM118 (no mapping)

    assert documented().keys() == names - {"UNSPECIFIED"}
    assert all(400 <= http < 600 for _, http in documented().values())


def test_the_comments_and_the_servers_table_agree() -> None:
    assert {reason.value: code.name for reason, code in CODES.items()} == {
        name: code for name, (code, _) in known_to_servers().items()
    }


def test_the_domain_and_the_wire_know_the_same_reasons() -> None:
    assert {reason.value for reason in Reason} == known_to_servers().keys()
    assert {reason.name for reason in Reason} == {reason.value for reason in Reason}


def test_the_gateway_has_the_http_status_of_every_reason() -> None:
    assert dict(STATUSES) == {name: http for name, (_, http) in documented().items()}


def test_every_code_is_one_of_grpc() -> None:
    names = {code.name for code in grpc.StatusCode}

    assert {code for code, _ in documented().values()} <= names - {"OK"}


def test_each_kind_of_error_carries_the_details_that_fit() -> None:
    for error, kind in (
        (Invalid([Violation("a", "b")]), error_details_pb2.BadRequest),
        (NotFound(Reason.RUN_NOT_FOUND, "a"), error_details_pb2.ResourceInfo),
        (Conflict(Reason.RUN_FINISHED, "a"), error_details_pb2.PreconditionFailure),
        (Exhausted(Reason.RUN_QUEUE_FULL, "a"), error_details_pb2.QuotaFailure),
        (Exhausted(Reason.RUN_QUEUE_FULL, "a"), error_details_pb2.RetryInfo),
        (Unavailable(Reason.SERVER_DRAINING, "a"), error_details_pb2.RetryInfo),
        (Forbidden(Reason.SCOPE_MISSING, "a"), error_details_pb2.ErrorInfo),
    ):
        assert any(packed.Is(kind.DESCRIPTOR) for packed in status(error).details), error


def test_no_error_outgrows_the_metadata_of_a_client() -> None:
    text = "é\n\U0001f600" * 2_000
    for error in (
        Invalid([Violation(f"field[{number}]", text) for number in range(200)]),
        NotFound(Reason.RUN_NOT_FOUND, text, subject=text),
        Conflict(Reason.RUN_FINISHED, text, subject=text),
    ):
        made = status(error)

        assert made.ByteSize() * 4 / 3 + len(made.message.encode()) * 3 < 8_192
