"""Security schemes: how a service's description says that requests are authenticated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct


class SecurityScheme(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One security scheme (OAS 3.1 §4.8.27)."""

    kind: str  # apiKey, http, oauth2, openIdConnect, mutualTLS
    scheme: str = ""  # http: bearer, basic, ...
    location: str = ""  # apiKey: query, header, cookie
    name: str = ""  # apiKey: name of that parameter
    flows: Mapping[str, Any] = {}  # oauth2: as documented
    discovery_url: str = ""  # openIdConnect
    aws_service: str = ""  # what requests are signed for (x-errands-aws), where the host does not name it
    aws_region: str = ""


OPEN: Final = ((),)
"""The `security` of an operation that explicitly needs no credential."""

read_schemes = msgspec.json.Decoder(dict[str, SecurityScheme]).decode
"""The schemes of a revision, from JSON text."""
