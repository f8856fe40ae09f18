"""A credential: what is added to one request to authenticate it."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import Struct

from ..store.encryption import Sealer
from .aws.sigv4 import AwsSigner


class Credential(Struct, frozen=True, kw_only=True):
    """Additions to one request. They are secrets: added when the request is sent, and in no log."""

    headers: Mapping[str, str] = {}
    query: Mapping[str, str] = {}
    cookies: Mapping[str, str] = {}
    signer: AwsSigner | None = None  # signs the request with everything else in it
    plain: frozenset[str] = frozenset()  # header and query names whose values are no secrets
    known: frozenset[str] = frozenset()  # secrets that are not sent but must not come back either

    @property
    def sent(self) -> tuple[Mapping[str, str], Mapping[str, str], Mapping[str, str]]:
        """Headers, query and cookies: what a request carries of it besides a signature."""
        return self.headers, self.query, self.cookies

    def __repr__(self) -> str:
        return "Credential(...)"


def seal(sealer: Sealer, credential: Credential, integration_id: str) -> bytes:
    """Seal a credential. Only `unseal` for the same integration returns it."""
    return sealer.seal(msgspec.json.encode(credential), _place(integration_id))


def unseal(sealer: Sealer, sealed: bytes, integration_id: str) -> Credential:
    """What was sealed for this integration. Unsealable: the server's keys do not open it."""
    return msgspec.json.decode(sealer.open(sealed, _place(integration_id)), type=Credential)


def _place(integration_id: str) -> str:
    return f"integration/{integration_id}/credential"
