"""Which addresses tools may reach, and the fetching of documents under the same policy."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from errands_server.domain.errors import Invalid, Reason
from errands_server.outbound.guard import AddressForbidden, is_permitted, resolve
from errands_server.tools.openapi.loader import fetch_document
from errands_server.tools.openapi.text import MAX_TEXT

Serve = Callable[[str], bytes]

NEVER = (
    *("169.254.169.254", "169.254.0.1", "100.100.100.200", "168.63.129.16", "192.0.0.192", "0.0.0.0"),
    *("255.255.255.255", "224.0.0.1", "240.0.0.1", "198.18.0.1", "192.0.2.1", "203.0.113.9"),
    *("fe80::1", "ff02::1", "::", "fd00:ec2::254", "fd20:ce::254", "2001:db8::1", "fec0::1", "5f00::1"),
    *("64:ff9b:1::a00:1", "2001:0:a9fe:a9fe::1", "::127.0.0.1"),
    *("::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1"),
)
INTERNAL = (
    *("127.0.0.1", "127.9.9.9", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1"),
    *("::1", "fc00::1", "fd12:3456::1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:c0a8:101::1"),
)
PUBLIC = ("8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8")


@asynccontextmanager
async def web(serve: Serve) -> AsyncIterator[str]:
    """A server on loopback that answers each path with bytes; gives its origin."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        writer.write(serve(head.split(b" ")[1].decode()))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def ok(body: bytes, *headers: str) -> bytes:
    lines = ["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", "Connection: close", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def moved(location: str) -> bytes:
    return f"HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()


async def refusal(fetching: Awaitable[str]) -> Reason:
    with pytest.raises(Invalid) as caught:
        await fetching
    assert caught.value.violations[0].field == "openapi_url"
    return caught.value.reason


@pytest.mark.parametrize("address", NEVER)
def test_metadata_link_local_and_reserved_addresses_are_out_of_reach_even_for_internal_tools(address):
    assert not is_permitted(ip_address(address), internal=True)
    assert not is_permitted(ip_address(address), internal=False)


@pytest.mark.parametrize("address", INTERNAL)
def test_loopback_and_private_addresses_open_for_internal_tools_only(address):
    assert is_permitted(ip_address(address), internal=True)
    assert not is_permitted(ip_address(address), internal=False)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_open(address):
    assert is_permitted(ip_address(address), internal=False)


@given(st.ip_addresses(v=4), st.booleans())
def test_no_ipv6_spelling_opens_what_its_ipv4_address_does_not(address: IPv4Address, internal: bool):
    allowed = is_permitted(address, internal=internal)

    for high in (0xFFFF << 32, 0x64FF9B << 96):
        assert is_permitted(IPv6Address(high | int(address)), internal=internal) == allowed
    assert is_permitted(IPv6Address(0x2002 << 112 | int(address) << 80), internal=internal) == allowed


@given(st.ip_addresses())
def test_internal_only_ever_adds(address: IPv4Address | IPv6Address):
    assert is_permitted(address, internal=True) >= is_permitted(address, internal=False)


@pytest.mark.parametrize("host", ["localhost", "127.1", "0x7f.1", "2130706433", "017700000001", "::1"])
async def test_every_spelling_of_loopback_is_seen_through(host):
    with pytest.raises(AddressForbidden):
        await resolve(host, 80, internal=False)


@pytest.mark.parametrize(("host", "way_out"), [("127.0.0.1", True), ("169.254.169.254", False)])
async def test_a_refusal_names_the_way_out_where_there_is_one(host, way_out):
    with pytest.raises(AddressForbidden) as refused:
        await resolve(host, 80, internal=False)

    assert ("`internal`" in str(refused.value)) == way_out


async def test_a_name_too_long_for_dns_is_an_ordinary_failure():
    with pytest.raises(OSError, match="not a host name"):
        await resolve("a" * 70 + ".example", 80, internal=False)


async def test_a_document_is_fetched_through_a_redirect():
    async with web(lambda path: ok(b"openapi: 3.1.0") if path == "/b" else moved("/b")) as origin:
        assert await fetch_document(f"{origin}/a", internal=True) == "openapi: 3.1.0"


async def test_a_document_on_loopback_is_out_of_reach_without_the_grant():
    asked: list[str] = []
    async with web(lambda path: asked.append(path) or ok(b"{}")) as origin:
        reason = await refusal(fetch_document(f"{origin}/", internal=False))

    assert reason is Reason.ADDRESS_FORBIDDEN
    assert asked == []


async def test_the_grant_ends_at_the_origin_it_was_given_for():
    asked: list[str] = []
    async with (
        web(lambda path: asked.append(path) or ok(b"{}")) as other,
        web(lambda path: moved(f"{other}/secret")) as origin,
    ):
        reason = await refusal(fetch_document(f"{origin}/", internal=True))

    assert reason is Reason.ADDRESS_FORBIDDEN
    assert asked == []


async def test_a_circle_of_redirects_ends():
    asked: list[str] = []
    async with web(lambda path: asked.append(path) or moved(path)) as origin:
        reason = await refusal(fetch_document(f"{origin}/", internal=True))

    assert reason is Reason.DOCUMENT_UNREACHABLE
    assert len(asked) == 6


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", Reason.DOCUMENT_UNREACHABLE),
        (b"", Reason.DOCUMENT_UNREACHABLE),
        (ok(b"\xff\xfe"), Reason.DOCUMENT_INVALID),
        (ok("{}".encode("utf-16-le")), Reason.DOCUMENT_INVALID),
        (ok(gzip.compress(bytes(MAX_TEXT + 1)), "Content-Encoding: gzip"), Reason.DOCUMENT_INVALID),
        (moved("ftp://example.com/"), Reason.DOCUMENT_INVALID),
        (moved("http://user:pass@127.0.0.1/"), Reason.DOCUMENT_INVALID),
    ],
    ids=["missing", "cut", "not-text", "two-bytes-each", "bomb", "scheme", "userinfo"],
)
async def test_a_document_that_cannot_be_had_says_why(answer, reason):
    async with web(lambda path: answer) as origin:
        assert await refusal(fetch_document(f"{origin}/", internal=True)) is reason


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "http://", "http://a:b@example.com/", "http://x:0/", "x"]
)
async def test_only_plain_http_urls_are_fetched(url):
    assert await refusal(fetch_document(url, internal=True)) is Reason.DOCUMENT_INVALID


async def test_a_silent_server_is_given_up():
    async def keep_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(keep_silent, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        reason = await refusal(fetch_document(url, internal=True, timeout=0.1))

    assert reason is Reason.DOCUMENT_UNREACHABLE
