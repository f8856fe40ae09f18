"""What a call asks of a credential, and what it is given."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from msgspec import Struct, structs

from ..ports import CredentialSource
from .credential import Credential
from .grants import ApiKey, ApiKeys, Basic, Bearer, Secret, Tokens, api_key, basic, bearer, together
from .oauth.client import OAuthClient
from .security_scheme import OPEN, SecurityScheme
from .vault import StoredConnection


class CredentialRequirement(Struct, frozen=True, kw_only=True):
    """What one operation asks for: where it goes, and what its service says that it needs."""

    origin: str
    internal: bool = False
    secured: bool = False  # the service refuses who sends nothing
    security: tuple[tuple[str, ...], ...] = ()  # alternatives; each names the schemes it needs together
    scopes: tuple[tuple[str, ...], ...] = ()  # what must be granted for each of these alternatives
    schemes: Mapping[str, SecurityScheme] = {}
    shared: Credential | None = None  # the integration's, where it was given for this origin
    client: OAuthClient | None = None  # renews users' tokens, or obtains one for all of them


class ResolvedCredential(Struct, frozen=True, kw_only=True):
    """What authenticates one call, and whose it is."""

    credential: Credential
    source: CredentialSource
    held: StoredConnection | None = None  # the user's connection it was made from


_GRANTED = ("oauth2", "openIdConnect")


def wanted_scopes(demand: CredentialRequirement, granted: Collection[str] = ()) -> tuple[str, ...]:
    """What the user must grant: of the alternatives the one with the least besides `granted`."""
    missing = [tuple(scope for scope in scopes if scope not in granted) for scopes in _by_oauth(demand)]
    return min(missing, key=len, default=())


def _by_oauth(demand: CredentialRequirement) -> Iterator[tuple[str, ...]]:
    """The scopes of each alternative that asks for tokens."""
    for names, scopes in zip(demand.security, demand.scopes, strict=False):
        if any(name in demand.schemes and demand.schemes[name].kind in _GRANTED for name in names):
            yield scopes


def wants_credential(demand: CredentialRequirement, challenge: str) -> bool:
    """Whether a 401 to a call without a credential asks for one that the description knows of.

    It does not where the operation is expressly open and no `challenge` came (RFC 9110 §11.6.1):
    a login refuses a wrong password like that.
    """
    known = bool(demand.schemes) or demand.client is not None
    return known and (bool(challenge) or demand.security != OPEN)


def credential_of(secret: Secret, demand: CredentialRequirement) -> Credential | None:
    """What goes with a request. None: the description does not say where the key belongs."""
    match secret:
        case Bearer(token=token) | Tokens(access_token=token):
            return bearer(token)
        case Basic(username=username, password=password):
            return basic(username, password)
        case ApiKey(value=value, location=location, name=name) if name:
            return api_key(location, name, value)
        case ApiKeys(values=values):
            return _together(values, demand)
        case ApiKey(value=value):
            scheme = key_scheme(demand)
            return None if scheme is None else api_key(scheme.location, scheme.name, value)


def _together(values: Mapping[str, str], demand: CredentialRequirement) -> Credential | None:
    """Of keys that are given by their schemes those the operation asks for; else all."""
    fitting = [names for names in demand.security if names and values.keys() >= set(names)]
    asked = min(fitting, key=len, default=tuple(values))
    schemes = {name: demand.schemes[name] for name in asked if name in demand.schemes}
    placed = [
        api_key(scheme.location, scheme.name, values[name])
        for name, scheme in schemes.items()
        if scheme.kind == "apiKey"
    ]
    # Also what is not sent must not come back: the service may know it from another call.
    return structs.replace(together(placed), known=frozenset(values.values())) if placed else None


def key_scheme(demand: CredentialRequirement) -> SecurityScheme | None:
    """The API key that the operation asks for, alone where that is enough, or else the service."""
    named = [name for names in sorted(demand.security, key=len) for name in names]
    asked = [demand.schemes[name] for name in named if name in demand.schemes]
    schemes = (*asked, *demand.schemes.values())
    return next((scheme for scheme in schemes if scheme.kind == "apiKey"), None)
