"""What a call asks of a credential, and what it is given."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct

from .client import OAuthClient
from .credential import Credential
from .scheme import SecurityScheme
from .vault import Held


class Source(StrEnum):
    """Whose a credential is, surest first."""

    RUN = "run"  # came with the run
    USER = "user"  # the user's own connection
    SHARED = "shared"  # one account for every user
    NONE = "none"  # nothing is sent


class Demand(Struct, frozen=True, kw_only=True):
    """What one operation asks for: where it goes, and what its service says that it needs."""

    origin: str
    internal: bool = False
    secured: bool = False  # the service refuses who sends nothing
    security: tuple[tuple[str, ...], ...] = ()  # alternatives; each names the schemes it needs together
    scopes: tuple[tuple[str, ...], ...] = ()  # what must be granted for each of these alternatives
    schemes: Mapping[str, SecurityScheme] = {}
    shared: Credential | None = None  # the integration's, where it was given for this origin
    client: OAuthClient | None = None  # renews users' tokens, or obtains one for all of them


class Access(Struct, frozen=True, kw_only=True):
    """What authenticates one call, and whose it is."""

    credential: Credential
    source: Source
    held: Held | None = None  # the user's connection it was made from
