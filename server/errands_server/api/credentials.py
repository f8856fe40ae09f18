"""Reads credentials of requests, and maps integrations and connections to messages without secrets."""

from __future__ import annotations

from typing import Any, Final

from errands.v1 import connection_pb2 as pb
from errands.v1 import integration_pb2 as integration_pb

from ..credentials.grants import ApiKey, ApiKeys, Basic, Bearer
from ..credentials.oauth.client import CLIENT_CREDENTIALS, OAuthClient, parse_public
from ..credentials.security_scheme import read_schemes
from ..services.connect import ConnectOutcome, ConnectResult
from ..services.oauth_clients import kinds
from ..store.repositories.connections import Connection
from ..store.repositories.integrations import Integration
from .enums import timestamp
from .validation import RequestValidator

OUTCOME: Final = {
    ConnectOutcome.CONNECTED: pb.CONNECT_OUTCOME_CONNECTED,
    ConnectOutcome.REFUSED: pb.CONNECT_OUTCOME_REFUSED,
    ConnectOutcome.UNCONFIRMED: pb.CONNECT_OUTCOME_UNCONFIRMED,
}


def auth(found: Integration) -> integration_pb.IntegrationAuth:
    client = parse_public(found.oauth_client)
    obtained = client is not None and client.grant == CLIENT_CREDENTIALS and not found.shared
    return integration_pb.IntegrationAuth(
        type="clientCredentials" if obtained else found.auth_type,
        shared=found.shared or obtained,
        schemes=kinds(read_schemes(found.schemes)),
        oauth_client=None if client is None else _client(client),
    )


def _client(client: OAuthClient) -> integration_pb.OAuthClient:
    return integration_pb.OAuthClient(
        client_id=client.client_id,
        issuer=client.issuer,
        authorization_url=client.authorization_url,
        token_url=client.token_url,
        refresh_url=client.refresh_url,
        scopes=client.scopes,
        token_auth_method=client.auth_method,
        resource=client.resource,
        grant=client.grant,
    )


def connection(found: Connection) -> pb.Connection:
    broken = found.status == "broken"
    return pb.Connection(
        id=found.id,
        integration_id=found.integration_id,
        user_id=found.user_id,
        type=found.kind,
        status=pb.CONNECTION_STATUS_BROKEN if broken else pb.CONNECTION_STATUS_ACTIVE,
        scopes=found.scopes,
        expires_at=None if found.expires_at is None else timestamp(found.expires_at),
        created_at=timestamp(found.created_at),
        updated_at=timestamp(found.updated_at),
    )


def begin_response(ended: ConnectResult) -> pb.BeginConnectResponse:
    """The response of a flow that ended with its first step."""
    return pb.BeginConnectResponse(outcome=OUTCOME[ended.outcome], return_url=ended.return_url)


def finish_response(ended: ConnectResult) -> pb.FinishConnectResponse:
    return pb.FinishConnectResponse(
        outcome=OUTCOME[ended.outcome],
        integration_name=ended.integration_name,
        user_id=ended.user_id,
        return_url=ended.return_url,
    )


MAX_NAME: Final = 100
MAX_KEYS: Final = 10
MAX_SECRET: Final = 8_192
MAX_SCOPES: Final = 100
MAX_SCOPE: Final = 1_000
LOCATIONS: Final = ("header", "query", "cookie")
_RESERVED: Final = frozenset(
    {
        "host",
        "content-length",
        "content-type",
        "connection",
        "transfer-encoding",
        "upgrade",
        "te",
        "trailer",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "idempotency-key",
    }
)


def secret_text(validator: RequestValidator, field: str, value: str) -> str:
    """Printable ASCII, 1 to 8,192 characters."""
    validator.text(field, value, least=1, most=MAX_SECRET)
    return validator.printable(field, value, most=MAX_SECRET)


def bearer(validator: RequestValidator, field: str, given: Any) -> Bearer:
    return Bearer(token=secret_text(validator, f"{field}.token", given.token))


def basic(validator: RequestValidator, field: str, given: Any) -> Basic:
    validator.text(f"{field}.username", given.username, most=MAX_SECRET)
    if ":" in given.username:
        validator.reject(f"{field}.username", "must not contain a colon (RFC 7617)")
    validator.text(f"{field}.password", given.password, least=1, most=MAX_SECRET)
    return Basic(username=given.username, password=given.password)


def api_key(validator: RequestValidator, field: str, given: Any) -> ApiKey:
    """A key with its place and name."""
    place = getattr(given, "in")
    validator.one_of(f"{field}.in", place, LOCATIONS)
    name = validator.printable(f"{field}.name", given.name, most=MAX_NAME)
    if not name or any(character in name for character in " \t:;,="):
        validator.reject(f"{field}.name", "must be a name without spaces or separators")
    elif place == "header" and name.lower() in _RESERVED:
        validator.reject(f"{field}.name", f"{name} is not for credentials")
    return ApiKey(value=secret_text(validator, f"{field}.value", given.value), location=place, name=name)


def api_keys(validator: RequestValidator, field: str, given: Any) -> list[ApiKey]:
    """Keys with their places, each place once."""
    validator.count(f"{field}.keys", given.keys, least=1, most=MAX_KEYS)
    found: list[ApiKey] = []
    for index, key in enumerate(given.keys[:MAX_KEYS]):
        made = api_key(validator, f"{field}.keys[{index}]", key)
        if any((one.location, one.name.lower()) == (made.location, made.name.lower()) for one in found):
            validator.reject(f"{field}.keys[{index}].name", "is given more than once")
        found.append(made)
    return found


def described_api_key(validator: RequestValidator, field: str, given: Any) -> ApiKey:
    """As `api_key`, or without place and name, which are then in the service's description."""
    if getattr(given, "in") or given.name:
        return api_key(validator, field, given)
    return ApiKey(value=secret_text(validator, f"{field}.value", given.value))


def scheme_keys(validator: RequestValidator, field: str, given: Any) -> ApiKeys:
    """Keys that are placed by their schemes, each scheme once."""
    validator.count(f"{field}.keys", given.keys, least=1, most=MAX_KEYS)
    values: dict[str, str] = {}
    for index, key in enumerate(given.keys[:MAX_KEYS]):
        place = f"{field}.keys[{index}]"
        validator.text(f"{place}.scheme", key.scheme, least=1, most=MAX_NAME)
        if key.scheme in values:
            validator.reject(f"{place}.scheme", "is given more than once")
        values[key.scheme] = secret_text(validator, f"{place}.value", key.value)
    return ApiKeys(values=values)


def scope_list(validator: RequestValidator, field: str, given: Any) -> tuple[str, ...]:
    """Scopes as RFC 6749 §3.3 spells them."""
    validator.count(field, given, most=MAX_SCOPES)
    for index, scope in enumerate(given[:MAX_SCOPES]):
        validator.printable(f"{field}[{index}]", scope, most=MAX_SCOPE)
        if not scope or not set(scope).isdisjoint(' "\\'):
            validator.reject(f"{field}[{index}]", "must be one scope, without spaces, quotes or backslashes")
    return tuple(dict.fromkeys(given))
