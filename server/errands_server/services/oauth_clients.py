"""Takes OAuth clients for integrations: where their endpoints are, and what may lie inside."""

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

    origin: str
    internal: bool
    schemes: Mapping[str, SecurityScheme]


def complete_client(
    principal: Principal, said: OAuthClient, service: DescribedService, before: OAuthClient | None
) -> OAuthClient:
    """The client as it is kept, with everything the description says in its place.

    Invalid: something is missing, or cannot be used. SCOPE_MISSING: an endpoint lies inside, at
    another origin than the service, which takes scope `operator`.
    """
    client = _with_endpoints(replace(said, origin=service.origin), service.schemes)
    _check_known(client)
    origins = _origins(client)
    client = replace(client, internal_origins=_inside(principal, origins, service, before))
    _check_reachable(principal, client, service)
    return _with_secret(client, before)


def _with_endpoints(client: OAuthClient, schemes: Mapping[str, SecurityScheme]) -> OAuthClient:
    if client.issuer or _is_complete(client):
        return client
    flow = _flow(client, schemes)
    refresh_url = "" if client.token_url else flow.get("refreshUrl", "")  # of the flow's own server
    client = replace(
        client,
        issuer=flow.get("issuer", ""),  # these two of a guarded MCP server (RFC 9728)
        resource=client.resource or flow.get("resource", ""),
        authorization_url=client.authorization_url or flow.get("authorizationUrl", ""),
        token_url=client.token_url or flow.get("tokenUrl", ""),
        refresh_url=client.refresh_url or refresh_url,
    )
    known = client.issuer or _is_complete(client)
    return client if known else _with_issuer(client, schemes)


def _is_complete(client: OAuthClient) -> bool:
    return bool(client.token_url and (client.authorization_url or client.grant == CLIENT_CREDENTIALS))


def _flow(client: OAuthClient, schemes: Mapping[str, SecurityScheme]) -> Mapping[str, str]:
    """The URLs of the first flow that fits, as documented."""
    wanted = _FLOWS.get(client.grant, "")
    flows = (scheme.flows[wanted] for scheme in schemes.values() if wanted in scheme.flows)
    found: Any = next((flow for flow in flows if isinstance(flow, Mapping)), {})
    return {name: value for name, value in found.items() if isinstance(value, str)}


def _with_issuer(client: OAuthClient, schemes: Mapping[str, SecurityScheme]) -> OAuthClient:
    urls = (scheme.discovery_url for scheme in schemes.values())
    url = next(filter(None, urls), "")
    if url.endswith(OPENID) and len(url) > len(OPENID):
        return replace(client, issuer=url.removesuffix(OPENID))
    return replace(client, discovery_url=url)


def _check_known(client: OAuthClient) -> None:
    if client.issuer or client.discovery_url:
        return
    message = "the description does not say; give it, or the issuer"
    missing = [] if client.token_url else [Violation("oauth_client.token_url", message)]
    if client.grant == AUTHORIZATION_CODE and not client.authorization_url:
        missing.append(Violation("oauth_client.authorization_url", message))
    if missing:
        raise Invalid(missing)


def _origins(client: OAuthClient) -> dict[str, str]:
    """The origin of each of its URLs, by field. Invalid: one is no http or https URL."""
    origins: dict[str, str] = {}
    wrong: list[Violation] = []
    for field in _URLS:
        url = getattr(client, field)
        try:
            if url:
                origins[field] = origin_of(url, field)
        except DocumentError as error:
            wrong.append(Violation(f"oauth_client.{field}", error.message))
    if wrong:
        raise Invalid(wrong)
    return origins


def _inside(
    principal: Principal, origins: Mapping[str, str], service: DescribedService, before: OAuthClient | None
) -> tuple[str, ...]:
    """The origins that may lie inside: an operator opens them, each by itself."""
    if not service.internal:
        return ()
    opened: set[str] = set() if before is None else set(before.internal_origins)
    if principal.may(Scope.OPERATOR):
        opened = set(origins.values())
    return tuple(sorted({service.origin, *(opened & set(origins.values()))}))


def _check_reachable(principal: Principal, client: OAuthClient, service: DescribedService) -> None:
    plain = [field for field in _URLS if _is_plain(client, field)]
    if plain and service.internal:
        principal.require(Scope.OPERATOR)
    if plain:
        raise Invalid([Violation(f"oauth_client.{field}", "must begin with https://") for field in plain])


def _is_plain(client: OAuthClient, field: str) -> bool:
    """Whether this URL would be asked without TLS, outside."""
    url = getattr(client, field)
    return url.lower().startswith("http:") and not is_internal(client, url)


def _with_secret(client: OAuthClient, before: OAuthClient | None) -> OAuthClient:
    if client.token_auth_method == "none":  # noqa: S105 (a method, not a secret)
        return replace(client, client_secret="")
    if not client.client_secret and before is not None and before.client_id == client.client_id:
        if before.client_secret and before.server != client.server:
            message = "the client moves to another authorization server: send its secret again"
            raise Invalid([Violation("oauth_client.client_secret", message)])
        client = replace(client, client_secret=before.client_secret)
    if not client.client_secret and _needs_secret(client):
        raise Invalid([Violation("oauth_client.client_secret", "must not be empty")])
    return client


def _needs_secret(client: OAuthClient) -> bool:
    return bool(client.token_auth_method) or client.grant == CLIENT_CREDENTIALS


def kinds(schemes: Mapping[str, SecurityScheme]) -> Sequence[str]:
    """What a description asks for, in a word or two each."""
    return list(dict.fromkeys(f"{scheme.kind} {scheme.scheme}".strip() for scheme in schemes.values()))
