"""Who looks at a page: programs, people, and what fetches before anybody asked."""

from __future__ import annotations

import re
from typing import Final

from starlette.datastructures import Headers

from .accepting import names
from .caller import is_keyed
from .operation import JSON

# What browsers send with a page that nobody has asked for yet.
_AHEAD: Final = ("sec-purpose", "purpose", "x-purpose", "x-moz")
_AHEAD_VALUE: Final = re.compile(r"prefetch|prerender|preview|instant", re.IGNORECASE)


def is_ahead(headers: Headers) -> bool:
    """Whether a browser fetches before anybody asked."""
    return any(_AHEAD_VALUE.search(headers.get(name, "")) for name in _AHEAD)


def is_program(headers: Headers) -> bool:
    """Whether problems are better told in JSON."""
    return names_json(headers) or is_keyed(headers)


def names_json(headers: Headers) -> bool:
    """Whether JSON is accepted by its name; wildcards do not count, browsers send them."""
    return names(headers, JSON)
