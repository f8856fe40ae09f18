"""Finds the ids of integrations, which people call by name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from errands.v1.integration_pb2 import Integration, ListIntegrationsRequest, ListIntegrationsResponse

from .session import Session


def list_integrations(session: Session) -> Iterator[Integration]:
    """Yield every integration of the tenant, ordered by name."""
    request = ListIntegrationsRequest(page_size=100)
    for page in session.pages("IntegrationService/ListIntegrations", request, ListIntegrationsResponse):
        yield from page.integrations


def find_integration_ids(session: Session, given: Sequence[str]) -> list[str]:
    """Map names and ids to ids. What is neither stays as it is, for the server to refuse."""
    if list(given) == ["*"]:
        return ["*"]
    ids = {found.name: found.id for found in list_integrations(session)}
    known = set(ids.values())
    return [one if one in known else ids.get(one, one) for one in given]


def find_integration_id(session: Session, given: str) -> str:
    return find_integration_ids(session, [given])[0]
