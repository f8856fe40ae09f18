"""What a caller passes through to an integration for one run: headers, query, and AWS or Okta credentials."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, TypeAlias

import msgspec
from msgspec import Struct

from ...store.encryption import Sealer

SHORTEST: Final = 8  # characters; a shorter header or parameter is no secret
# Headers that hold no secret.
PLAIN: Final = frozenset({"accept", "accept-language", "if-match", "if-none-match", "prefer", "user-agent"})


class AwsKeys(Struct, frozen=True, kw_only=True, rename="camel", tag="aws"):
    """AWS temporary credentials."""

    access_key_id: str
    secret_access_key: str
    session_token: str

    def __repr__(self) -> str:
        return "AwsKeys(...)"


class AwsRole(Struct, frozen=True, kw_only=True, rename="camel", tag="aws-role"):
    """An AWS role to assume, with the external id that its trust policy asks for."""

    role_arn: str
    external_id: str

    def __repr__(self) -> str:
        return "AwsRole(...)"


class OktaApp(Struct, frozen=True, kw_only=True, rename="camel", tag="okta"):
    """An Okta service app, which authenticates with a signed assertion (RFC 7523)."""

    client_id: str
    kid: str
    private_key: str  # PEM
    oauth_token_url: str
    scope: str
    host: str = ""

    def __repr__(self) -> str:
        return "OktaApp(...)"


Values: TypeAlias = AwsKeys | AwsRole | OktaApp


class PassThrough(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one integration is given in one run."""

    integration_id: str
    headers: Mapping[str, str] = {}  # names in lower case
    query: Mapping[str, str] = {}
    values: Values | None = None

    def __repr__(self) -> str:
        return "PassThrough(...)"

    @property
    def plain(self) -> frozenset[str]:
        """Names of headers and query parameters whose values are no secrets."""
        values = (*self.headers.items(), *self.query.items())
        return frozenset(name for name, value in values if name in PLAIN or len(value) < SHORTEST)

    def secrets(self) -> Iterator[str]:
        """The secrets in `values`."""
        match self.values:
            case AwsKeys() as keys:
                yield from (keys.access_key_id, keys.secret_access_key, keys.session_token)
            case AwsRole(external_id=external_id):
                yield external_id
            case OktaApp(private_key=private_key):
                # Each line, because a service may join them in another way.
                yield from (line for line in private_key.splitlines() if not line.startswith("-----"))


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(tuple[PassThrough, ...]).decode


def seal(sealer: Sealer, entries: tuple[PassThrough, ...], tenant: str, run_id: str) -> bytes:
    """Seal what came with a run. Only `unseal` for the same run of the same tenant returns it."""
    return sealer.seal(_encode(entries), _place(tenant, run_id))


def unseal(sealer: Sealer, sealed: bytes, tenant: str, run_id: str) -> tuple[PassThrough, ...]:
    """What was sealed for this run. Unsealable: the server's keys do not open it."""
    return _decode(sealer.open(sealed, _place(tenant, run_id)))


def _place(tenant: str, run_id: str) -> str:
    return f"run/{tenant}/{run_id}/secrets"
