"""Every way to write an address, at every door: what may not be reached is not dialled."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpcore2
import pytest

from errands_server.domain.errors import Invalid, Reason
from errands_server.outbound.guard import AddressForbidden, GuardedNetwork, is_permitted, resolve
from errands_server.ports import CallFailed, CallResult
from errands_server.tools.openapi.document import read
from errands_server.tools.openapi.json_node import DocumentError
from errands_server.tools.openapi.loader import fetch_document
from errands_server.tools.openapi.sender import OpenApiSender
from errands_server.tools.origins import parse_base_url
from tests.outbound.spellings import LOOPBACK, NEVER, ODD_URLS, PRIVATE, spelled
from tests.tools.loopback import TLS, call, http, operation, service

OPEN = "93.184.216.34"  # a public address; nothing here dials it


@asynccontextmanager
async def listening() -> AsyncIterator[tuple[int, list[int]]]:
    """A port on loopback, on both families, and the connections it was reached by."""
    reached: list[int] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reached.append(1)
        writer.write(http(200, b"{}"))
        writer.close()

    async with await asyncio.start_server(handle, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1], reached


async def _called(host: str, port: int, *, internal: bool = False) -> CallResult:
    try:
        wanted = operation(f"http://{host}:{port}", "get")
    except (DocumentError, UnicodeError) as error:
        return CallFailed(reason=Reason.ADDRESS_FORBIDDEN, message=str(error))
    async with OpenApiSender(tls=TLS) as sender:
        return await call(sender, wanted, internal=internal, timeout=3)


async def _fetched(url: str, *, internal: bool = False) -> Reason:
    with pytest.raises(Invalid) as refused:
        await fetch_document(url, internal=internal, tls=TLS, timeout=3)
    return refused.value.reason


KEPT_OUT = {Reason.ADDRESS_FORBIDDEN, Reason.DOCUMENT_INVALID, Reason.DOCUMENT_UNREACHABLE}


@pytest.mark.parametrize("host", spelled(LOOPBACK | {f"private {k}": v for k, v in PRIVATE.items()}))
async def test_no_spelling_of_a_private_address_is_reached_without_the_grant(host: str) -> None:
    async with listening() as (port, reached):
        answer = await _called(host, port)
        reason = await _fetched(f"http://{host}:{port}/")

    assert isinstance(answer, CallFailed)
    assert answer.reason in {Reason.ADDRESS_FORBIDDEN, Reason.SERVICE_UNREACHABLE}, answer
    assert reason in KEPT_OUT
    assert reached == []


@pytest.mark.parametrize("host", spelled(NEVER))
async def test_metadata_and_special_addresses_are_not_dialled_even_with_the_grant(
    host: str, dialled: list[str]
) -> None:
    answer = await _called(host, 80, internal=True)
    reason = await _fetched(f"http://{host}/", internal=True)

    assert isinstance(answer, CallFailed)
    assert answer.reason in {Reason.ADDRESS_FORBIDDEN, Reason.SERVICE_UNREACHABLE}, answer
    assert reason in KEPT_OUT
    assert dialled == []


@pytest.mark.parametrize("url", spelled(ODD_URLS))
async def test_no_odd_url_is_taken_for_a_document_a_base_or_a_server(url: str, dialled: list[str]) -> None:
    assert await _fetched(url, internal=True) in {Reason.DOCUMENT_INVALID, Reason.ADDRESS_FORBIDDEN}
    for door in (_as_base, _as_server):
        with pytest.raises((DocumentError, Invalid)):
            door(url)
    assert dialled == []


def _as_base(url: str) -> None:
    parse_base_url(url, "baseUrl")


def _as_server(url: str) -> None:
    read(json.dumps({"openapi": "3.1.0", "servers": [{"url": url}], "paths": {}}))


@pytest.fixture
def dialled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every address a socket was to be opened to; none is. The platform is replaced, not our code."""
    found: list[str] = []

    async def connect_tcp(self: Any, host: str, port: int, *_: Any, **__: Any) -> Any:
        found.append(host)
        raise httpcore2.ConnectError("not in a test")

    monkeypatch.setattr(httpcore2.AnyIOBackend, "connect_tcp", connect_tcp)
    return found


Answers = list[str]


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """A resolver that answers each question with the next of these lists, and the last one for ever."""

    def install(*answers: Answers) -> list[str]:
        asked: list[str] = []
        left = list(answers)

        async def getaddrinfo(host: str, port: int, **_: Any) -> list[Any]:
            asked.append(host)
            addresses = left.pop(0) if len(left) > 1 else left[0]
            return [(2 if ":" not in a else 10, 1, 6, "", (a, port)) for a in addresses]

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
        return asked

    return install


