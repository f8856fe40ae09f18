"""Request bodies: forms, files, text and bytes, read back by parsers that are not ours."""

from __future__ import annotations

import base64
import email.policy
import json
from email.message import EmailMessage
from email.parser import BytesParser
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from errands_server.domain.errors import Reason
from errands_server.ports import CallFailed, CallResult, CallSucceeded
from errands_server.tools.openapi.document import Operation, read
from errands_server.tools.openapi.sender import OpenApiSender
from tests.tools.loopback import TLS, Received, call, http, operation, service

FILE = {"type": "string", "format": "binary"}
URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"


def bodied(origin: str, content: dict[str, Any]) -> Operation:
    return operation(origin, requestBody={"required": True, "content": content})


def form(media_type: str, properties: dict[str, Any], **encoding: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties}
    return {media_type: {"schema": schema, "encoding": encoding} if encoding else {"schema": schema}}


async def exchange(content: dict[str, Any], body: Any) -> tuple[CallResult, Received | None]:
    async with service(http(200)) as found, OpenApiSender(tls=TLS) as sender:
        answer = await call(sender, bodied(found.origin, content), {"body": body})
    return answer, found.received[0] if found.received else None


async def sent(content: dict[str, Any], body: Any) -> Received:
    answer, request = await exchange(content, body)

    assert isinstance(answer, CallSucceeded), answer
    assert request is not None
    return request


def parts(request: Received) -> list[EmailMessage]:
    """The parts of a multipart body as the standard library's MIME parser reads them."""
    head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
    message = BytesParser(EmailMessage, policy=email.policy.HTTP).parsebytes(head + request.body)
    assert not message.defects
    return list(message.iter_parts())


def told(part: EmailMessage) -> tuple[str, str | None, str | None, bytes]:
    """Name, file name, declared type and content of a part."""
    name = part.get_param("name", header="content-disposition")
    return str(name), part.get_filename(), part.get("content-type"), part.get_payload(decode=True)


def schema_of(content: dict[str, Any]) -> Any:
    return bodied("https://a.example", content).tool.parameters["properties"]["body"]


# Which kind is sent.


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        (["text/plain", URLENCODED, "application/vnd.a+json", "application/json"], "application/json"),
        (["application/xml", "application/vnd.a+json"], "application/vnd.a+json"),
        ([MULTIPART, URLENCODED], URLENCODED),
        (["application/octet-stream", "text/csv"], "text/csv"),
        (["application/xml", "image/png"], "image/png"),
        (["*/*"], "application/json"),
        (["image/*"], "application/octet-stream"),
        (["application/json; version=2"], "application/json; version=2"),
    ],
)
def test_of_several_kinds_the_one_that_says_most_is_sent(offered, chosen):
    assert bodied("https://a.example", {name: {"schema": {}} for name in offered}).body_type == chosen


def test_a_form_with_a_file_wins_over_json_which_has_no_files():
    content = form(MULTIPART, {"photo": FILE}) | form("application/json", {"photo": {"type": "string"}})

    assert bodied("https://a.example", content).body_type == MULTIPART


@pytest.mark.parametrize("media_type", ["application/xml", "multipart/mixed", "message/rfc822", "nonsense"])
def test_a_body_that_cannot_be_written_leaves_its_operation_out(media_type):
    document = {
        "openapi": "3.1.0",
        "servers": [{"url": "https://a.example"}],
        "paths": {"/x": {"post": {"requestBody": {"content": {media_type: {"schema": {"type": "object"}}}}}}},
    }
    (omission,) = read(json.dumps(document)).left_out

    assert omission.place == "paths./x.post"
    assert media_type in omission.why


# Forms.


async def test_an_urlencoded_form_carries_its_members_as_their_encodings_say():
    properties = {name: {} for name in ("name", "tags", "expand", "items", "meta", "raw", "none", "ids")}
    content = form(
        URLENCODED,
        properties,
        expand={"style": "deepObject", "explode": True},
        items={"style": "deepObject", "explode": True},
        ids={"style": "pipeDelimited", "explode": False},
        raw={"contentType": "application/json"},
    )
    body = {
        "name": "a b&c=ü",
        "tags": ["x", "y"],
        "expand": ["customer"],
        "items": [{"price": "p", "quantity": 2}],
        "meta": {"a": 1},
        "raw": [1, 2],
        "none": None,
        "ids": [1, 2],
    }
    request = await sent(content, body)

    assert request.headers["content-type"] == URLENCODED
    assert parse_qsl(request.body.decode(), strict_parsing=True) == [
        ("name", "a b&c=ü"),
        ("tags", "x"),
        ("tags", "y"),
        ("expand[0]", "customer"),
        ("items[0][price]", "p"),
        ("items[0][quantity]", "2"),
        ("meta", '{"a":1}'),
        ("raw", "[1,2]"),
        ("ids", "1|2"),
    ]


