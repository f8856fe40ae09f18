"""Completes and checks the OAuth client that is registered for an integration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from ..credentials.oauth.client import AUTHORIZATION_CODE, CLIENT_CREDENTIALS, OAuthClient
from ..credentials.oauth.discovery import OPENID, is_internal
from ..credentials.security_scheme import SecurityScheme
from ..domain.errors import Invalid, Violation
from ..tools.openapi.json_node import DocumentError
from ..tools.origins import origin_of
from .principal import Principal, Scope

_FLOWS: Final = {AUTHORIZATION_CODE: "authorizationCode", CLIENT_CREDENTIALS: "clientCredentials"}
_URLS: Final = ("issuer", "discovery_url", "authorization_url", "token_url", "refresh_url")


class DescribedService(Struct, frozen=True, kw_only=True):
    """The service a client is for, as its description has it."""

    origin: str  # scheme://host[:port]
    internal: bool  # whether private addresses are allowed
    schemes: Mapping[str, SecurityScheme]  # by name


def complete_client(
    principal: Principal, given: OAuthClient, service: DescribedService, before: OAuthClient | None
) -> OAuthClient:
    """The client to store: as given, completed from the description and from the client `before`.

    FIELD_INVALID: something is missing, or cannot be used. SCOPE_MISSING: an endpoint is internal,
    at another origin than the service, which takes scope `operator`.
    """
    client = _with_endpoints(replace(given, origin=service.origin), service.schemes)
    origins = set(_origins(client))
    internal: set[str] = set()
    if service.internal:
        # An operator allows internal origins, each by itself; what was allowed before stays allowed.
        known = () if before is None else before.internal_origins
        internal = origins if principal.may(Scope.OPERATOR) else origins & set(known)
        internal |= {service.origin}
    client = replace(client, internal_origins=tuple(sorted(internal)))
    plain = [field for field in _URLS if _is_plain(client, getattr(client, field))]
    if plain and service.internal:
        principal.require(Scope.OPERATOR)
    if plain:
        raise Invalid([Violation(f"oauth_client.{field}", "must begin with https://") for field in plain])
    return _with_secret(client, before)


def _with_endpoints(client: OAuthClient, schemes: Mapping[str, SecurityScheme]) -> OAuthClient:
    """The client with what the first fitting flow, or else a discovery URL, says of its endpoints.

    FIELD_INVALID: the description has neither.
    """
    if client.issuer or _is_complete(client):
        return client
    wanted = _FLOWS.get(client.grant, "")
    flows = (scheme.flows[wanted] for scheme in schemes.values() if wanted in scheme.flows)
    documented: Any = next((flow for flow in flows if isinstance(flow, Mapping)), {})
    flow = {name: value for name, value in documented.items() if isinstance(value, str)}
    refresh_url = "" if client.token_url else flow.get("refreshUrl", "")  # of the flow's own server
    client = replace(
        client,
        issuer=flow.get("issuer", ""),  # this and `resource`: of a guarded MCP server (RFC 9728)
        resource=client.resource or flow.get("resource", ""),
        authorization_url=client.authorization_url or flow.get("authorizationUrl", ""),
        token_url=client.token_url or flow.get("tokenUrl", ""),
        refresh_url=client.refresh_url or refresh_url,
    )
    if client.issuer or _is_complete(client):
        return client
    url = next(filter(None, (scheme.discovery_url for scheme in schemes.values())), "")
    if url.endswith(OPENID) and len(url) > len(OPENID):
        return replace(client, issuer=url.removesuffix(OPENID))
    if url:
        return replace(client, discovery_url=url)
    message = "the description does not say; give it, or the issuer"
    missing = [] if client.token_url else [Violation("oauth_client.token_url", message)]
    if client.grant == AUTHORIZATION_CODE and not client.authorization_url:
        missing.append(Violation("oauth_client.authorization_url", message))
    raise Invalid(missing)


def _is_complete(client: OAuthClient) -> bool:
    return bool(client.token_url and (client.authorization_url or client.grant == CLIENT_CREDENTIALS))


def _origins(client: OAuthClient) -> Sequence[str]:
    """The origins of the client's URLs. FIELD_INVALID: one is no http or https URL."""
    origins: list[str] = []
    wrong: list[Violation] = []
    for field in _URLS:
        try:
            if url := getattr(client, field):
                origins.append(origin_of(url, field))
        except DocumentError as error:
            wrong.append(Violation(f"oauth_client.{field}", error.message))
    if wrong:
        raise Invalid(wrong)
    return origins


def _is_plain(client: OAuthClient, url: str) -> bool:
    """Whether this URL would be requested without TLS, outside the internal origins."""
    return url.lower().startswith("http:") and not is_internal(client, url)


def _with_secret(client: OAuthClient, before: OAuthClient | None) -> OAuthClient:
    """The client with the secret that is stored, where none is given. FIELD_INVALID: it needs one."""
    if client.token_auth_method == "none":  # noqa: S105 (a method, not a secret)
        return replace(client, client_secret="")
    if not client.client_secret and before is not None and before.client_id == client.client_id:
        if before.client_secret and before.server != client.server:
            message = "the client moves to another authorization server: send its secret again"
            raise Invalid([Violation("oauth_client.client_secret", message)])
        client = replace(client, client_secret=before.client_secret)
    needs_secret = bool(client.token_auth_method) or client.grant == CLIENT_CREDENTIALS
    if needs_secret and not client.client_secret:
        raise Invalid([Violation("oauth_client.client_secret", "must not be empty")])
    return client


def kinds(schemes: Mapping[str, SecurityScheme]) -> Sequence[str]:
    """The kinds of credentials a description asks for, in a word or two each."""
    return list(dict.fromkeys(f"{scheme.kind} {scheme.scheme}".strip() for scheme in schemes.values()))
