"""How users can connect an integration: at its authorization server, or by typing in a credential."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from msgspec import Struct

from ..credentials.grants import ApiKeys, Secret, kind_of
from ..credentials.oauth.client import AUTHORIZATION_CODE, OAuthClient
from ..credentials.requirements import CredentialRequirement, scopes_to_grant
from ..credentials.security_scheme import SecurityScheme
from ..domain.errors import Conflict, Invalid, NotFound, Reason, Violation
from ..tools.catalog import ActiveIntegration, LoadedRevision, ToolCatalog

_CODE: Final = "authorizationCode"
_TYPED: Final = {
    ("apiKey", ""): "apiKey",
    ("http", "bearer"): "bearer",
    ("http", "basic"): "basic",
}
_MOST_KEYS: Final = 10


class ConnectMethod(Struct, frozen=True, kw_only=True):
    """One integration, and how its users connect."""

    name: str  # of the integration
    base_url: str
    origin: str  # scheme://host[:port]
    type: str  # oauth2, apiKey, apiKeys, bearer or basic
    client: OAuthClient | None  # of type `oauth2`
    scopes: tuple[str, ...]  # that its operations need
    scope_texts: Mapping[str, str]  # what its description says of scopes
    keys: Mapping[str, str] = {}  # of type `apiKeys`: the names in which they are sent, by scheme


class ConnectMethods:
    """Finds how users connect every tenant's integrations."""

    def __init__(self, catalog: ToolCatalog) -> None:
        self._catalog = catalog

    async def current(self, tenant: str, integration_id: str) -> ActiveIntegration:
        """An active integration. INTEGRATION_NOT_FOUND."""
        current = (await self._catalog.active(tenant)).get(integration_id)
        if current is None:
            message = f"there is no active integration {integration_id}"
            raise NotFound(Reason.INTEGRATION_NOT_FOUND, message, subject=integration_id)
        return current

    async def name(self, tenant: str, integration_id: str) -> str:
        """The integration's name. INTEGRATION_NOT_FOUND."""
        return (await self.current(tenant, integration_id)).integration.name

    async def key_schemes(self, tenant: str, integration_id: str) -> Sequence[str]:
        """The schemes by which the integration's description places API keys. INTEGRATION_NOT_FOUND."""
        current = await self.current(tenant, integration_id)
        loaded = await self._catalog.load(tenant, integration_id, current.integration.revision)
        return [name for name, scheme in loaded.schemes.items() if scheme.kind == "apiKey"]

    async def for_integration(self, tenant: str, integration_id: str) -> ConnectMethod:
        """How users connect it. INTEGRATION_NOT_FOUND, CANNOT_CONNECT."""
        current = await self.current(tenant, integration_id)
        loaded = await self._catalog.load(tenant, integration_id, current.integration.revision)
        client = current.client
        if client is not None and client.grant != AUTHORIZATION_CODE:
            client = None
        keys = {} if client is not None else _keys(loaded)
        if client is not None:
            type_ = "oauth2"
        else:
            type_ = "apiKeys" if keys else _typed(integration_id, loaded.schemes)
        return ConnectMethod(
            name=current.integration.name,
            base_url=current.integration.base_url,
            origin=current.origin,
            type=type_,
            client=client,
            scopes=() if client is None else tuple(dict.fromkeys(_scopes(loaded))),
            scope_texts=dict(_scope_texts(loaded.schemes.values())),
            keys=keys,
        )


def _keys(loaded: LoadedRevision) -> dict[str, str]:
    """The API keys that open every operation; none unless some operation needs two or more together."""
    wanted: dict[str, str] = {}
    several = False
    for operation in loaded.operations.values():
        alternatives = [names for names in operation.security if _are_keys(names, loaded.schemes)]
        if not alternatives or any(wanted.keys() >= set(names) for names in alternatives):
            continue
        several |= all(len(names) > 1 for names in operation.security)
        wanted |= {name: loaded.schemes[name].name for name in min(alternatives, key=len)}
    return wanted if several and len(wanted) <= _MOST_KEYS else {}


def _are_keys(names: Collection[str], schemes: Mapping[str, SecurityScheme]) -> bool:
    return bool(names) and all(name in schemes and schemes[name].kind == "apiKey" for name in names)


def check_typed(method: ConnectMethod, secret: Secret | None) -> None:
    """Check what was typed in at a link against what the method takes. FIELD_INVALID."""
    typed = None if secret is None else kind_of(secret)
    if typed != (None if method.type == "oauth2" else method.type):
        wanted = "leads on to the service" if method.type == "oauth2" else f"asks for {method.type}"
        raise Invalid([Violation("credential", f"the link {wanted}")])
    if isinstance(secret, ApiKeys) and secret.values.keys() != method.keys.keys():
        raise Invalid([Violation("api_keys.keys", f"must be of {', '.join(method.keys)}, one of each")])


def _typed(integration_id: str, schemes: Mapping[str, SecurityScheme]) -> str:
    """What users type in: what the first scheme takes that can be typed. CANNOT_CONNECT: there is none."""
    for scheme in schemes.values():
        if (found := _TYPED.get((scheme.kind, scheme.scheme))) is not None:
            return found
    asks = any(scheme.kind in ("oauth2", "openIdConnect") for scheme in schemes.values())
    why = "no OAuth client is registered for it" if asks else "it asks for no credential that is known here"
    raise Conflict(Reason.CANNOT_CONNECT, f"users cannot connect: {why}", subject=integration_id)


def _scopes(loaded: LoadedRevision) -> Iterable[str]:
    for operation in loaded.operations.values():
        requirement = CredentialRequirement(
            origin=operation.tool.origin,
            security=operation.security,
            scopes=operation.scopes,
            schemes=loaded.schemes,
        )
        yield from scopes_to_grant(requirement)
    if not loaded.operations:  # a server that lists its tools only with authorization
        for scheme in loaded.schemes.values():
            yield from scheme.flows.get(_CODE, {}).get("scopes", ())


def _scope_texts(schemes: Iterable[SecurityScheme]) -> Iterable[tuple[str, str]]:
    for scheme in schemes:
        for flow in scheme.flows.values():
            described = flow.get("scopes") if isinstance(flow, dict) else None
            if isinstance(described, dict):
                yield from (
                    (name, text) for name, text in described.items() if text and isinstance(text, str)
                )
