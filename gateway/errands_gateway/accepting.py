"""What a request accepts by name (RFC 9110, 12.5.1); wildcards do not count, browsers send them."""

from __future__ import annotations

import re
from typing import Final

from starlette.datastructures import Headers

# A weight that is not nothing.
_WEIGHT: Final = re.compile(r"(?=.*[1-9])[01](\.[0-9]{0,3})?")


def names(headers: Headers, media_type: str) -> bool:
    """Whether `media_type` is accepted by its name."""
    ranges = ",".join(headers.getlist("accept")).split(",")
    return any(_is(media_range, media_type) for media_range in ranges)


def _is(media_range: str, media_type: str) -> bool:
    name, *parameters = (part.strip().lower() for part in media_range.split(";"))
    weights = [part.removeprefix("q=") for part in parameters if part.startswith("q=")]
    return name == media_type and all(_WEIGHT.fullmatch(weight) for weight in weights)
