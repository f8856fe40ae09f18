"""`errands integrations`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from errands.v1.integration_pb2 import (
    INTEGRATION_STATUS_ACTIVE,
    INTEGRATION_STATUS_INACTIVE,
    CreateIntegrationRequest,
    CreateIntegrationResponse,
    DeleteIntegrationRequest,
    DeleteIntegrationResponse,
    GetIntegrationRequest,
    GetIntegrationResponse,
    Integration,
    IntegrationStatus,
    ListToolsRequest,
    ListToolsResponse,
    Tool,
    UpdateIntegrationRequest,
    UpdateIntegrationResponse,
)

from ..credential import credential_options, read_credential
from ..documents import document, enum_word
from ..names import find_integration_id, list_integrations
from ..oauth import oauth_options, read_oauth_client
from ..options import Group
from ..session import Session, echo_json, with_session
from ..text import clean, format_table, one_line


@click.group(cls=Group)
def integrations() -> None:
    """The services runs may call."""


@integrations.command()
@click.argument("name")
@click.option("--openapi", metavar="URL_OR_FILE", help="OpenAPI 3.0 or 3.1 document.")
@click.option("--mcp-url", metavar="URL", help="Endpoint of an MCP server (streamable HTTP), instead.")
@click.option("--mcp-server", metavar="NAME", help="MCP server the operator configured (scope operator).")
@click.option("--base-url", default="", help="Where requests go, instead of the document's first server.")
@click.option("--internal", is_flag=True, help="It lies in a private or loopback network (scope operator).")
@click.option("--shared", is_flag=True, help="The credential is one account for every user.")
@click.option("--honours-idempotency-keys", is_flag=True, help="All its writes honour Idempotency-Key.")
@click.option("--rate", default="", metavar="10/s", help="How often it may be called; more calls wait.")
@click.option("--concurrency", default=0, metavar="N", help="How many calls may be under way at once.")
@credential_options
@oauth_options
@with_session
def add(
    session: Session,
    /,
    *,
    name: str,
    openapi: str | None,
    mcp_url: str | None,
    mcp_server: str | None,
    base_url: str,
    internal: bool,
    shared: bool,
    honours_idempotency_keys: bool,
    rate: str,
    concurrency: int,
    **secrets: Any,
) -> None:
    """Add the service that an OpenAPI document or an MCP server describes.

    Secrets come from the environment, a file or a prompt: the command line is visible to others.
    """
    request = CreateIntegrationRequest(
        name=name,
        base_url=base_url,
        internal=internal,
        credential=read_credential(secrets),
        shared_credential=shared,
        honours_idempotency_keys=honours_idempotency_keys,
        rate_limit=rate,
        max_concurrency=concurrency,
        oauth_client=read_oauth_client(secrets),
        **_read_source(openapi, mcp_url, mcp_server),
    )
    made = session.call("IntegrationService/CreateIntegration", request, CreateIntegrationResponse)
    _show(session, made.integration)


@integrations.command()
@with_session
def ls(session: Session) -> None:
    """List integrations by name."""
    found = list(list_integrations(session))
    if session.json:
        echo_json([document(one) for one in found])
    elif found:
        click.echo(format_table(("ID", "NAME", "STATUS", "TOOLS", "REVISION", "BASE URL"), map(_row, found)))


@integrations.command()
@click.argument("integration")
@with_session
def get(session: Session, *, integration: str) -> None:
    """Show INTEGRATION, given by id or name."""
    request = GetIntegrationRequest(id=find_integration_id(session, integration))
    _show(
        session,
        session.call("IntegrationService/GetIntegration", request, GetIntegrationResponse).integration,
    )


@integrations.command()
@click.argument("integration")
@with_session
def tools(session: Session, *, integration: str) -> None:
    """List what INTEGRATION can do."""
    request = ListToolsRequest(id=find_integration_id(session, integration), page_size=100)
    pages = session.pages("IntegrationService/ListTools", request, ListToolsResponse)
    found = [tool for page in pages for tool in page.tools]
    if session.json:
        echo_json([document(tool) for tool in found])
    elif found:
        click.echo(format_table(("TOOL", "EFFECT", "REQUEST", "TITLE"), map(_tool_row, found)))


@integrations.command()
@click.argument("integration")
@with_session
def activate(session: Session, *, integration: str) -> None:
    """Let runs use INTEGRATION again."""
    _set_status(session, integration, INTEGRATION_STATUS_ACTIVE)


@integrations.command()
@click.argument("integration")
@with_session
def deactivate(session: Session, *, integration: str) -> None:
    """Let nothing call INTEGRATION any more, not even runs under way."""
    _set_status(session, integration, INTEGRATION_STATUS_INACTIVE)


@integrations.command()
@click.argument("integration")
@click.option("--rate", metavar="10/s", help="How often it may be called; '' lifts the limit.")
@click.option("--concurrency", type=int, metavar="N", help="How many calls may be under way at once; 0: any.")
@with_session
def limit(session: Session, *, integration: str, rate: str | None, concurrency: int | None) -> None:
    """Limit the calls to INTEGRATION. Those beyond wait, and their runs say so."""
    request = UpdateIntegrationRequest(
        id=find_integration_id(session, integration), rate_limit=rate, max_concurrency=concurrency
    )
    _update(session, request)


@integrations.command()
@click.argument("integration")
@with_session
def rm(session: Session, *, integration: str) -> None:
    """Delete INTEGRATION. Runs that would still call it fail those calls."""
    request = DeleteIntegrationRequest(id=find_integration_id(session, integration))
    session.call("IntegrationService/DeleteIntegration", request, DeleteIntegrationResponse)
    click.echo("{}" if session.json else f"deleted {request.id}")


def _read_source(openapi: str | None, mcp_url: str | None, mcp_server: str | None) -> dict[str, Any]:
    """The field of a request that the one option given stands for. UsageError: it is not one."""
    if len([option for option in (openapi, mcp_url, mcp_server) if option]) != 1:
        raise click.UsageError("give one of --openapi, --mcp-url and --mcp-server")
    if not openapi:
        return {"mcp_url": mcp_url} if mcp_url else {"mcp_server": mcp_server}
    if openapi.startswith(("http://", "https://")):
        return {"openapi_url": openapi}
    try:
        return {"openapi_document": Path(openapi).read_text()}
    except (OSError, UnicodeDecodeError) as error:
        raise click.BadParameter(f"{openapi}: {error}", param_hint="--openapi") from error


def _set_status(session: Session, integration: str, status: IntegrationStatus) -> None:
    _update(session, UpdateIntegrationRequest(id=find_integration_id(session, integration), status=status))


def _update(session: Session, request: UpdateIntegrationRequest) -> None:
    changed = session.call("IntegrationService/UpdateIntegration", request, UpdateIntegrationResponse)
    _show(session, changed.integration)


def _show(session: Session, found: Integration) -> None:
    if session.json:
        echo_json(document(found))
        return
    click.echo("  ".join(_row(found)))
    if found.auth.type not in ("", "none"):
        click.echo(f"authenticates with {found.auth.type}, {'shared' if found.auth.shared else 'per user'}")
    if found.auth.schemes:
        click.echo(f"asks for {one_line(', '.join(found.auth.schemes))}")
    if found.auth.HasField("oauth_client"):
        click.echo(f"users connect by client {one_line(found.auth.oauth_client.client_id)}")
    if found.rate_limit:
        click.echo(f"called at most {found.rate_limit}")
    if found.max_concurrency:
        click.echo(f"called at most {found.max_concurrency} at a time")
    for left_out in found.left_out:
        click.echo(f"left out: {clean(one_line(left_out))}", err=True)


def _row(found: Integration) -> tuple[str, ...]:
    status = enum_word(found, "status") + (" internal" if found.internal else "")
    return (
        found.id,
        found.name,
        status,
        f"{found.tool_count} tools",
        f"r{found.revision}",
        one_line(found.base_url),
    )


def _tool_row(tool: Tool) -> tuple[str, ...]:
    return tool.name, "read" if tool.read_only else "write", f"{tool.method} {tool.path}".strip(), tool.title