async def test_a_name_that_changes_between_look_and_connect_is_dialled_as_it_was_checked(
    dialled: list[str], resolver: Callable[..., list[str]]
) -> None:
    asked = resolver([OPEN], ["127.0.0.1"])
    async with OpenApiSender(tls=TLS) as sender:
        wanted = operation("http://rebinding.example", "get")
        first = await call(sender, wanted, internal=False)
        second = await call(sender, wanted, internal=False)

    # One question for each connection, and its answer is what is dialled.
    assert asked == ["rebinding.example"] * 2
    assert dialled == [OPEN]
    assert isinstance(first, CallFailed)
    assert first.reason is Reason.SERVICE_UNREACHABLE
    assert isinstance(second, CallFailed)
    assert second.reason is Reason.ADDRESS_FORBIDDEN


@pytest.mark.parametrize(
    "answer",
    [
        [OPEN, "127.0.0.1"],
        ["127.0.0.1", OPEN],
        [OPEN, "::1"],
        [OPEN, "169.254.169.254"],
        ["2606:4700::1111", "::ffff:10.0.0.1"],
        ["fe80::1%lo"],
        ["fe80::1%1", OPEN],
    ],
    ids=" ".join,
)
async def test_one_bad_address_among_good_ones_condemns_the_name(
    answer: Answers, dialled: list[str], resolver: Callable[..., list[str]]
) -> None:
    resolver(answer)

    with pytest.raises(AddressForbidden):
        await GuardedNetwork(internal=False).connect_tcp("mixed.example", 80)
    assert dialled == []


@pytest.mark.parametrize("name", ["metadata.google.internal", "metadata", "instance-data.ec2.internal"])
async def test_names_of_metadata_services_lead_nowhere_where_they_resolve(
    name: str, dialled: list[str], resolver: Callable[..., list[str]]
) -> None:
    resolver(["169.254.169.254"])

    assert await _fetched(f"http://{name}/computeMetadata/v1/", internal=True) is Reason.ADDRESS_FORBIDDEN
    assert dialled == []


async def test_every_address_of_a_good_name_is_tried_in_order(
    dialled: list[str], resolver: Callable[..., list[str]]
) -> None:
    resolver([OPEN, "2606:4700::1111"])
    with pytest.raises(httpcore2.ConnectError):
        await GuardedNetwork(internal=False).connect_tcp("good.example", 443)

    assert dialled == [OPEN, "2606:4700::1111"]


async def test_the_grant_opens_the_registered_origin_and_no_other_port_of_the_same_host() -> None:
    async with listening() as (other, reached):
        moved = http(302, Location=f"http://127.0.0.1:{other}/secret")
        async with service(moved) as found, OpenApiSender(tls=TLS) as sender:
            answer = await call(sender, operation(found.origin, "get"))
            reason = await _fetched(f"{found.origin}/openapi.json", internal=True)

    assert isinstance(answer, CallFailed)
    assert answer.reason is Reason.SERVICE_REFUSED
    assert reason is Reason.ADDRESS_FORBIDDEN
    assert reached == []


async def test_a_description_cannot_send_calls_to_another_origin_than_its_own() -> None:
    async with listening() as (other, _):
        with pytest.raises(ValueError, match=r"not enough values"):  # the operation is left out
            operation("http://127.0.0.1:1", "get", servers=[{"url": f"http://127.0.0.1:{other}"}])


def tried() -> Iterator[tuple[str, int]]:
    for table in (LOOPBACK, PRIVATE, NEVER, ODD_URLS):
        yield from ((way, len(ways)) for way, ways in table.items())


def test_what_was_tried_is_counted() -> None:
    counted = Counter(dict(tried()))
    total = sum(count for _, count in tried())
    print(f"{total} spellings in {len(list(tried()))} ways, each at several doors: {dict(counted)}")

    assert total >= 120


async def test_the_resolver_sees_through_what_the_platform_sees_through() -> None:
    """Whatever inet_aton takes is checked as the address it means."""
    for host in ("127.1", "0x7f.1", "2130706433", "017700000001"):
        with pytest.raises(AddressForbidden):
            await resolve(host, 80, internal=False)


def test_a_zone_changes_nothing() -> None:
    from ipaddress import IPv6Address

    assert not is_permitted(IPv6Address("fe80::1%eth0"), internal=True)
    assert not is_permitted(IPv6Address("::1%lo"), internal=False)
    assert not is_permitted(IPv6Address("::ffff:169.254.169.254%lo"), internal=True)