async def test_a_multipart_form_carries_fields_documents_and_files():
    content = form(
        MULTIPART,
        {
            "title": {"type": "string"},
            "count": {"type": "integer"},
            "tags": {"type": "array", "items": {"type": "string"}},
            "meta": {"type": "object"},
            "list": {"type": "array"},
            "photo": FILE,
            "notes": {"type": "array", "items": FILE},
        },
        photo={"contentType": "image/png, image/jpeg", "headers": {"X-Kind": {"schema": {"enum": ["a"]}}}},
        list={"contentType": "application/json"},
    )
    picture = {"base64": base64.b64encode(b"\x89PNG\r\n--\x00").decode(), "filename": 'ü "1".png'}
    body = {
        "title": "ü\r\n--x",
        "count": 2,
        "tags": ["a", "b"],
        "meta": {"k": [1]},
        "list": [1, 2],
        "photo": picture,
        "notes": ["plain", {"text": "t", "filename": "n.md", "contentType": "text/markdown"}],
    }
    request = await sent(content, body)
    found = parts(request)

    assert [told(part) for part in found if part.get_filename() is None] == [
        ("title", None, None, "ü\r\n--x".encode()),
        ("count", None, None, b"2"),
        ("tags", None, None, b"a"),
        ("tags", None, None, b"b"),
        ("meta", None, "application/json", b'{"k":[1]}'),
        ("list", None, "application/json", b"[1,2]"),
    ]
    photo, *notes = [part for part in found if part.get_filename() is not None]
    assert told(photo)[2:] == ("image/png", b"\x89PNG\r\n--\x00")
    assert photo["X-Kind"] == "a"
    assert 'filename="ü %221%22.png"'.encode() in request.body  # as browsers write it
    assert [told(part) for part in notes] == [
        ("notes", "notes", "application/octet-stream", b"plain"),
        ("notes", "n.md", "text/markdown", b"t"),
    ]


TEXTS = st.text(st.characters(exclude_categories=("Cs",)))
NAMES = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=6)


