"""The OAuth client of an integration, as options describe it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any, Final

import click

from errands.v1.integration_pb2 import OAuthClient

from . import secrets
from .credential import Decorator, decorated, sources

_METHODS: Final = ("client_secret_basic", "client_secret_post", "none")
_GRANTS: Final = ("authorization_code", "client_credentials")
_OPTIONS: Final[list[Decorator]] = [
    click.option("--oauth-client-id", metavar="ID", help="OAuth client by which users connect."),
    *sources("oauth-secret", "client's secret"),
    click.option("--oauth-issuer", metavar="URL", help="Its authorization server."),
    click.option(
        "--oauth-authorization-url", metavar="URL", help="Where users authorize, if not as described."
    ),
    click.option("--oauth-token-url", metavar="URL", help="Where tokens are obtained, if not as described."),
    click.option("--oauth-refresh-url", metavar="URL", help="Where they are renewed, if that is elsewhere."),
    click.option(
        "--oauth-scope", "oauth_scopes", multiple=True, help="Asked for as well; may be given again."
    ),
    click.option("--oauth-method", type=click.Choice(_METHODS), help="How the client identifies itself."),
    click.option("--oauth-resource", metavar="URL", help="The resource tokens are for (RFC 8707)."),
    click.option(
        "--oauth-grant", type=click.Choice(_GRANTS), help="client_credentials: one account for all."
    ),
]
_FIELDS: Final = {
    "issuer": "oauth_issuer",
    "authorization_url": "oauth_authorization_url",
    "token_url": "oauth_token_url",
    "refresh_url": "oauth_refresh_url",
    "scopes": "oauth_scopes",
    "token_auth_method": "oauth_method",
    "resource": "oauth_resource",
    "grant": "oauth_grant",
}


def oauth_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that `oauth_client` reads."""
    return decorated(command, _OPTIONS)


def oauth_client(given: Mapping[str, Any]) -> OAuthClient | None:
    """The client the options describe, if they do. UsageError: they describe one without an id."""
    fields = {field: given[option] for field, option in _FIELDS.items() if given[option]}
    if not given["oauth_client_id"]:
        if fields or given["oauth_secret_env"] or given["oauth_secret_file"]:
            raise click.UsageError("an OAuth client needs --oauth-client-id")
        return None
    return OAuthClient(client_id=given["oauth_client_id"], client_secret=_secret(given), **fields)


def _secret(given: Mapping[str, Any]) -> str:
    """The client's secret; asked for at a terminal where no option says where it is."""
    if given["oauth_method"] == "none":
        return ""
    found = secrets.from_options(given["oauth_secret_env"], given["oauth_secret_file"])
    if found or not sys.stdin.isatty():
        return found
    typed: str = click.prompt(
        "client secret (empty for a public client)", default="", show_default=False, hide_input=True, err=True
    )
    return typed
