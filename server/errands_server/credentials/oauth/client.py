"""Clients registered at authorization servers, as integrations keep them."""

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

    They stay as they are when the service's description changes, so that its secret is sent
    nowhere but where whoever registered it meant it to go.
    """

    client_id: str
    client_secret: str = ""
    issuer: str = ""
    discovery_url: str = ""  # of its metadata, where the description names that instead of an issuer
    authorization_url: str = ""
    token_url: str = ""
    refresh_url: str = ""  # where tokens are renewed, if not where they are obtained (OAS 3.1 §4.8.29)
    scopes: tuple[str, ...] = ()
    token_auth_method: str = ""
    resource: str = ""
    grant: str = AUTHORIZATION_CODE
    origin: str = ""  # of the service it is for
    internal_origins: tuple[str, ...] = ()  # of its endpoints, as far as they may lie inside

    @property
    def auth_method(self) -> str:
        return self.token_auth_method or ("client_secret_basic" if self.client_secret else "none")

    @property
    def server(self) -> tuple[str, ...]:
        """What says where its secret goes."""
        renewed = (self.refresh_url,) if self.refresh_url else ()
        return self.issuer, self.discovery_url, self.token_url, *renewed

    def __repr__(self) -> str:
        return f"OAuthClient({self.client_id!r})"


def packed(sealer: Sealer, client: OAuthClient, integration_id: str) -> tuple[str, bytes | None]:
    """The client as JSON text without its secret, and the secret, sealed; None where it has none."""
    public = msgspec.json.encode(replace(client, client_secret="")).decode()
    if not client.client_secret:
        return public, None
    return public, sealer.seal(client.client_secret.encode(), _place(integration_id, client))


def unpacked(sealer: Sealer, public: str, secret: bytes | None, integration_id: str) -> OAuthClient | None:
    """What was packed for this integration; None where nothing was. Unsealable."""
    client = described(public)
    if client is None or secret is None:
        return client
    opened = sealer.open(secret, _place(integration_id, client)).decode()
    return replace(client, client_secret=opened)


def described(public: str) -> OAuthClient | None:
    """The client without its secret."""
    return msgspec.json.decode(public, type=OAuthClient) if public else None


def _place(integration_id: str, client: OAuthClient) -> str:
    # Bound to where it goes: a row that was tampered with cannot send it elsewhere.
    return f"integration/{integration_id}/oauth_client/{client.client_id}/{'/'.join(client.server)}"
