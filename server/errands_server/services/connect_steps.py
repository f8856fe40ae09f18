"""What the steps of a connect flow are given and give."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct


class Outcome(StrEnum):
    """How a flow ended."""

    CONNECTED = "connected"
    REFUSED = "refused"
    UNCONFIRMED = "unconfirmed"


class Asked(Struct, frozen=True, kw_only=True):
    """What a link asks for, as its page shows it."""

    integration_name: str
    base_url: str
    user_id: str
    scopes: tuple[str, ...]
    scope_texts: Mapping[str, str]  # of those the service describes
    expires_at: int
    type: str
    keys: Mapping[str, str] = {}  # of type `apiKeys`: the names in which they are sent, by scheme
    page_url: str = ""  # of type `page`: where the service wants the user to do something


class Ended(Struct, frozen=True, kw_only=True):
    """What became of a flow, and where the browser goes next; empty for nowhere."""

    outcome: Outcome
    integration_name: str
    user_id: str
    return_url: str = ""


class Answer(Struct, frozen=True, kw_only=True):
    """What a browser brought back from an authorization server."""

    code: str = ""
    error: str = ""
    issuer: str = ""
