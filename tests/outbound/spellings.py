"""Ways to write addresses and URLs that nobody should get through with, by what is tried."""

# ruff: noqa: RUF001 (look-alike characters are what is tried)

from __future__ import annotations

from typing import Any

import pytest

# Ways to write a host, by what is tried. None may lead anywhere without a grant.
LOOPBACK = {
    "name": ["localhost", "LOCALHOST", "localhost.", "LocalHost."],
    "dotted": ["127.0.0.1", "127.0.0.1.", "127.0.0.2", "127.255.255.254"],
    "short": ["127.1", "127.0.1", "0", "0.0.0.0"],
    "decimal": ["2130706433", "2130706434"],
    "octal": ["0177.0.0.1", "017700000001", "0177.1", "00000177.00000000.00000000.00000001"],
    "hex": ["0x7f.0.0.1", "0x7f000001", "0x7F.1", "0x7f.0x0.0x0.0x1"],
    "ipv6": ["[::1]", "[0:0:0:0:0:0:0:1]", "[0000::0001]", "[::]"],
    "mapped": ["[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:ffff:127.0.0.1]"],
    "compatible": ["[::127.0.0.1]", "[::7f00:1]"],
    "nat64": ["[64:ff9b::7f00:1]", "[64:ff9b::127.0.0.1]", "[64:ff9b:1::7f00:1]"],
    "6to4": ["[2002:7f00:1::]", "[2002:7f00:1::1]"],
    "teredo": ["[2001:0:7f00:1::1]", "[2001:0:4136:e378:8000:63bf:80ff:fffe]"],
    "unicode": ["①②⑦.⓪.⓪.①", "１２７.０.０.１", "127。0。0。1", "ⓛocalhost"],
}
PRIVATE = {
    "dotted": ["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.0.1", "100.64.0.1"],
    "decimal": ["167772161", "3232235521"],
    "octal": ["012.0.0.1", "0300.0250.0.1"],
    "hex": ["0xa.0.0.1", "0xc0a80001"],
    "ipv6": ["[fc00::1]", "[fd12:3456:789a::1]"],
    "carried": ["[::ffff:10.0.0.1]", "[64:ff9b::a00:1]", "[2002:c0a8:1::1]", "[2002:a00:1::1]"],
}
# These not even an operator's grant opens.
NEVER = {
    "metadata": ["169.254.169.254", "169.254.170.2", "100.100.100.200", "168.63.129.16", "192.0.0.192"],
    "metadata ipv6": ["[fd00:ec2::254]", "[fd20:ce::254]", "[::ffff:169.254.169.254]", "[::ffff:a9fe:a9fe]"],
    "metadata written": [
        "2852039166",
        "0xa9fea9fe",
        "0251.0376.0251.0376",
        "169.254.43518",
        "0xa9.0xfe.0xa9.0xfe",
    ],
    "metadata carried": ["[64:ff9b::a9fe:a9fe]", "[2002:a9fe:a9fe::1]", "[2001:0:a9fe:a9fe::1]"],
    "metadata unicode": ["①⑥⑨.②⑤④.①⑥⑨.②⑤④", "１６９.２５４.１６９.２５４"],
    "link-local": ["169.254.0.1", "[fe80::1]", "[febf::1]", "[fec0::1]"],
    "special": [
        "0.0.0.1",
        "255.255.255.255",
        "224.0.0.1",
        "240.0.0.1",
        "192.0.2.1",
        "198.18.0.1",
        "203.0.113.1",
    ],
    "special ipv6": ["[ff02::1]", "[2001:db8::1]", "[100::1]", "[5f00::1]", "[3fff::1]", "[2001:20::1]"],
}
ODD_URLS = {
    "schemes": ["file:///etc/passwd", "gopher://127.0.0.1:70/_x", "ftp://example.com/a", "ws://example.com/"],
    "more schemes": [
        "wss://example.com/",
        "data:text/plain,a",
        "javascript:1",
        "unix:/x",
        "ldap://example.com/",
    ],
    "users": ["http://user@example.com/", "http://a:b@example.com/", "http://example.com@127.0.0.1/"],
    "ports": [
        "http://example.com:0/",
        "http://example.com:65536/",
        "http://example.com:-1/",
        "http://example.com:x/",
    ],
    "hosts": ["http://", "http:///a", "http://[::1/", "http://exa mple.com/", "http://%31%32%37.0.0.1/"],
    "zones": ["http://[fe80::1%25lo]/", "http://[::1%25lo]/", "http://[fe80::1%lo]/"],
    "controls": [
        "http://example.com\r\nx:1/",
        "http://exam\tple.com/",
        "http://example.com\x00/",
        "//example.com/",
    ],
    "backslashes": ["http:\\\\127.0.0.1\\", "http://example.com\\@127.0.0.1/"],
}


def spelled(table: dict[str, list[str]]) -> list[Any]:
    """One parameter for each."""
    return [pytest.param(host, id=f"{way}-{host}") for way, hosts in table.items() for host in hosts]