@settings(max_examples=40, deadline=None)
@given(
    fields=st.dictionaries(NAMES, st.text(st.characters(exclude_categories=("Cs",))), min_size=1),
    data=st.binary(),
)
async def test_whatever_a_form_holds_comes_out_of_it_again(fields, data):
    fields = {name: value for name, value in fields.items() if name != "file"}
    body = {**fields, "file": {"base64": base64.b64encode(data).decode()}}
    request = await sent(form(MULTIPART, {"file": FILE}), body)
    boundary = request.headers["content-type"].partition("boundary=")[2].encode()
    pieces = request.body.split(b"--" + boundary)

    assert (pieces[0], pieces[-1]) == (b"", b"--\r\n")
    contents = [piece.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n") for piece in pieces[1:-1]]
    assert contents == [*(value.encode() for value in fields.values()), data]


@pytest.mark.parametrize(
    "schema",
    [
        FILE,
        {"type": "file"},
        {"type": "string", "contentMediaType": "application/octet-stream"},
        {"anyOf": [FILE, {"type": "null"}]},
        {"type": "array", "items": FILE},
        {"$ref": "#/components/schemas/Upload"},
    ],
)
def test_every_way_a_document_says_file_takes_one(schema):
    document = {
        "openapi": "3.1.0",
        "servers": [{"url": "https://a.example"}],
        "paths": {"/x": {"post": {"requestBody": {"content": form(MULTIPART, {"f": schema})}}}},
        "components": {"schemas": {"Upload": FILE}},
    }
    (found,) = read(json.dumps(document)).operations
    checker = Draft202012Validator(found.tool.parameters)
    given = {"base64": "AA==", "filename": "a"}

    assert found.body_parts["f"].file
    assert checker.is_valid({"body": {"f": [given] if schema.get("type") == "array" else given}})
    assert not checker.is_valid({"body": {"f": {"base64": "AA==", "path": "/etc/passwd"}}})


def test_a_base64_string_of_the_document_is_no_file():
    assert schema_of(form(MULTIPART, {"f": {"type": "string", "format": "byte"}}))["properties"]["f"] == {
        "type": "string",
        "format": "byte",
    }


@pytest.mark.parametrize(
    ("given", "place"),
    [
        ({"base64": "no base64!"}, "arguments.body.f: "),
        ({"text": "a", "contentType": "text/plain\r\nX-Evil: 1"}, "arguments.body.f: "),
        ({"text": "a", "base64": "AA=="}, "arguments.body.f: "),
        ({}, "arguments.body.f: "),
    ],
)
async def test_a_file_that_is_none_is_refused_and_nothing_sent(given, place):
    answer, request = await exchange(form(MULTIPART, {"f": FILE}), {"f": given})

    assert isinstance(answer, CallFailed)
    assert answer.reason is Reason.ARGUMENTS_INVALID
    assert answer.message.startswith(place)
    assert request is None


async def test_a_form_that_is_no_object_is_refused():
    answer, request = await exchange({MULTIPART: {}}, "text")

    assert isinstance(answer, CallFailed)
    assert answer.message.startswith("arguments.body: ")
    assert request is None


def test_a_part_header_that_only_the_caller_could_know_leaves_the_operation_out():
    document = {
        "openapi": "3.1.0",
        "servers": [{"url": "https://a.example"}],
        "paths": {
            "/x": {
                "post": {
                    "requestBody": {
                        "content": form(MULTIPART, {"f": FILE}, f={"headers": {"X-Sum": {"required": True}}})
                    }
                }
            }
        },
    }

    assert "X-Sum" in read(json.dumps(document)).left_out[0].why


# Text and bytes.


async def test_a_text_body_is_the_text():
    request = await sent({"text/markdown": {"schema": {"type": "string"}}}, "# ü\n")

    assert (request.headers["content-type"], request.body) == ("text/markdown", "# ü\n".encode())


async def test_a_body_that_is_base64_itself_stays_as_it_is_given():
    request = await sent({"image/jpeg": {"schema": {"type": "string", "format": "byte"}}}, "AAEC")

    assert (request.headers["content-type"], request.body) == ("image/jpeg", b"AAEC")


async def test_xml_can_be_given_as_text_where_the_document_takes_a_string():
    request = await sent({"application/xml": {"schema": {"type": "string"}}}, "<a/>")

    assert (request.headers["content-type"], request.body) == ("application/xml", b"<a/>")


@pytest.mark.parametrize(
    ("given", "content_type", "content"),
    [
        ({"base64": "AAEC"}, "application/octet-stream", b"\0\1\2"),
        ({"base64": "AAEC", "contentType": "image/gif"}, "image/gif", b"\0\1\2"),
        ("plain", "application/octet-stream", b"plain"),
    ],
)
async def test_a_body_of_bytes_is_a_file(given, content_type, content):
    request = await sent({"application/octet-stream": {"schema": FILE}}, given)

    assert (request.headers["content-type"], request.body) == (content_type, content)


@pytest.mark.parametrize(
    ("offered", "schema", "given", "content_type", "content"),
    [
        ("application/*+json", {"type": "object"}, {"a": 1}, "application/json", b'{"a":1}'),
        ("*/*", {"type": "object"}, {"a": 1}, "application/json", b'{"a":1}'),
        ("text/*", {"type": "string"}, "a", "text/plain", b"a"),
        ("application/*+xml", {"type": "string"}, "<a/>", "application/xml", b"<a/>"),
        ("image/*", FILE, "a", "application/octet-stream", b"a"),
    ],
)
async def test_of_a_range_of_types_the_plainest_is_sent(offered, schema, given, content_type, content):
    request = await sent({offered: {"schema": schema}}, given)

    assert request.headers["content-type"] == content_type
    assert request.body == content


async def test_a_text_that_is_described_as_an_object_is_sent_as_json():
    request = await sent({"text/plain": {"schema": {"type": "object"}}}, {"a": [1]})

    assert request.headers["content-type"] == "text/plain"
    assert request.body == b'{"a":[1]}'


async def test_a_plain_string_called_file_is_one_in_a_multipart_form():
    content = form(
        MULTIPART, {"file": {"type": "string", "description": "A photo"}, "note": {"type": "string"}}
    )
    photo = {"base64": base64.b64encode(b"\x89PNG").decode(), "filename": "a.png", "contentType": "image/png"}
    request = await sent(content, {"file": photo, "note": "n"})

    assert [told(part) for part in parts(request)] == [
        ("file", "a.png", "image/png", b"\x89PNG"),
        ("note", None, None, b"n"),
    ]
    assert schema_of(content)["properties"]["file"]["description"].startswith("A photo")
