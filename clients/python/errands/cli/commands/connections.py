"""`errands connections`."""

from __future__ import annotations

import getpass
import json
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import click

from errands.v1.connection_pb2 import (
    Connection,
    ConnectionApiKey,
    ConnectionApiKeys,
    ConnectionBasic,
    ConnectionBearer,
    ConnectionSchemeKey,
    ConnectionTokens,
    ConnectSettings,
    CreateConnectionRequest,
    CreateConnectionResponse,
    CreateConnectLinkRequest,
    CreateConnectLinkResponse,
    DeleteConnectionRequest,
    DeleteConnectionResponse,
    GetConnectSettingsRequest,
    GetConnectSettingsResponse,
    ListConnectionsRequest,
    ListConnectionsResponse,
    UpdateConnectSettingsRequest,
    UpdateConnectSettingsResponse,
)

from .. import secrets
from ..documents import document, enum_word, format_time
from ..names import find_integration_id
from ..options import Group
from ..session import Session, echo_json, with_session
from ..text import format_table, one_line

_PLACES: Final = ("header", "query", "cookie")
_TYPES: Final = ("bearer", "api-key", "api-keys", "basic", "oauth2")
_user_option = click.option(
    "--user", envvar="ERRANDS_USER", default=getpass.getuser, help="User it belongs to.  [default: you]"
)


@click.group(cls=Group)
def connections() -> None:
    """Users' own access to integrations."""


@connections.command()
@click.option("--integration", default="", help="Only to this integration, by id or name.")
@click.option("--user", default="", help="Only of this user.")
@with_session
def ls(session: Session, *, integration: str, user: str) -> None:
    """List connections, newest first."""
    request = ListConnectionsRequest(
        integration_id=find_integration_id(session, integration) if integration else "",
        user_id=user,
        page_size=100,
    )
    pages = session.pages("ConnectionService/ListConnections", request, ListConnectionsResponse)
    found = [one for page in pages for one in page.connections]
    if session.json:
        echo_json([document(one) for one in found])
    elif found:
        head = ("CONNECTION", "STATUS", "INTEGRATION", "USER", "TYPE", "SCOPES")
        click.echo(format_table(head, map(_row, found)))


@connections.command()
@click.argument("integration")
@_user_option
@click.option("--type", "kind", type=click.Choice(_TYPES), default="bearer", show_default=True)
@click.option("--username", default="", help="User name of a basic credential.")
@click.option("--in", "place", type=click.Choice(_PLACES), help="Where an API key goes, if not as described.")
@click.option("--name", default="", help="Name of that header, parameter or cookie.")
@with_session
def add(
    session: Session, *, integration: str, user: str, kind: str, username: str, place: str | None, name: str
) -> None:
    """Connect a user to INTEGRATION with a credential you have. It replaces the one before.

    The secret is asked for, or read from stdin: the command line is visible to others. For
    oauth2 it is what the token endpoint answered, JSON; for api-keys an object of the keys by the
    names of their schemes in the description, JSON.
    """
    if (kind == "basic") != bool(username):
        raise click.UsageError("--username goes with --type basic, and only there")
    if bool(place) != bool(name) or (name and kind != "api-key"):
        raise click.UsageError("--in and --name go together, and with --type api-key")
    request = CreateConnectionRequest(
        integration_id=find_integration_id(session, integration),
        user_id=user,
        **_ask_credential(kind, username, place or "", name),
    )
    made = session.call("ConnectionService/CreateConnection", request, CreateConnectionResponse).connection
    if session.json:
        echo_json(document(made))
    else:
        click.echo("  ".join(_row(made)).rstrip())


