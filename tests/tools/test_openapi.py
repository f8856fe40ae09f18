"""Calls over real connections: what leaves, what comes back, and what each way of breaking means."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from errands_server.domain.errors import Reason
from errands_server.ports import CallFailed, CallOutcomeUnknown, CallSucceeded
from errands_server.tools.openapi.document import read
from errands_server.tools.openapi.sender import Credential, OpenApiSender
from tests.tools.loopback import (
    NOW,
    TLS,
    Received,
    Service,
    answer_to,
    call,
    http,
    operation,
    service,
    taking,
    with_body,
)

SECRET = "s3cr3t/+value=="


@pytest.fixture
async def sender() -> AsyncIterator[OpenApiSender]:
    async with OpenApiSender(tls=TLS, now=lambda: NOW) as opened:
        yield opened


# What leaves.


async def test_arguments_travel_where_and_how_the_document_says(sender):
    strings = {"type": "array", "items": {"type": "string"}}
    parameters = [
        taking("id", "path", {"type": "string"}),
        taking("tags", "query", strings),
        taking("ids", "query", {"type": "array", "items": {"type": "integer"}}, explode=False),
        taking("filter", "query", {"type": "object"}, style="deepObject", explode=True),
        taking("page", "query", {"type": "integer"}),
        taking("X-Flags", "header", {"type": "array"}),
        taking("absent", "query", {"type": "string"}),
    ]
    async with service(http(200)) as found:
        wanted = operation(
            found.origin, path="/pets/{id}", parameters=parameters, **with_body({"type": "object"})
        )
        arguments = {
            "id": "a/b c?",
            "tags": ["x&y", "ü"],
            "ids": [1, 2],
            "filter": {"age": {"min": 3}, "ok": True},
            "page": 2.0,
            "X-Flags": ["a", "b"],
            "body": {"name": "Tom", "n": 12345678901234567890},
        }
        await call(sender, wanted, arguments)

    (request,) = found.received
    assert request.target == (
        "/v1/pets/a%2Fb%20c%3F?tags=x%26y&tags=%C3%BC&ids=1,2&filter%5Bage%5D%5Bmin%5D=3&filter%5Bok%5D=true&page=2"
    )
    assert request.headers["x-flags"] == "a,b"
    assert request.headers["content-type"] == "application/json"
    assert json.loads(request.body) == arguments["body"]


@pytest.mark.parametrize("value", ["..", ".", ""])
async def test_a_path_argument_cannot_lead_to_another_operation(sender, value):
    parameters = [taking("id", "path", {"type": "string"})]
    async with service(http(200)) as found:
        answer = await call(
            sender, operation(found.origin, path="/users/{id}", parameters=parameters), {"id": value}
        )

    assert isinstance(answer, CallFailed)
    assert answer.reason is Reason.ARGUMENTS_INVALID
    assert found.received == []


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "ü", " a"])
async def test_a_header_argument_cannot_write_headers_of_its_own(sender, value):
    async with service(http(200)) as found:
        wanted = operation(found.origin, parameters=[taking("X-A", "header", {"type": "string"})])
        answer = await call(sender, wanted, {"X-A": value})

    assert isinstance(answer, CallFailed)
    assert answer.reason is Reason.ARGUMENTS_INVALID
    assert found.received == []


async def test_arguments_that_do_not_fit_are_refused_by_path_and_never_sent(sender):
    items = {"type": "object", "properties": {"items": {"type": "array", "items": {"type": "integer"}}}}
    async with service(http(200)) as found:
        answer = await call(
            sender, operation(found.origin, **with_body(items)), {"body": {"items": [1, "2"]}}
        )

    assert isinstance(answer, CallFailed)
    assert answer.reason is Reason.ARGUMENTS_INVALID
    assert answer.message.startswith("arguments.body.items[1]: ")
    assert found.received == []


async def test_a_hostile_schema_does_not_hold_up_the_server(sender):
    slow = with_body({"type": "string", "pattern": "^(a+)+$"})
    async with service(http(200)) as found:
        started = time.monotonic()
        answer = await call(sender, operation(found.origin, **slow), {"body": "a" * 28 + "!"})

    assert isinstance(answer, CallSucceeded)
    assert time.monotonic() - started < 10  # the pattern would take minutes


async def test_a_schema_that_is_nothing_but_itself_is_refused_without_an_error(sender):
    document = {
        "openapi": "3.1.0",
        "servers": [{"url": "http://127.0.0.1:1"}],
        "paths": {"/x": {"post": with_body({"$ref": "#/components/schemas/A"})}},
        "components": {"schemas": {"A": {"allOf": [{"$ref": "#/components/schemas/A"}]}}},
    }
    answer = await call(sender, read(json.dumps(document)).operations[0], {"body": 1})

    assert isinstance(answer, CallFailed)
    assert answer.reason is Reason.ARGUMENTS_INVALID


async def test_the_idempotency_key_goes_to_services_that_take_one_and_no_others(sender):
    key = [taking("Idempotency-Key", "header", {"type": "string"})]
    async with service(http(200)) as found:
        await call(sender, operation(found.origin, parameters=key))
        async with OpenApiSender(tls=TLS) as other:
            await call(other, operation(found.origin))

    assert [request.headers.get("idempotency-key") for request in found.received] == ["key-1", None]


async def test_a_credential_joins_headers_query_and_cookies(sender):
    credential = Credential(headers={"Authorization": "Bearer t"}, query={"key": "a&b"}, cookies={"sid": "1"})
    async with service(http(200)) as found:
        await call(sender, operation(found.origin), credential=credential)

    (request,) = found.received
    assert request.headers["authorization"] == "Bearer t"
    assert request.headers["cookie"] == "sid=1"
    assert request.target == "/v1/x?key=a%26b"


async def test_a_credential_that_no_header_can_carry_is_refused_unsent_and_unquoted(sender):
    async with service(http(200)) as found:
        answer = await call(
            sender, operation(found.origin), credential=Credential(headers={"X": f"{SECRET}\n"})
        )

    assert isinstance(answer, CallFailed)
    assert answer.reason is Reason.CREDENTIALS_INVALID
    assert SECRET not in answer.message
    assert found.received == []


async def test_cookies_of_one_caller_never_reach_the_next(sender):
    async with service(http(200, Set_Cookie="sid=theirs; Path=/")) as found:
        await call(sender, operation(found.origin, "get"))
        await call(sender, operation(found.origin, "get"))

    assert [request.headers.get("cookie") for request in found.received] == [None, None]


async def test_the_environment_does_not_redirect_calls(sender, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with service(http(200)) as found, OpenApiSender() as fresh:
        assert isinstance(await call(fresh, operation(found.origin)), CallSucceeded)


# What comes back.


@pytest.mark.parametrize(
    ("body", "content_type", "output"),
    [
        (b'{"id": 12345678901234567890, "x": 1.0}', "application/json; charset=utf-8", None),
        (b"[1]", "application/vnd.api+json", None),
        (b"", "application/json", b"null"),
        (b'{"x": NaN}', "application/json", b'"{\\"x\\": NaN}"'),
        (b"[" * 5000, "application/json", b'"' + b"[" * 5000 + b'"'),
        ("grün".encode("latin-1"), "text/plain; charset=ISO-8859-1", '"grün"'.encode()),
        (b"hi", "text/plain; charset=klingon", b'"hi"'),
        (b"%PDF", "application/pdf", b'{"contentType":"application/pdf","bytes":4}'),
    ],
)
async def test_an_answer_becomes_json_and_json_stays_as_it_was(body, content_type, output):
    answer = await answer_to(http(200, body, content_type))

    assert answer == CallSucceeded(output=body if output is None else output, status=200)


async def test_a_compressed_answer_is_read():
    answer = await answer_to(http(200, gzip.compress(b'{"a":1}'), Content_Encoding="gzip"))

    assert answer == CallSucceeded(output=b'{"a":1}', status=200)


async def test_an_answer_without_a_body_is_null():
    assert await answer_to(b"HTTP/1.1 204 No Content\r\n\r\n") == CallSucceeded(output=b"null", status=204)


@pytest.mark.parametrize("compressed", [True, False])
async def test_an_answer_that_is_too_large_fails_a_read_and_does_not_undo_a_write(compressed):
    body = b'"' + b"a" * (4 * 1024 * 1024) + b'"'
    reply = http(200, gzip.compress(body), Content_Encoding="gzip") if compressed else http(200, body)

    read_answer, write_answer = await answer_to(reply, "get"), await answer_to(reply, "post")

    assert isinstance(read_answer, CallFailed)
    assert read_answer.reason is Reason.OUTPUT_TOO_LARGE
    assert isinstance(write_answer, CallSucceeded)
    assert json.loads(write_answer.output)["truncated"] is True


FAILS = [
    (400, Reason.SERVICE_REFUSED, False),
    (401, Reason.SERVICE_REFUSED, False),
    (404, Reason.SERVICE_REFUSED, False),
    (409, Reason.SERVICE_REFUSED, False),
    (410, Reason.SERVICE_REFUSED, False),
    (425, Reason.SERVICE_UNAVAILABLE, True),
    (429, Reason.SERVICE_RATE_LIMITED, True),
    (503, Reason.SERVICE_UNAVAILABLE, True),
    (307, Reason.SERVICE_REFUSED, False),
    (304, Reason.SERVICE_REFUSED, False),
]


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize(("status", "reason", "transient"), FAILS)
async def test_a_refusal_is_certain(method, status, reason, transient):
    answer = await answer_to(http(status), method)

    assert isinstance(answer, CallFailed)
    assert (answer.reason, answer.status, answer.transient) == (reason, status, transient)


@pytest.mark.parametrize("status", [408, 502, 504, 524, 302, 303])
async def test_an_answer_that_says_nothing_about_a_write_leaves_it_unknown(status):
    assert isinstance(await answer_to(http(status)), CallOutcomeUnknown)


async def test_only_a_read_may_follow_an_internal_error():
    for method, transient in (("get", True), ("post", False)):
        answer = await answer_to(http(500), method)

        assert isinstance(answer, CallFailed)
        assert answer.transient is transient


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        ((NOW + timedelta(seconds=90)).strftime("%a, %d %b %Y %H:%M:%S GMT"), 90.0),
        ("Sun, 01 Mar 2020 12:00:00 GMT", 0.0),
        ("soon", None),
        ("9" * 400, None),
    ],
)
async def test_retry_after_is_understood_in_both_forms(value, seconds):
    answer = await answer_to(http(429, Retry_After=value))

    assert isinstance(answer, CallFailed)
    assert answer.retry_after == seconds


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"message": "no"}', "no"),
        (b'{"error": {"message": "bad name", "code": 3}}', "bad name"),
        (b'{"errors": [{"message": "first"}, {"message": "second"}]}', "first; second"),
        (b'{"title": "Bad", "detail": "too long"}', "too long"),
        (b'{"error": "invalid_grant", "error_description": "expired"}', "expired"),
        (
            b'{"message": "Validation Failed", "errors": [{"field": "title", "code": "missing_field"}]}',
            "Validation Failed (title: missing_field)",
        ),
        (b'{"detail": [{"loc": ["body", "age"], "msg": "not a number"}]}', "body.age: not a number"),
        (
            b'{"errors": {"name": ["is taken", "is short"], "age": "is missing"}}',
            "name: is taken; age: is missing",
        ),
        (
            b'{"errors": [{"title": "Bad", "source": {"pointer": "/data/name"}}, "b", "c", "d", "e"]}',
            "/data/name: Bad; b; c; and 2 more",
        ),
        (
            b'{"error": {"message": "Bad", "details": [{"field": "page", "description": "too high"}]}}',
            "Bad (page: too high)",
        ),
        (b'{"fault": {"faultstring": "Bad token", "detail": {"errorcode": "x"}}}', "Bad token"),
        (b'{"Error": {"Code": "Denied", "Message": "not yours"}}', "not yours"),
        (b'{"name": ["is required"], "age": ["too high"]}', "name: is required; age: too high"),
        (b"<html><head><title>Not &amp; here</title></head></html>", "Not & here"),
        (b"<Error><Code>X</Code><Message>No such\n bucket</Message></Error>", "No such bucket"),
        (b"just\n text", "just text"),
        (b"", ""),
    ],
)
async def test_a_refusal_carries_the_words_of_the_service(body, words):
    answer = await answer_to(http(422, body))

    assert isinstance(answer, CallFailed)
    said = "the service answered 422 (Unprocessable Entity)"
    assert answer.message.replace("Content", "Entity") == (f"{said}: {words}" if words else said)


@pytest.mark.parametrize(
    "shown",
    [
        SECRET,
        f"Bearer {SECRET}",
        base64.b64encode(SECRET.encode()).decode(),
        "s3cr3t%2F%2Bvalue%3D%3D",
    ],
)
@pytest.mark.parametrize("padding", [0, 455, 465])
async def test_a_secret_never_comes_back_in_a_message_not_even_half_of_one(shown, padding):
    credential = Credential(headers={"Authorization": f"Bearer {SECRET}"})
    body = json.dumps({"message": "x" * padding + shown + " is not known" + "y" * 600}).encode()

    answer = await answer_to(http(401, body), credential=credential)

    assert isinstance(answer, CallFailed)
    assert "s3cr" not in answer.message
    assert base64.b64encode(SECRET.encode()).decode()[:6] not in answer.message
    assert len(answer.message) <= 500


async def test_a_basic_password_is_a_secret_too():
    pair = base64.b64encode(b"user:hunter22").decode()
    credential = Credential(headers={"Authorization": f"Basic {pair}"})

    answer = await answer_to(http(401, b'{"message": "hunter22 is wrong"}'), credential=credential)

    assert isinstance(answer, CallFailed)
    assert answer.message == "the service answered 401 (Unauthorized): [secret] is wrong"


async def test_a_secret_that_an_answer_echoes_is_hidden_and_the_answer_stays_json():
    credential = Credential(query={"key": "12345678"})
    body = b'{"url": "/x?key=12345678", "n": 12345678, "12345678": [1]}'

    answer = await answer_to(http(200, body), credential=credential)

    assert isinstance(answer, CallSucceeded)
    assert json.loads(answer.output) == {"url": "/x?key=[secret]", "n": 12345678, "[secret]": [1]}


# Redirects.


async def test_a_get_follows_redirects_within_its_origin(sender):
    async def behave(request: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(http(200, b"1") if request.target == "/there" else http(302, Location="/there"))

    async with service(behave) as found:
        answer = await call(sender, operation(found.origin, "get"))

    assert answer == CallSucceeded(output=b"1", status=200)


@pytest.mark.parametrize("method", ["get", "post"])
async def test_a_redirect_to_another_origin_is_refused_and_the_credential_stays_here(sender, method):
    async with (
        service(http(200)) as other,
        service(http(307, Location=f"{other.origin}/v1/x")) as found,
    ):
        credential = Credential(headers={"Authorization": "Bearer t"})
        answer = await call(sender, operation(found.origin, method), credential=credential)

    assert isinstance(answer, CallFailed)
    assert answer.reason is Reason.SERVICE_REFUSED
    assert other.connections == 0


async def test_a_write_is_never_sent_again_for_a_redirect(sender):
    async with service(http(307, Location="/there")) as found:
        answer = await call(sender, operation(found.origin))

    assert isinstance(answer, CallFailed)
    assert len(found.received) == 1


async def test_a_circle_of_redirects_ends(sender):
    async with service(http(302, Location="/v1/x")) as found:
        answer = await call(sender, operation(found.origin, "get"))

    assert isinstance(answer, CallFailed)
    assert answer.reason is Reason.SERVICE_REFUSED
    assert len(found.received) == 6


# How calls break.


async def test_a_service_that_is_not_there_was_certainly_not_called(sender):
    async with service(http(200)) as found:
        wanted = operation(found.origin)

    answer = await call(sender, wanted)

    assert isinstance(answer, CallFailed)
    assert (answer.reason, answer.transient) == (Reason.SERVICE_UNREACHABLE, True)


async def test_a_name_that_does_not_exist_was_certainly_not_called(sender):
    answer = await call(sender, operation(f"http://{'a' * 64}.invalid"))

    assert isinstance(answer, CallFailed)
    assert (answer.reason, answer.transient) == (Reason.SERVICE_UNREACHABLE, True)


async def test_a_handshake_that_never_ends_is_certainly_not_a_call(sender):
    async def keep_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(keep_silent, "127.0.0.1", 0) as server:
        wanted = operation(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        answer = await call(sender, wanted, timeout=0.1)

    assert isinstance(answer, CallFailed)
    assert answer.reason is Reason.SERVICE_UNREACHABLE


async def _cut(_: Received, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def _half(_: Received, writer: asyncio.StreamWriter) -> None:
    writer.write(b'HTTP/1.1 201 Created\r\nContent-Length: 100\r\n\r\n{"a"')
    writer.close()


async def _garbage(_: Received, writer: asyncio.StreamWriter) -> None:
    writer.write(b"SSH-2.0-nonsense\r\n\r\n")


async def _not_gzip(_: Received, writer: asyncio.StreamWriter) -> None:
    writer.write(http(200, b"plain", Content_Encoding="gzip"))


@pytest.mark.parametrize("behaviour", [_cut, _half, _garbage, _not_gzip])
async def test_a_connection_that_breaks_after_the_request_leaves_the_call_unknown(sender, behaviour):
    async with service(behaviour) as found:
        answer = await call(sender, operation(found.origin))

    assert isinstance(answer, CallOutcomeUnknown)
    assert len(found.received) == 1


@asynccontextmanager
async def stalling() -> AsyncIterator[Service]:
    """A service that takes requests and never answers; released at the end."""
    released = asyncio.Event()

    async def behave(_: Received, writer: asyncio.StreamWriter) -> None:
        await released.wait()
        writer.close()

    async with service(behave) as found:
        try:
            yield found
        finally:
            released.set()


async def test_a_call_without_an_answer_in_time_is_unknown(sender):
    async with stalling() as found:
        answer = await call(sender, operation(found.origin), timeout=0.1)

    assert isinstance(answer, CallOutcomeUnknown)


async def test_a_call_that_never_got_a_connection_in_time_was_certainly_not_made():
    async with stalling() as found, OpenApiSender(tls=TLS, connections=1) as sender:
        first = asyncio.create_task(call(sender, operation(found.origin)))
        await found.arrived.wait()
        answer = await call(sender, operation(found.origin), timeout=0.1)
        first.cancel()

    assert isinstance(answer, CallFailed)
    assert answer.reason is Reason.SERVICE_UNREACHABLE
    assert len(found.received) == 1


async def test_cancelling_passes_through_and_frees_the_connection():
    async with stalling() as found, OpenApiSender(tls=TLS, connections=1) as sender:
        under_way = asyncio.create_task(call(sender, operation(found.origin)))
        await found.arrived.wait()
        under_way.cancel()
        with pytest.raises(asyncio.CancelledError):
            await under_way
        answer = await call(sender, operation(found.origin), timeout=0.1)

    assert isinstance(answer, CallOutcomeUnknown)  # so it had a connection


async def test_a_refusal_whose_body_never_ends_is_still_a_refusal(sender):
    async def behave(_: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad\r\nContent-Length: 9\r\n\r\n")

    async with service(behave) as found:
        answer = await call(sender, operation(found.origin), timeout=0.1)

    assert isinstance(answer, CallFailed)
    assert answer.status == 400


async def test_a_request_lost_with_a_kept_connection_is_not_sent_again_unseen(sender):
    async def answer_once(_: Received, writer: asyncio.StreamWriter) -> None:
        if len(found.received) == 1:
            writer.write(http(200))
        else:
            writer.close()

    async with service(answer_once) as found:
        first = await call(sender, operation(found.origin))
        second = await call(sender, operation(found.origin))

    assert isinstance(first, CallSucceeded)
    assert isinstance(second, CallOutcomeUnknown)
    assert found.connections == 1  # it did go over the kept connection
    assert len(found.received) == 2


async def test_a_connection_the_service_has_closed_is_not_used_again(sender):
    closed = asyncio.Event()

    async def answer_and_close(_: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(http(200))
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        closed.set()

    async with service(answer_and_close) as found:
        for _ in range(3):
            closed.clear()
            assert isinstance(await call(sender, operation(found.origin)), CallSucceeded)
            await closed.wait()

    assert found.connections == 3


# Addresses.


async def test_loopback_is_out_of_reach_without_the_grant(sender):
    async with service(http(200)) as found:
        answer = await call(sender, operation(found.origin), internal=False)

    assert isinstance(answer, CallFailed)
    assert answer.reason is Reason.ADDRESS_FORBIDDEN
    assert found.connections == 0


async def test_a_connection_opened_under_the_grant_serves_nobody_else(sender):
    async with service(http(200)) as found:
        assert isinstance(await call(sender, operation(found.origin), internal=True), CallSucceeded)
        answer = await call(sender, operation(found.origin), internal=False)

    assert isinstance(answer, CallFailed)
    assert answer.reason is Reason.ADDRESS_FORBIDDEN
    assert len(found.received) == 1


@pytest.mark.parametrize("host", ["169.254.169.254", "[fd00:ec2::254]", "[::ffff:169.254.169.254]"])
async def test_metadata_is_out_of_reach_even_under_the_grant(sender, host):
    answer = await call(sender, operation(f"http://{host}"), internal=True, timeout=1)

    assert isinstance(answer, CallFailed)
    assert answer.reason is Reason.ADDRESS_FORBIDDEN


# TLS.


def certified(folder: Path, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Contexts of a server that can prove it is `name`, and of a client that believes it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    chain = folder / "chain.pem"
    chain.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(chain)
    return server, ssl.create_default_context(cafile=str(chain))


async def test_tls_proves_the_name_although_the_address_is_dialled(tmp_path):
    server, client = certified(tmp_path, "localhost")
    async with service(http(200, b"1"), tls=server) as found, OpenApiSender(tls=client) as sender:
        answer = await call(sender, operation(found.origin))

    assert answer == CallSucceeded(output=b"1", status=200)
    assert found.received[0].headers["host"].startswith("localhost:")


async def test_a_service_that_proves_another_name_gets_no_request(tmp_path):
    server, client = certified(tmp_path, "elsewhere.example")
    async with service(http(200), tls=server) as found, OpenApiSender(tls=client) as sender:
        answer = await call(sender, operation(found.origin))

    assert isinstance(answer, CallFailed)
    assert answer.reason is Reason.SERVICE_UNREACHABLE
    assert found.received == []
