"""How integrations and their users authenticate, as messages. None of them holds a secret."""

from __future__ import annotations

from typing import Final

from errands.v1 import connection_pb2 as pb
from errands.v1 import integration_pb2 as integration_pb

from ..credentials.oauth.client import CLIENT_CREDENTIALS, OAuthClient, described
from ..credentials.security_scheme import read_schemes
from ..services.connect import Ended, Outcome
from ..services.oauth_clients import kinds
from ..store.repositories.connections import Connection
from ..store.repositories.integrations import Integration
from .wire import timestamp

OUTCOME: Final = {
    Outcome.CONNECTED: pb.CONNECT_OUTCOME_CONNECTED,
    Outcome.REFUSED: pb.CONNECT_OUTCOME_REFUSED,
    Outcome.UNCONFIRMED: pb.CONNECT_OUTCOME_UNCONFIRMED,
}


def auth(found: Integration) -> integration_pb.IntegrationAuth:
    client = described(found.oauth_client)
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


def begun(ended: Ended) -> pb.BeginConnectResponse:
    """A flow that ended with its first step."""
    return pb.BeginConnectResponse(outcome=OUTCOME[ended.outcome], return_url=ended.return_url)


def finished(ended: Ended) -> pb.FinishConnectResponse:
    return pb.FinishConnectResponse(
        outcome=OUTCOME[ended.outcome],
        integration_name=ended.integration_name,
        user_id=ended.user_id,
        return_url=ended.return_url,
    )
