"""Integrations by name: people know names, the service wants ids."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from errands.v1.integration_pb2 import Integration, ListIntegrationsRequest, ListIntegrationsResponse

from .session import Session


def all_integrations(session: Session) -> Iterator[Integration]:
    """Every integration of the tenant, by name, over as many pages as there are."""
    request = ListIntegrationsRequest(page_size=100)
    for page in session.pages("IntegrationService/ListIntegrations", request, ListIntegrationsResponse):
        yield from page.integrations


def integration_ids(session: Session, given: Sequence[str]) -> list[str]:
    """An id for each name or id given; what is neither goes to the server as it is, which says so."""
    if list(given) == ["*"]:
        return ["*"]
    ids = {found.name: found.id for found in all_integrations(session)}
    known = set(ids.values())
    return [one if one in known else ids.get(one, one) for one in given]


def integration_id(session: Session, given: str) -> str:
    return integration_ids(session, [given])[0]
