"""OAuth clients that operators registered at authorization servers, as integrations store them."""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from ...store.encryption import Sealer

AUTHORIZATION_CODE: Final = "authorization_code"
CLIENT_CREDENTIALS: Final = "client_credentials"


class OAuthClient(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A client (RFC 6749 §2), with the endpoints that were known when it was registered.

    They stay as they are when the service's description changes, so that the secret is sent only
    to servers that the operator knew. Empty fields are not known or not used.
    """

    client_id: str
    client_secret: str = ""
    issuer: str = ""
    discovery_url: str = ""  # of the metadata, where the description gives that instead of an issuer
    authorization_url: str = ""
    token_url: str = ""
    refresh_url: str = ""  # where it is not the token URL (OAS 3.1 §4.8.29)
    scopes: tuple[str, ...] = ()
    token_auth_method: str = ""
    resource: str = ""
    grant: str = AUTHORIZATION_CODE
    origin: str = ""  # of the service it is for
    internal_origins: tuple[str, ...] = ()  # origins of endpoints that may be inside the network

    @property
    def auth_method(self) -> str:
        """How it authenticates at the token endpoint (RFC 7591 §2)."""
        return self.token_auth_method or ("client_secret_basic" if self.client_secret else "none")

    @property
    def server(self) -> tuple[str, ...]:
        """The fields that decide where its secret is sent."""
        refresh = (self.refresh_url,) if self.refresh_url else ()
        return self.issuer, self.discovery_url, self.token_url, *refresh

    def __repr__(self) -> str:
        return f"OAuthClient({self.client_id!r})"


def pack(sealer: Sealer, client: OAuthClient, integration_id: str) -> tuple[str, bytes | None]:
    """The client as JSON text without its secret, and the secret sealed; None where it has none."""
    public = msgspec.json.encode(replace(client, client_secret="")).decode()
    if not client.client_secret:
        return public, None
    return public, sealer.seal(client.client_secret.encode(), _place(integration_id, client))


def unpack(sealer: Sealer, public: str, secret: bytes | None, integration_id: str) -> OAuthClient | None:
    """What `pack` gave for this integration; None for an empty text. Unsealable: other keys, or changed."""
    client = parse_public(public)
    if client is None or secret is None:
        return client
    return replace(client, client_secret=sealer.open(secret, _place(integration_id, client)).decode())


def parse_public(public: str) -> OAuthClient | None:
    """The client in JSON text, without its secret; None for an empty text."""
    return msgspec.json.decode(public, type=OAuthClient) if public else None


def _place(integration_id: str, client: OAuthClient) -> str:
    # Bound to where it is sent: after a change of the row it cannot be opened and sent elsewhere.
    return f"integration/{integration_id}/oauth_client/{client.client_id}/{'/'.join(client.server)}"
