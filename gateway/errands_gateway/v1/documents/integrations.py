"""Integrations and their tools as JSON."""

from __future__ import annotations

from typing import Any

from errands.v1 import integration_pb2 as pb

from ... import enum_names
from ...http.encoding import format_time, raw_json


def integration(found: pb.Integration) -> dict[str, Any]:
    """An integration as JSON."""
    document: dict[str, Any] = {
        "id": found.id,
        "name": found.name,
        "kind": found.kind,
        "status": enum_names.INTEGRATION_STATUS[found.status],
        "baseUrl": found.base_url,
        "internal": found.internal,
        "revision": found.revision,
        "toolCount": found.tool_count,
        "auth": {
            "type": found.auth.type,
            "shared": found.auth.shared,
            "schemes": list(found.auth.schemes),
        },
        "createdAt": format_time(found.created_at),
    }
    if found.auth.HasField("oauth_client"):
        document["auth"]["oauthClient"] = _oauth_client(found.auth.oauth_client)
    if found.left_out:
        document["leftOut"] = list(found.left_out)
    if found.rate_limit:
        document["rateLimit"] = found.rate_limit
    if found.max_concurrency:
        document["maxConcurrency"] = found.max_concurrency
    return document


def _oauth_client(found: pb.OAuthClient) -> dict[str, Any]:
    """A client as it was registered, without its secret; what was left empty is left out."""
    given = {
        "clientId": found.client_id,
        "issuer": found.issuer,
        "authorizationUrl": found.authorization_url,
        "tokenUrl": found.token_url,
        "refreshUrl": found.refresh_url,
        "scopes": list(found.scopes),
        "tokenAuthMethod": found.token_auth_method,
        "resource": found.resource,
        "grant": found.grant,
    }
    return {name: value for name, value in given.items() if value}


def updated_integration(found: pb.UpdateIntegrationResponse) -> dict[str, Any]:
    """An integration that was changed, and the tools that came, went and changed with it."""
    return {
        **integration(found.integration),
        "toolsAdded": list(found.tools_added),
        "toolsRemoved": list(found.tools_removed),
        "toolsChanged": list(found.tools_changed),
    }


def tool(found: pb.Tool) -> dict[str, Any]:
    """A tool as JSON."""
    document: dict[str, Any] = {
        "name": found.name,
        "title": found.title,
        "description": found.description,
        "readOnly": found.read_only,
        "method": found.method,
        "path": found.path,
        "parameters": raw_json(found.parameters_json),
        "secured": found.secured,
        "deprecated": found.deprecated,
    }
    return {**document, "output": raw_json(found.output_json)} if found.output_json else document
