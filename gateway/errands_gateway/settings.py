"""Settings of a gateway."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

MAX_STREAMS: Final = 10_000


class Settings(Struct, frozen=True, kw_only=True):
    """What an operator may set. Times are in seconds."""

    http: str = "127.0.0.1:8080"  # HOST:PORT to listen on
    public_url: str = ""  # how callers reach `http`; empty: as in each request
    limit: float = 60.0  # what a request may take
    heartbeat: float = 15.0  # silence on a stream before a comment keeps it alive
    recheck: float = 60.0  # how long a stream goes on before its credential is checked again
    patience: float = 60.0  # how long streams wait for a server that went away
    stall: float = 60.0  # how long a stream's reader may read nothing
    max_streams: int = MAX_STREAMS  # open streams of one tenant
    cors: tuple[str, ...] = ()  # origins whose pages may call; `*` allows any
    trusted_proxies: tuple[str, ...] = ()  # addresses whose X-Forwarded-* headers count
