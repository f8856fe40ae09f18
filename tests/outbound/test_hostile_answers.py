"""Services that answer to harm: redirects, floods, bombs, lies and silence. Each ends, small and soon."""

from __future__ import annotations

import asyncio
import gzip
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from time import monotonic

import pytest

from errands_server.domain.errors import Invalid, Reason
from errands_server.ports import CallFailed, CallOutcomeUnknown, CallResult, CallSucceeded
from errands_server.tools.openapi.loader import fetch_document
from errands_server.tools.openapi.sender import MAX_ANSWER, OpenApiSender
from tests.outbound.test_addresses import listening
from tests.tools.loopback import TLS, Received, call, http, operation, service

PATIENCE = 1.0  # seconds a call gets here
MIB = 1 << 20
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"

Behave = Callable[[asyncio.StreamWriter], Awaitable[None]]


def _zeros(size: int) -> bytes:
    """Zeros in gzip, made without having them."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join([*(packer.compress(bytes(MIB)) for _ in range(size // MIB)), packer.flush()])


def _whole(body: bytes, *headers: str) -> bytes:
    lines = "".join(f"{line}\r\n" for line in headers)
    return HEAD + f"Content-Length: {len(body)}\r\n{lines}\r\n".encode() + body


def sends(*parts: bytes) -> Behave:
    async def behave(writer: asyncio.StreamWriter) -> None:
        for part in parts:
            writer.write(part)
            await writer.drain()
        writer.close()

    return behave


def repeats(first: bytes, part: bytes, pause: float = 0) -> Behave:
    """Without end, until the other side goes."""

    async def behave(writer: asyncio.StreamWriter) -> None:
        writer.write(first)
        while not writer.is_closing():
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(pause)  # the rhythm of the attack

    return behave


_CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
_BOMB = _zeros(256 * MIB)  # in a quarter of one
_TWICE = gzip.compress(_BOMB)  # in some kilobytes
_THRICE = gzip.compress(_TWICE)
# Deflate blocks that hold nothing: work without a byte to count.
_NOTHING = gzip.compress(b"", 0)[:10] + b"\x00\x00\x00\xff\xff" * 200_000

HOSTILE: dict[str, Behave] = {
    "endless body": repeats(_CHUNKED, b"ffff\r\n" + b"a" * 65_535 + b"\r\n"),
    "endless body without a length": repeats(HEAD + b"Connection: close\r\n\r\n", b"a" * 65_536),
    "body a byte at a time": repeats(HEAD + b"Content-Length: 100000\r\n\r\n", b"a", 0.05),
    "endless headers": repeats(HEAD, b"x-a: b\r\n"),
    "headers a byte at a time": repeats(b"HTTP/1.1 200 OK\r\nx-a: ", b"a", 0.05),
    "one huge header": sends(HEAD, b"x-a: " + b"a" * 4 * MIB + b"\r\n\r\n"),
    "endless status line": repeats(b"HTTP/1.1 200 ", b"a" * 65_536),
    "endless interim answers": repeats(b"", b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"),
    "endless chunk extension": repeats(_CHUNKED + b"1;", b"a" * 65_536),
    "endless trailers": repeats(_CHUNKED + b"0\r\n", b"x-a: b\r\n"),
    "a length that is too long": sends(HEAD + b"Content-Length: 1000\r\n\r\n{}"),
    "a length without end": sends(HEAD + b"Content-Length: 99999999999999999999\r\n\r\n{}"),
    "a negative length": sends(HEAD + b"Content-Length: -1\r\n\r\n{}"),
    "two lengths": sends(HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}"),
    "no HTTP": sends(b"220 mail.example ESMTP\r\n"),
    "nothing": sends(),
    "silence": repeats(b"", b"", 0.05),
    "gzip bomb": sends(_whole(_BOMB, "Content-Encoding: gzip")),
    "deflate bomb": sends(_whole(zlib.compress(bytes(64 * MIB)), "Content-Encoding: deflate")),
    "bomb in a bomb": sends(_whole(_TWICE, "Content-Encoding: gzip, gzip")),
    "bomb in a bomb in a bomb": sends(_whole(_THRICE, "Content-Encoding: gzip, gzip, gzip")),
    "bomb in two headers": sends(_whole(_TWICE, "Content-Encoding: gzip", "Content-Encoding: gzip")),
    "empty blocks": sends(_whole(_NOTHING, "Content-Encoding: gzip")),
    "empty blocks in a bomb": sends(
        _whole(gzip.compress(_NOTHING * 60), "Content-Encoding: gzip, gzip")
    ),
    "bombs one behind another": sends(_whole(_zeros(64 * MIB) * 8, "Content-Encoding: gzip")),
    "no gzip": sends(_whole(b"not gzip at all", "Content-Encoding: gzip")),
    "half a gzip": sends(_whole(gzip.compress(b"{}" * 99)[:-20], "Content-Encoding: gzip")),
    "brotli nobody asked for": sends(_whole(b"\x8b\x03\x80{}\x03", "Content-Encoding: br")),
    "zstd nobody asked for": sends(_whole(b"\x28\xb5\x2f\xfd\x00", "Content-Encoding: zstd")),
    "a thousand codings": sends(_whole(b"{}", "Content-Encoding: " + ", ".join(["gzip"] * 1_000))),
}  # fmt: skip


@asynccontextmanager
async def hostile(behave: Behave) -> AsyncIterator[str]:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            await behave(writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async with await asyncio.start_server(handle, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


class Stalls:
    """How long the loop was held up at most, in seconds."""

    def __init__(self) -> None:
        self.worst = 0.0

    async def watch(self) -> None:
        while True:
            before = monotonic()
            await asyncio.sleep(0.01)
            self.worst = max(self.worst, monotonic() - before - 0.01)


async def _attacked(behave: Behave, ask: Callable[[str], Awaitable[object]]) -> tuple[object, int, float]:
    """What came of it, the memory it took at its peak, and how long the loop was held up."""
    stalls = Stalls()
    async with hostile(behave) as origin:
        watching = asyncio.create_task(stalls.watch())
        tracemalloc.start()
        try:
            answer = await ask(origin)
        finally:
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            watching.cancel()
    return answer, peak, stalls.worst


@pytest.mark.parametrize("attack", HOSTILE)
async def test_no_answer_takes_more_memory_or_time_than_a_call_may(attack: str) -> None:
    async def ask(origin: str) -> CallResult:
        async with OpenApiSender(tls=TLS) as sender:
            return await call(sender, operation(origin, "get"), timeout=PATIENCE)

    began = monotonic()
    answer, peak, stall = await _attacked(HOSTILE[attack], ask)

    assert isinstance(answer, CallFailed | CallOutcomeUnknown | CallSucceeded)
    assert not isinstance(answer, CallSucceeded) or len(answer.output) <= MAX_ANSWER
    assert peak < 24 * MIB, f"{peak / MIB:.0f} MiB"
    assert stall < 1.0, f"{stall:.2f} s"
    assert monotonic() - began < PATIENCE + 4


@pytest.mark.parametrize("attack", sorted(set(HOSTILE) - {"endless body", "endless body without a length"}))
async def test_no_description_takes_more_time_than_it_may(attack: str) -> None:
    async def ask(origin: str) -> str | Reason:
        try:
            return await fetch_document(f"{origin}/", internal=True, tls=TLS, timeout=PATIENCE)
        except Invalid as refused:
            return refused.reason

    began = monotonic()
    answer, _, stall = await _attacked(HOSTILE[attack], ask)

    assert isinstance(answer, str)
    assert stall < 1.0, f"{stall:.2f} s"
    assert monotonic() - began < PATIENCE + 4


async def test_a_body_that_is_compressed_more_than_once_is_not_unpacked() -> None:
    """Work between two layers is seen by no limit on what comes out of the last one."""
    twice = gzip.compress(gzip.compress(b"{}"))
    for headers in (["Content-Encoding: gzip, gzip"], ["Content-Encoding: gzip"] * 2):
        async with hostile(sends(_whole(twice, *headers))) as origin, OpenApiSender(tls=TLS) as sender:
            answer = await call(sender, operation(origin, "get"), timeout=PATIENCE)

        assert isinstance(answer, CallOutcomeUnknown)
        assert "compressed more than once" in answer.message


def test_what_was_tried_is_counted() -> None:
    print(f"{len(HOSTILE)} hostile answers, as a call and as a description; {len(REDIRECTS)} redirects")

    assert len(HOSTILE) >= 30


# Where a service sends a GET that was meant for it, and whether it is followed.
REDIRECTS: dict[str, bool] = {
    "/other": True,
    "other": True,
    "?page=2": True,
    "{origin}/other": True,
    "http://127.0.0.1:{other}/secret": False,
    "//127.0.0.1:{other}/secret": False,
    "http://localhost:{port}/secret": False,
    "http://2130706433:{port}/secret": False,
    "http://[::ffff:127.0.0.1]:{port}/secret": False,
    "https://127.0.0.1:{port}/secret": False,
    "http://user:pass@127.0.0.1:{port}/secret": False,
    "http://127.0.0.1:{port}@127.0.0.1:{other}/secret": False,
    "http://169.254.169.254/latest/meta-data/": False,
    "http://metadata.google.internal/computeMetadata/v1/": False,
    "file:///etc/passwd": False,
    "gopher://127.0.0.1:{other}/_x": False,
    "ftp://127.0.0.1/": False,
    "ws://127.0.0.1:{port}/": False,
    "data:application/json,{{}}": False,
    "javascript:alert(1)": False,
    "http://[::1": False,
    "http://127.0.0.1:{port}\\@127.0.0.1:{other}/": False,
}


@pytest.mark.parametrize("target", REDIRECTS)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_followed_within_its_origin_only(target: str, status: int) -> None:
    asked: list[str] = []

    async def behave(request: Received, writer: asyncio.StreamWriter) -> None:
        asked.append(request.target)
        first = len(asked) == 1
        writer.write(http(status, Location=location) if first else http(200, b'"followed"'))

    async with (
        listening() as (other, reached),
        service(behave) as found,
        OpenApiSender(tls=TLS) as sender,
    ):
        port = found.origin.rpartition(":")[2]
        location = target.format(origin=found.origin, port=port, other=other)
        answer = await call(sender, operation(found.origin, "get"), timeout=PATIENCE)

    assert reached == []
    assert (len(asked) == 2) == REDIRECTS[target]
    assert isinstance(answer, CallSucceeded) == REDIRECTS[target]


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
async def test_a_write_is_never_sent_on(method: str) -> None:
    async with service(http(307, Location="/elsewhere")) as found, OpenApiSender(tls=TLS) as sender:
        answer = await call(sender, operation(found.origin, method), timeout=PATIENCE)

    assert not isinstance(answer, CallSucceeded)
    assert len(found.received) == 1


async def test_every_hop_of_a_chain_is_checked() -> None:
    """Three good hops do not make the fourth one good."""
    async with listening() as (other, reached):

        async def behave(request: Received, writer: asyncio.StreamWriter) -> None:
            hop = len(found.received)
            there = f"/{hop}" if hop < 4 else f"http://127.0.0.1:{other}/secret"
            writer.write(http(302, Location=there))

        async with service(behave) as found, OpenApiSender(tls=TLS) as sender:
            answer = await call(sender, operation(found.origin, "get"), timeout=PATIENCE)

    assert isinstance(answer, CallFailed)
    assert len(found.received) == 4
    assert reached == []
