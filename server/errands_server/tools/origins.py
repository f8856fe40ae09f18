"""Base URLs and origins: where requests go, and what approvals and credentials are bound to."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urljoin

import httpx2
from msgspec import Struct

from .openapi.json_node import DocumentError, JsonNode
from .operation import CannotCall

STDIO: Final = "stdio:"  # begins the address of a process; its origin is `stdio:NAME`

_HOST: Final = re.compile(r"[a-z0-9_.-]+|[0-9a-f:.]+")
_VARIABLE: Final = re.compile(r"\{([^{}]*)\}")
_ASK: Final = "give a base URL, such as https://api.example.com/v1"


class Base(Struct, frozen=True):
    """A base URL, in two parts."""

    origin: str  # scheme://host[:port], lower case, no default port; credentials are bound to it
    path: str  # no slash at its end


def document_base(document: JsonNode, *, base_url: str, source_url: str) -> Base:
    """The given base URL, else that of the document's first server. DocumentError: there is none."""
    if base_url:
        return parse_base_url(base_url, "baseUrl")
    server = _first_server(document)
    if server is None:
        return parse_base_url(_resolve("/", source_url, "servers"), "servers")
    return parse_base_url(_resolve(_expand_variables(server), source_url, server.place), server.place)


def operation_base(node: JsonNode, base: Base, *, source_url: str) -> Base:
    """The base URL of one path or operation, which may have servers of its own.

    CannotCall: they have another origin, to which this description's credentials must not be sent.
    """
    server = _first_server(node)
    if server is None:
        return base
    url = _resolve(_expand_variables(server), source_url or base.origin, server.place)
    own = parse_base_url(url, server.place)
    if own.origin != base.origin:
        raise CannotCall(f"it is served by {own.origin}, the description by {base.origin}")
    return own


def parse_base_url(text: str, place: str) -> Base:
    """An http or https URL without user, query and fragment, in its two parts. DocumentError: it is none."""
    url = _parse_url(text, place)
    if url.query or url.fragment:
        raise DocumentError(place, "a base URL has no query and no fragment")
    return Base(_origin(url), url.raw_path.decode("ascii").rstrip("/"))


def origin_of(text: str, place: str) -> str:
    """The origin of an http or https URL: lower case, without a default port. DocumentError: it is none."""
    return _origin(_parse_url(text, place))


def endpoint_of(text: str, place: str) -> str:
    """An http or https URL without fragment, with its origin normalized. DocumentError: it is none."""
    url = _parse_url(text, place)
    if url.fragment:
        raise DocumentError(place, "a URL that is called has no fragment")
    return _origin(url) + url.raw_path.decode("ascii")


def service_origin(base_url: str) -> str:
    """What approvals and credentials are bound to: the origin of a URL, or `stdio:NAME` of a process."""
    return base_url if base_url.startswith(STDIO) else origin_of(base_url, "base_url")


def _parse_url(text: str, place: str) -> httpx2.URL:
    try:
        url = httpx2.URL(text)
    except (httpx2.InvalidURL, UnicodeError) as error:
        raise DocumentError(place, f"{text[:200]!r} is not a URL: {error}") from None
    if url.scheme not in ("http", "https") or not _HOST.fullmatch(url.raw_host.decode("ascii")):
        raise DocumentError(place, f"{text[:200]!r} is not an http or https URL; {_ASK}")
    if url.port is not None and not 0 < url.port < 65536:
        raise DocumentError(place, f"{url.port} is not a port")
    if url.userinfo:
        raise DocumentError(place, "a URL with a user or password is not accepted")
    return url


def _origin(url: httpx2.URL) -> str:
    return f"{url.scheme}://{url.netloc.decode('ascii')}"


def _first_server(node: JsonNode) -> JsonNode | None:
    """The first server; the first absolute one where the document came from no URL."""
    servers = list(node.at("servers").items())
    if not node.root.url:
        servers.sort(key=lambda server: "://" not in server.text("url"))
    return next(iter(servers), None)


def _expand_variables(server: JsonNode) -> str:
    variables = server.at("variables")

    def default(found: re.Match[str]) -> str:
        variable = variables.at(found[1])
        choice = variable.at("enum").value
        value = variable.text("default") or (choice[0] if isinstance(choice, list) and choice else "")
        if not value or not isinstance(value, str):
            raise server.error(f"variable {found[1]!r} has no default; {_ASK}")
        return value

    return _VARIABLE.sub(default, server.text("url"))


def _resolve(url: str, source_url: str, place: str) -> str:
    try:
        absolute = urljoin(source_url, url)
    except ValueError as error:
        raise DocumentError(place, f"{url[:200]!r} is not a URL ({error}); {_ASK}") from None
    if "://" not in absolute:
        raise DocumentError(place, f"the document does not say where its service is; {_ASK}")
    return absolute
