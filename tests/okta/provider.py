"""A certified OpenID provider in a process of its own that knows one service app by its public key."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import httpx2
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc.jwk import RSAKey

from tests.counterparts import node, node_modules

PACKAGE = "oidc-provider@9.13.3"
SCOPE = "okta.users.read"


@cache
def private_key(which: str = "registered") -> str:
    """A private key in PEM, one for each name."""
    made = rsa.generate_private_key(public_exponent=65537, key_size=2_048)
    return made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


class Provider:
    """The provider, as tests look at it."""

    def __init__(self, issuer: str) -> None:
        self.issuer = issuer
        self.values = {
            "clientId": "app",
            "kid": "key-1",
            "privateKey": private_key(),
            "oauthTokenUrl": f"{issuer}/token",
            "scope": SCOPE,
        }

    def counts(self) -> dict[str, int]:
        """How many tokens it gave, and how often it refused to."""
        found: dict[str, int] = httpx2.get(f"{self.issuer}/_/counts").json()
        return found

    def forget(self) -> None:
        """Take away every token it gave."""
        httpx2.get(f"{self.issuer}/_/forget").raise_for_status()

    def document(self) -> str:
        """The API beside it, described."""
        return json.dumps(
            {
                "openapi": "3.1.0",
                "info": {"title": "Users", "version": "1"},
                "servers": [{"url": self.issuer}],
                "security": [{"oauth": [SCOPE]}],
                "components": {"securitySchemes": {"oauth": {"type": "http", "scheme": "bearer"}}},
                "paths": {
                    "/api/v1/users": {
                        "get": {
                            "operationId": "listUsers",
                            "summary": "List users",
                            "responses": {"200": {"description": "The users."}},
                        }
                    }
                },
            }
        )


@contextmanager
def provider(*, ttl: int = 3_600) -> Iterator[Provider]:
    """A provider whose tokens last so many seconds."""
    modules = node_modules(PACKAGE)
    jwk = {**RSAKey.import_key(private_key()).as_dict(private=False), "kid": "key-1", "alg": "RS256"}
    settings = json.dumps({"jwk": jwk, "ttl": ttl})
    with node(Path(__file__).with_suffix(".mjs"), str(modules), settings) as issuer:
        yield Provider(issuer)
