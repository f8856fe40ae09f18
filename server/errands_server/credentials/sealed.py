"""Credentials as they are stored: sealed, and bound to the integration they belong to."""

from __future__ import annotations

import msgspec

from ..store.encryption import Sealer
from .credential import Credential


def seal(sealer: Sealer, credential: Credential, integration_id: str) -> bytes:
    """The credential, sealed. Only `unseal` with the same integration gives it back."""
    return sealer.seal(msgspec.json.encode(credential), _place(integration_id))


def unseal(sealer: Sealer, sealed: bytes, integration_id: str) -> Credential:
    """What was sealed for this integration. Unsealable: the server's keys do not open it."""
    return msgspec.json.decode(sealer.open(sealed, _place(integration_id)), type=Credential)


def _place(integration_id: str) -> str:
    return f"integration/{integration_id}/credential"
