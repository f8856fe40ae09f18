"""Reads what a document says about authentication: its schemes, and who needs which."""

from __future__ import annotations

from ..credentials.security_scheme import OPEN, SecurityScheme
from .node import Node


def read_schemes(document: Node) -> dict[str, SecurityScheme]:
    """The security schemes a document declares, by name."""
    declared = document.at("components").at("securitySchemes")
    return {name: _scheme(node.followed()) for name, node in declared.members()}


def read_security(owner: Node) -> tuple[tuple[str, ...], ...]:
    """The alternatives of a `security` list; an empty one means that none is needed.

    A list without any is the same as one with the empty one. Nothing where there is no list.
    """
    listed = owner.at("security")
    found = tuple(tuple(name for name, _ in item.members()) for item in listed.items())
    return found or (OPEN if listed else ())


def read_scopes(owner: Node) -> tuple[tuple[str, ...], ...]:
    """What must be granted for each alternative of a `security` list, in the same order."""
    return tuple(_scopes(item) for item in owner.at("security").items())


def _scopes(alternative: Node) -> tuple[str, ...]:
    scopes = (str(scope.value) for _, wanted in alternative.members() for scope in wanted.items())
    return tuple(dict.fromkeys(scopes))


def _scheme(node: Node) -> SecurityScheme:
    flows = node.at("flows")
    return SecurityScheme(
        kind=node.text("type"),
        scheme=node.text("scheme").lower(),
        location=node.text("in"),
        name=node.text("name"),
        flows={name: flow.value for name, flow in flows.members()},
        discovery_url=node.text("openIdConnectUrl"),
        aws_service=node.at("x-errands-aws").text("service"),
        aws_region=node.at("x-errands-aws").text("region"),
    )
