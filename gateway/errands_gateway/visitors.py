"""Who looks at a page: programs, people, and what fetches before anybody asked."""

from __future__ import annotations

import re
from typing import Final

from starlette.datastructures import Headers

from .caller import is_keyed
from .operation import JSON

# What browsers send with a page that nobody has asked for yet.
_AHEAD: Final = ("sec-purpose", "purpose", "x-purpose", "x-moz")
_AHEAD_VALUE: Final = re.compile(r"prefetch|prerender|preview|instant", re.IGNORECASE)
# A weight of RFC 9110 that is not nothing.
_WEIGHT: Final = re.compile(r"(?=.*[1-9])[01](\.[0-9]{0,3})?")


def is_ahead(headers: Headers) -> bool:
    """Whether a browser fetches before anybody asked."""
    return any(_AHEAD_VALUE.search(headers.get(name, "")) for name in _AHEAD)


def is_program(headers: Headers) -> bool:
    """Whether problems are better told in JSON."""
    return names_json(headers) or is_keyed(headers)


def names_json(headers: Headers) -> bool:
    """Whether JSON is accepted by its name; wildcards do not count, browsers send them."""
    ranges = ",".join(headers.getlist("accept")).split(",")
    return any(_is_json(media_range) for media_range in ranges)


def _is_json(media_range: str) -> bool:
    media_type, *parameters = (part.strip().lower() for part in media_range.split(";"))
    weights = [part.removeprefix("q=") for part in parameters if part.startswith("q=")]
    return media_type == JSON and all(_WEIGHT.fullmatch(weight) for weight in weights)
