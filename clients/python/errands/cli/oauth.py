"""The OAuth client of an integration, as options describe it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any, Final

import click

from errands.v1.integration_pb2 import OAuthClient

from . import secrets
from .credential import Decorator, add_options, source_options

_METHODS: Final = ("client_secret_basic", "client_secret_post", "none")
_GRANTS: Final = ("authorization_code", "client_credentials")
_OPTIONS: Final[list[Decorator]] = [
    click.option("--oauth-client-id", metavar="ID", help="OAuth client by which users connect."),
    *source_options("oauth-secret", "client's secret"),
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
    """Give a command the options that `read_oauth_client` reads."""
    return add_options(command, _OPTIONS)


def read_oauth_client(given: Mapping[str, Any]) -> OAuthClient | None:
    """The client that the options describe; None without any. UsageError: they give no client id."""
    fields = {field: given[option] for field, option in _FIELDS.items() if given[option]}
    if not given["oauth_client_id"]:
        if fields or given["oauth_secret_env"] or given["oauth_secret_file"]:
            raise click.UsageError("an OAuth client needs --oauth-client-id")
        return None
    return OAuthClient(client_id=given["oauth_client_id"], client_secret=_read_secret(given), **fields)


def _read_secret(given: Mapping[str, Any]) -> str:
    """The client's secret from the options, or from a prompt where there are none."""
    if given["oauth_method"] == "none":
        return ""
    found = secrets.read(given["oauth_secret_env"], given["oauth_secret_file"])
    if found or not sys.stdin.isatty():
        return found
    typed: str = click.prompt(
        "client secret (empty for a public client)", default="", show_default=False, hide_input=True, err=True
    )
    return typed
