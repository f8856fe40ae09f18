"""The address policy of outgoing connections: names are resolved, checked, and dialled as checked.

Without it a tenant's description, or a name whose address changes between check and connect
(DNS rebinding), could read an instance's metadata or the network around the server.
"""

from __future__ import annotations

import asyncio
import ipaddress
import select
import socket
import ssl
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from typing import Any, Final, TypeAlias

import httpcore2

Address: TypeAlias = IPv4Address | IPv6Address

# Sources: IANA special-purpose address registries (RFC 6890), RFC 6598, providers' metadata pages.
_INTERNAL: Final = tuple(
    map(
        ipaddress.ip_network,
        (
            "10.0.0.0/8",
            "100.64.0.0/10",
            "127.0.0.0/8",
            "172.16.0.0/12",
            "192.168.0.0/16",
            "::1/128",
            "fc00::/7",
        ),
    )
)
_NEVER: Final = tuple(
    map(
        ipaddress.ip_network,
        (
            *("0.0.0.0/8", "169.254.0.0/16", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24"),
            *("198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
            *("2001::/23", "2001:db8::/32", "3fff::/20"),  # the first holds Teredo
            # Metadata and wire servers inside otherwise reachable ranges: Alibaba, Azure, AWS, GCP.
            *("100.100.100.200/32", "168.63.129.16/32", "fd00:ec2::/32", "fd20:ce::254/128"),
        ),
    )
)
_GLOBAL: Final = IPv6Network("2000::/3")  # all of IPv6 that is given out for global unicast
_NAT64: Final = IPv6Network("64:ff9b::/96")
_ATTEMPT_TIMEOUT: Final = 3.0  # seconds for an address while there is another to try


class AddressForbidden(Exception):
    """A host has an address that may not be reached."""


def is_permitted(address: Address, *, internal: bool) -> bool:
    """Whether a tool may connect to an address. `internal` permits loopback and private addresses too."""
    if any(address in network for network in _NEVER):
        return False
    if any(address in network for network in _INTERNAL):
        return internal
    if isinstance(address, IPv4Address):
        return True
    embedded = _embedded_ipv4(address)
    return address in _GLOBAL if embedded is None else is_permitted(embedded, internal=internal)


def _embedded_ipv4(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that a translated (NAT64) or tunnelled (6to4) IPv6 address leads to."""
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour


async def resolve(host: str, port: int, *, internal: bool) -> Sequence[str]:
    """The addresses of a host. OSError: it has none. AddressForbidden: one of them may not be reached.

    One forbidden address forbids the name, so that what is allowed does not depend on the
    order of a DNS answer.
    """
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:  # a label too long for DNS
        raise OSError(f"{host!r} is not a host name") from error
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    for address in addresses:
        if is_permitted(ipaddress.ip_address(address), internal=internal):
            continue
        message = f"{host} stands at {address}, which tools may not reach"
        if is_permitted(ipaddress.ip_address(address), internal=True):
            message += " unless the integration is `internal`, which takes a key with scope operator"
        raise AddressForbidden(message)
    return addresses


class GuardedNetwork(httpcore2.AsyncNetworkBackend):
    """Opens connections to permitted addresses only; TLS and the Host header still carry the name."""

    def __init__(self, *, internal: bool) -> None:
        self._internal = internal
        self._network = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Connect to the first address that accepts. AddressForbidden: no address was tried."""
        try:
            addresses = await resolve(host, port, internal=self._internal)
        except OSError as error:
            raise httpcore2.ConnectError(f"{host} cannot be resolved: {error}") from error
        failure: Exception = httpcore2.ConnectError(f"{host} has no address")
        for address in addresses:
            limit = timeout if address == addresses[-1] else _ATTEMPT_TIMEOUT
            try:
                return _PolledStream(
                    await self._network.connect_tcp(address, port, limit, local_address, socket_options)
                )
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
        raise failure


class _PolledStream(httpcore2.AsyncNetworkStream):
    """A connection that answers `is_readable` with one system call.

    The pool asks every idle connection, twice for each request, whether its peer closed it.
    """

    def __init__(self, stream: httpcore2.AsyncNetworkStream) -> None:
        self._stream = stream
        self._socket: socket.socket = stream.get_extra_info("socket")
        self._poll = select.poll()
        self._poll.register(self._socket.fileno(), select.POLLIN)

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return await self._stream.read(max_bytes, timeout)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.AsyncNetworkStream:
        return _PolledStream(await self._stream.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        if info != "is_readable":
            return self._stream.get_extra_info(info)
        return self._socket.fileno() < 0 or bool(self._poll.poll(0))
