"""What an operation requires of a credential, and how a credential is made of a secret for it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from msgspec import Struct, structs

from ..ports import CredentialSource
from .credential import Credential
from .grants import ApiKey, ApiKeys, Basic, Bearer, Secret, Tokens, api_key, basic, bearer, merge
from .oauth.client import OAuthClient
from .security_scheme import OPEN, SecurityScheme
from .vault import StoredConnection


class CredentialRequirement(Struct, frozen=True, kw_only=True):
    """What one operation requires, as its service's description says."""

    origin: str  # where the request is sent
    internal: bool = False  # the integration may be inside the network
    secured: bool = False  # the service refuses requests without a credential
    security: tuple[tuple[str, ...], ...] = ()  # alternatives; each names the schemes it needs together
    scopes: tuple[tuple[str, ...], ...] = ()  # to be granted, for each of these alternatives
    schemes: Mapping[str, SecurityScheme] = {}  # of the description, by name
    shared: Credential | None = None  # the integration's, where it was given for this origin
    client: OAuthClient | None = None  # renews users' tokens, or obtains one for all of them


class ResolvedCredential(Struct, frozen=True, kw_only=True):
    """The credential of one call, and whose it is."""

    credential: Credential
    source: CredentialSource
    stored: StoredConnection | None = None  # the user's connection that it was made of


_GRANTED = ("oauth2", "openIdConnect")


def scopes_to_grant(requirement: CredentialRequirement, granted: Collection[str] = ()) -> tuple[str, ...]:
    """The scopes that the user must grant besides `granted`, for the alternative that takes fewest."""
    missing = [tuple(scope for scope in scopes if scope not in granted) for scopes in _by_oauth(requirement)]
    return min(missing, key=len, default=())


def _by_oauth(requirement: CredentialRequirement) -> Iterator[tuple[str, ...]]:
    """The scopes of each alternative that requires a token."""
    for names, scopes in zip(requirement.security, requirement.scopes, strict=False):
        if any(name in requirement.schemes and requirement.schemes[name].kind in _GRANTED for name in names):
            yield scopes


def asks_for_credential(requirement: CredentialRequirement, challenge: str) -> bool:
    """Whether a 401 to a call without a credential asks for one that the description has.

    It does not where the operation is explicitly open and there is no `challenge` (RFC 9110 §11.6.1):
    so a login refuses a wrong password.
    """
    known = bool(requirement.schemes) or requirement.client is not None
    return known and (bool(challenge) or requirement.security != OPEN)


def to_credential(secret: Secret, requirement: CredentialRequirement) -> Credential | None:
    """What a secret adds to a request. None: the description does not say where the API key is sent."""
    match secret:
        case Bearer(token=token) | Tokens(access_token=token):
            return bearer(token)
        case Basic(username=username, password=password):
            return basic(username, password)
        case ApiKey(value=value, location=location, name=name) if name:
            return api_key(location, name, value)
        case ApiKeys(values=values):
            return _merge_keys(values, requirement)
        case ApiKey(value=value):
            scheme = find_key_scheme(requirement)
            return None if scheme is None else api_key(scheme.location, scheme.name, value)


def _merge_keys(values: Mapping[str, str], requirement: CredentialRequirement) -> Credential | None:
    """Of these keys, by scheme, those that the operation requires; all where it names no such ones."""
    fitting = [names for names in requirement.security if names and values.keys() >= set(names)]
    required = min(fitting, key=len, default=tuple(values))
    schemes = {name: requirement.schemes[name] for name in required if name in requirement.schemes}
    placed = [
        api_key(scheme.location, scheme.name, values[name])
        for name, scheme in schemes.items()
        if scheme.kind == "apiKey"
    ]
    # A key that is not sent must not come back either: the service may know it from another call.
    return structs.replace(merge(placed), known=frozenset(values.values())) if placed else None


def find_key_scheme(requirement: CredentialRequirement) -> SecurityScheme | None:
    """The scheme of an API key: first where the operation needs it alone, last of the whole service."""
    named = [name for names in sorted(requirement.security, key=len) for name in names]
    required = [requirement.schemes[name] for name in named if name in requirement.schemes]
    schemes = (*required, *requirement.schemes.values())
    return next((scheme for scheme in schemes if scheme.kind == "apiKey"), None)
