"""`errands keys`."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

import click

from errands.v1.key_pb2 import (
    CreateKeyRequest,
    CreateKeyResponse,
    Key,
    ListKeysRequest,
    ListKeysResponse,
    RevokeKeyRequest,
    RevokeKeyResponse,
)

from ..documents import document, format_time
from ..options import Group
from ..session import Session, echo_json, with_session
from ..text import format_table

_SCOPES: Final = ("runs:write", "runs:read", "approvals", "integrations", "connections", "admin", "operator")
_SPAN: Final = re.compile(r"([1-9]\d{0,5})([mhd])")
_UNITS: Final = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}


@click.group(cls=Group)
def keys() -> None:
    """API keys."""


@keys.command()
@click.argument("name")
@click.option(
    "--scope", "scopes", multiple=True, required=True, type=click.Choice(_SCOPES), help="What it may do."
)
@click.option("--expires", help="When it stops working: 90m, 12h, 30d, or a date like 2027-01-31.")
@click.option("--tenant", default="", help="Tenant it acts in; a new name makes a new tenant.")
@with_session
def create(session: Session, *, name: str, scopes: tuple[str, ...], expires: str | None, tenant: str) -> None:
    """Make a key. The secret alone goes to stdout, this once."""
    request = CreateKeyRequest(name=name, scopes=scopes, tenant=tenant)
    if expires:
        request.expires_at.FromDatetime(parse_expiry(expires, datetime.now(UTC)))
    made = session.call("KeyService/CreateKey", request, CreateKeyResponse)
    if session.json:
        echo_json(document(made))
        return
    click.echo(f"key {made.key.id} of tenant {made.key.tenant}; it is not shown again", err=True)
    click.echo(made.secret)


@keys.command()
@with_session
def ls(session: Session) -> None:
    """List the keys of your tenant, newest first."""
    pages = session.pages("KeyService/ListKeys", ListKeysRequest(page_size=100), ListKeysResponse)
    found = [key for page in pages for key in page.keys]
    if session.json:
        echo_json([document(key) for key in found])
    elif found:
        click.echo(format_table(("KEY", "NAME", "TENANT", "EXPIRES", "SCOPES"), map(_row, found)))


@keys.command()
@click.argument("key_id", metavar="KEY")
@with_session
def revoke(session: Session, *, key_id: str) -> None:
    """Stop KEY from working, at once and for ever."""
    session.call("KeyService/RevokeKey", RevokeKeyRequest(id=key_id), RevokeKeyResponse)
    click.echo("{}" if session.json else f"revoked {key_id}")


def parse_expiry(text: str, now: datetime) -> datetime:
    """Parse a span from now, or a date with or without a time (UTC without an offset)."""
    if span := _SPAN.fullmatch(text):
        return now + int(span[1]) * _UNITS[span[2]]
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise click.BadParameter(
            f"{text!r} is neither like 30d nor a date", param_hint="--expires"
        ) from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _row(key: Key) -> tuple[str, ...]:
    expires = format_time(key.expires_at) if key.HasField("expires_at") else "never"
    return key.id, key.name, key.tenant, expires, " ".join(key.scopes)