@connections.command()
@click.argument("integration")
@_user_option
@click.option("--scope", "scopes", multiple=True, help="What to ask for; may be given again.")
@click.option("--return-url", default="", help="Where the browser goes at the end.")
@with_session
def link(session: Session, *, integration: str, user: str, scopes: tuple[str, ...], return_url: str) -> None:
    """Print a link at which a user connects INTEGRATION.

    Whoever opens it first connects their account: give it to that user and to nobody else.
    """
    request = CreateConnectLinkRequest(
        integration_id=find_integration_id(session, integration),
        user_id=user,
        scopes=scopes,
        return_url=return_url,
    )
    made = session.call("ConnectionService/CreateConnectLink", request, CreateConnectLinkResponse)
    if session.json:
        echo_json(document(made))
        return
    click.echo(f"for {one_line(user)} alone, until {format_time(made.expires_at)}", err=True)
    click.echo(made.url)


@connections.command()
@click.argument("connection_id", metavar="CONNECTION")
@with_session
def rm(session: Session, *, connection_id: str) -> None:
    """Forget CONNECTION and its secrets. Its user must connect anew."""
    request = DeleteConnectionRequest(id=connection_id)
    session.call("ConnectionService/DeleteConnection", request, DeleteConnectionResponse)
    click.echo("{}" if session.json else f"forgot {connection_id}")


@connections.command()
@click.option("--verifier-url", help="Your application, which says who finished; empty for none.")
@with_session
def settings(session: Session, *, verifier_url: str | None) -> None:
    """Show how users of your tenant connect, or change it."""
    found: ConnectSettings
    if verifier_url is None:
        method, read = "ConnectionService/GetConnectSettings", GetConnectSettingsRequest()
        found = session.call(method, read, GetConnectSettingsResponse).settings
    else:
        method = "ConnectionService/UpdateConnectSettings"
        change = UpdateConnectSettingsRequest(verifier_url=verifier_url)
        found = session.call(method, change, UpdateConnectSettingsResponse).settings
    if session.json:
        echo_json(document(found))
    else:
        click.echo(f"verifier  {one_line(found.verifier_url) or 'none: the link alone proves the user'}")


def _ask_credential(kind: str, username: str, place: str, name: str) -> dict[str, Any]:
    match kind:
        case "bearer":
            return {"bearer": ConnectionBearer(token=secrets.ask("token"))}
        case "api-key":
            key = ConnectionApiKey(value=secrets.ask("API key"), name=name)
            setattr(key, "in", place)  # a keyword of Python
            return {"api_key": key}
        case "api-keys":
            return {"api_keys": _parse_api_keys(secrets.ask("API keys"))}
        case "basic":
            return {"basic": ConnectionBasic(username=username, password=secrets.ask("password"))}
        case _:
            return {"tokens": _parse_tokens(secrets.ask("answer of the token endpoint"))}


def _parse_api_keys(text: str) -> ConnectionApiKeys:
    """The keys in an object of JSON. UsageError: it is none."""
    try:
        found = json.loads(text)
        keys = [ConnectionSchemeKey(scheme=scheme, value=value) for scheme, value in found.items()]
    except (ValueError, TypeError, AttributeError):
        # Not the error itself, which may quote the secret.
        message = "stdin holds no keys: JSON with the key of each scheme, such as"
        raise click.UsageError(f'{message} {{"apiKeyAuth": "…", "appKeyAuth": "…"}}') from None
    return ConnectionApiKeys(keys=keys)


def _parse_tokens(text: str) -> ConnectionTokens:
    """The tokens in an answer of a token endpoint (RFC 6749 §5.1). UsageError: it is none."""
    try:
        found = json.loads(text)
        tokens = ConnectionTokens(
            access_token=found["access_token"],
            refresh_token=found.get("refresh_token", ""),
            scopes=found.get("scope", "").split(),
        )
        if "expires_in" in found:
            tokens.expires_at.FromDatetime(datetime.now(UTC) + timedelta(seconds=float(found["expires_in"])))
    except (ValueError, TypeError, LookupError, AttributeError):
        # Not the error itself, which may quote the secret.
        raise click.UsageError("stdin holds no answer of a token endpoint: JSON with access_token") from None
    return tokens


def _row(found: Connection) -> tuple[str, ...]:
    status = enum_word(found, "status")
    return found.id, status, found.integration_id, found.user_id, found.type, " ".join(found.scopes)
