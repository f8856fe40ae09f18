"""What another tenant has is what nobody has: over every RPC, every route and every field that names."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from google.protobuf import message_factory, symbol_database
from grpc import StatusCode, aio
from grpc_status import rpc_status

from errands.v1 import approval_pb2, integration_pb2, run_pb2
from errands.v1 import connection_pb2 as pb
from errands_gateway.rest.dialect import Operation
from errands_gateway.rest.openapi import document
from errands_gateway.v1.dialect import V1
from errands_gateway.v1.operations import OPERATIONS
from tests.contract import administration
from tests.contract.conftest import Serve, add_target
from tests.contract.plans import LOCKED, WRITE, chain
from tests.contract.refusals import refused
from tests.contract.target import Target
from tests.contract.tenancy import NAMING, NOBODY, SAYING, SERVER, Named, belongings, named, set_at
from tests.contract.test_identity import RULES, call, methods
from tests.databases import rows_of
from tests.gateway.callers import RUN, asking
from tests.gateway.callers import reason as http_reason
from tests.scripted import ScriptedPlanner
from tests.service import Service, reason

Has = Mapping[str, tuple[str, str]]


@asynccontextmanager
async def two_tenants(serve: Serve, folder: Path) -> AsyncGenerator[tuple[Service, Service, Has]]:
    """An owner, a stranger who may everything in another tenant, and what the owner has."""
    servers = folder / "servers.json"
    servers.write_text(json.dumps({SERVER: {"command": "true"}}))
    async with serve(ScriptedPlanner(chain(WRITE)), mcp_servers=servers) as service:
        found = await service.integrations.ListIntegrations(integration_pb2.ListIntegrationsRequest())
        has = await belongings(service, found.integrations[0].id)
        yield service, await service.stranger("strangers", "admin"), has


def requests() -> Iterator[tuple[str, Named]]:
    """Every naming field of every RPC."""
    for method in sorted(methods()):
        for field in named(type(RULES[method][1]).DESCRIPTOR):
            yield method, field


async def said(speaker: Service, method: str, request: Any, name: str) -> str:
    """Everything the answer or the error says, with the name taken out."""
    asked = call(speaker, method, request)
    try:
        body = await asked.read()
        # The end of a stream, and every message of an answer.
        message = "" if body is aio.EOF else _output(method).FromString(body)
        return f"OK {message}".replace(name, "NAME")
    except aio.AioRpcError as error:
        status = rpc_status.from_call(error)
        return f"{error.code()} {status}".replace(name, "NAME")
    finally:
        asked.cancel()


def _output(method: str) -> Any:
    service, _, name = method.partition("/")
    found = symbol_database.Default().pool.FindServiceByName(f"errands.v1.{service}")
    return message_factory.GetMessageClass(found.methods_by_name[name].output_type)


def test_every_text_of_every_request_either_names_something_or_does_not() -> None:
    tried = list(requests())

    assert {kind for _, field in tried for kind in [field.kind]} <= set(NAMING.values())
    assert not SAYING & NAMING.keys() - {"user_id"}
    assert len(tried) >= 20


async def test_no_rpc_tells_what_is_foreign_from_what_is_missing_or_changes_it(
    serve: Serve, tmp_path: Path
) -> None:
    async with two_tenants(serve, tmp_path) as (owner, stranger, has):
        before = rows_of(tmp_path / "data")
        tried = 0
        for method, field in requests():
            foreign, missing = [
                await said(stranger, method, set_at(RULES[method][1], field.path, name), name)
                for name in has[field.kind]
            ]
            tried += 2

            assert foreign == missing, (method, field.path)
            assert "INTERNAL" not in foreign, (method, foreign)
        after = rows_of(tmp_path / "data")
        # The owner, asked the same, sees a difference: the names were good ones.
        seen = 0
        for method, field in requests():
            if method.partition("/")[2].startswith(("Get", "List")):
                mine, nobodys = [
                    await said(owner, method, set_at(RULES[method][1], field.path, name), name)
                    for name in has[field.kind]
                ]
                seen += mine != nobodys
        # And so was the flow, which nobody but the owner has continued.
        await owner.connections.ConfirmConnection(administration.confirmation(has["flow"][0], "cleo"))

    assert before == after
    assert seen >= 9
    print(f"{tried} requests in a stranger's name over {len(methods())} RPCs: none told anything")


async def test_every_list_of_a_stranger_is_empty(serve: Serve, tmp_path: Path) -> None:
    async with two_tenants(serve, tmp_path) as (_, stranger, _):
        lists = [method for method in methods() if "/List" in method]
        shown = {method: await said(stranger, method, RULES[method][1], "-") for method in lists}

    own = {"KeyService/ListKeys", "AuditService/ListAudit"}  # the stranger's one key, and its making
    by_name = {"RunService/ListRunEvents", "IntegrationService/ListTools"}
    assert {m for m, text in shown.items() if text.strip() == "OK"} == set(lists) - own - by_name
    for method in own:
        assert "default" not in shown[method], method
        assert "ada" not in shown[method], method


# What an operation's body must hold besides the name that is tried.
BODIES: dict[str, Any] = {
    "CreateRunRequest": RUN,
    "BatchDecideApprovalsRequest": {"decisions": [{"approvalId": NOBODY, "decision": "approve"}]},
    "DecideApprovalRequest": {"decision": "approve"},
    "UpdateIntegrationRequest": {"name": "renamed"},
    "CreateStreamTicketRequest": {},
    "CreateIntegrationRequest": {"name": "new"},
    "CreateConnectionRequest": {
        "integrationId": "desk_aaaaaaaa",
        "userId": "ada",
        "auth": {"type": "bearer", "token": "t"},
    },
    "CreateConnectLinkRequest": {"integrationId": "desk_aaaaaaaa", "userId": "ada"},
    "ConfirmConnectionRequest": {"flow": "a", "userId": "ada"},
}
LISTS = {"decisions", "passThrough"}
_SNAKE = re.compile(r"(?<!^)([A-Z])")


def _kind(operation: Operation, name: str) -> str | None:
    """What a parameter or member of this name names; "" for a text that names nothing."""
    if name == "id":
        return operation.path.split("/")[2].removesuffix("s")
    if operation.id == "listAudit" and name in {"actor", "subject"}:
        return {"actor": "actor", "subject": "run"}[name]
    if operation.id.endswith(("listRuns", "listConnections")) and name == "userId":
        return "user"
    field = _SNAKE.sub(r"_\1", name).lower()
    return NAMING.get(field, "" if {field, f"{field}_json"} & SAYING | ({name} & PLAIN) else None)


# What only REST has: times, switches, cursors, pages, words of a table, and credentials.
PLAIN = {
    *("includeEvents", "includeToolCalls", "status", "page", "pageSize", "after", "limit", "lastEventId"),
    *("createdAfter", "createdBefore", "Idempotency-Key", "Prefer", "Last-Event-ID", "ticket", "openapi"),
    *("internal", "auth", "sharedCredential", "removeCredential", "honoursIdempotencyKeys", "decision"),
    *("maxConcurrency", "approvalStrategy", "passThrough", "outputSchema", "expiresAt", "form"),
    *("formToken", "form_token", "output", "input", "headers", "query", "validateOnly", "removeOauthClient"),
    *("url", "document", "type", "secret", "verifierUrl", "refuse"),
    *(f"secret{number}" for number in range(2, 11)),
    *("accessKeyId", "secretAccessKey", "sessionToken", "roleArn", "externalId", "kid", "privateKey"),
    *("oauthTokenUrl", "scope", "host"),
}


def _members(operation: Operation) -> Iterator[tuple[str, ...]]:
    if operation.body is not None:
        schemas = document(V1)["components"]["schemas"]
        yield from _inside(schemas, schemas[operation.body.component], ())


def _inside(schemas: Any, schema: Any, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """The path of every member, whichever of several shapes has it, and of those of lists."""
    found = _resolved(schemas, schema)
    shapes = [_resolved(schemas, one) for one in (found, *found.get("oneOf", ()), found.get("items", {}))]
    members = {name: member for shape in shapes for name, member in shape.get("properties", {}).items()}
    for name, member in members.items():
        yield from _inside(schemas, member, (*path, name))
    if path and not members:
        yield path


def _resolved(schemas: Any, schema: Any) -> Any:
    name = schema.get("$ref", "").rpartition("/")[2]
    return schemas[name] if name else schema


Attempt = tuple[Operation, str, tuple[str, ...], str]


def attempts() -> Iterator[Attempt]:
    """Every place of every route that names something: where it is, its path, and its kind."""
    for operation in OPERATIONS:
        places = [(p.where, (p.name,)) for p in operation.parameters]
        places += [("body", path) for path in _members(operation)]
        for where, path in places:
            kind = _kind(operation, path[-1])
            if kind is None:
                raise KeyError(f"say in NAMING, SAYING or PLAIN what {operation.id} {path} is")
            if kind:
                yield operation, where, path, kind


def _ask(attempt: Attempt, name: str) -> tuple[str, dict[str, Any]]:
    operation, where, path, _ = attempt
    address = operation.path.replace(f"{{{path[-1]}}}", name) if where == "path" else operation.path
    address = re.sub(r"\{[^}]*\}", NOBODY, address)
    asked: dict[str, Any] = {"params": {path[-1]: name}} if where == "query" else {}
    if operation.body is not None:
        body = json.loads(json.dumps(BODIES[operation.body.component]))
        if where == "body":
            _put(body, path, name)
        asked["json"] = body
    return address, asked


def _put(body: Any, path: tuple[str, ...], name: str) -> None:
    for part in path[:-1]:
        body = body.setdefault(part, [{}] if part in LISTS else {})
        body = body[0] if part in LISTS else body
    body[path[-1]] = [name] if path[-1].endswith("Ids") else name


async def test_no_route_tells_what_is_foreign_from_what_is_missing_or_changes_it(
    serve: Serve, tmp_path: Path
) -> None:
    async with two_tenants(serve, tmp_path) as (_, stranger, has), asking(stranger) as client:
        before = rows_of(tmp_path / "data")
        tried = 0
        for attempt in attempts():
            operation = attempt[0]
            for method in (operation.method, *(["HEAD"] if operation.method == "GET" else [])):
                told = []
                for name in has[attempt[3]]:
                    address, asked = _ask(attempt, name)
                    answer = await client.request(method, address, headers={"x-request-id": "same"}, **asked)
                    told.append((answer.status_code, answer.text.replace(name, "NAME")))
                    tried += 1

                assert told[0] == told[1], (operation.id, attempt[2])
                assert told[0][0] < 500, (operation.id, told)
        after = rows_of(tmp_path / "data")

    assert before == after
    print(f"{tried} requests in a stranger's name over {len(OPERATIONS)} routes: none told anything")


def test_every_route_that_names_something_is_tried() -> None:
    tried = {attempt[0].id for attempt in attempts()}
    by_credential = {"RunController_runApproval", "sendApprovalForm"}
    by_credential |= {"openConnectLink", "sendConnectForm", "finishConnect"}
    settings = {"getConnectSettings", "updateConnectSettings"}
    nothing_named = {operation.id for operation in OPERATIONS} - tried

    assert nothing_named == by_credential | settings | {"createKey"}


async def test_an_approval_link_is_no_use_to_a_key_of_another_tenant(serve: Serve, tmp_path: Path) -> None:
    async with two_tenants(serve, tmp_path) as (owner, stranger, has), asking(stranger) as client:
        run = await owner.get(has["run"][0])
        token = run.pending_approvals[0].actions[0].url.partition("token=")[2]
        before = rows_of(tmp_path / "data")
        for asked in (
            stranger.approvals.GetApprovalByToken(approval_pb2.GetApprovalByTokenRequest(token=token)),
            stranger.approvals.DecideByToken(approval_pb2.DecideByTokenRequest(token=token)),
        ):
            error = await refused(asked)
            assert (error.code(), reason(error)) == (StatusCode.UNAUTHENTICATED, "CREDENTIALS_INVALID")
        link = await client.get("/v1/runs/approval", params={"token": token})

        assert link.status_code == 401
        assert has["run"][0] not in link.text
        assert rows_of(tmp_path / "data") == before


async def test_a_connect_link_is_no_use_to_a_key_of_another_tenant(
    serve: Serve, target: Target, tmp_path: Path
) -> None:
    async with two_tenants(serve, tmp_path) as (owner, stranger, has):
        name = has["integration"][0]
        await administration.lent(owner, target, name)
        state, token = (
            await administration.visited(owner, name, "ada"),
            await administration.link(owner, name, "ada"),
        )
        connect = stranger.connections
        before = rows_of(tmp_path / "data")
        for asked in (
            connect.GetConnectLink(pb.GetConnectLinkRequest(token=token)),
            connect.BeginConnect(pb.BeginConnectRequest(token=token, browser=administration.BROWSER)),
            connect.FinishConnect(
                pb.FinishConnectRequest(state=state, code="c", browser=administration.BROWSER)
            ),
        ):
            error = await refused(asked)

            assert (error.code(), reason(error)) == (StatusCode.UNAUTHENTICATED, "CREDENTIALS_INVALID")
        assert rows_of(tmp_path / "data") == before
        # The pages ask as nobody, whatever key a browser is made to send: they show what the link does.
        async with asking(stranger) as keyed, asking(stranger, x_api_key="") as nobody:
            pages = [await client.get(f"/connect/{token}") for client in (keyed, nobody)]
        # What the stranger tried was good, and the tenant's own key opens it.
        await owner.connections.GetConnectLink(pb.GetConnectLinkRequest(token=token))
        await administration.finish(owner, state)

    assert [page.status_code for page in pages] == [200, 200]


async def test_what_would_happen_is_told_of_ones_own_tenant_only(
    serve: Serve, target: Target, tmp_path: Path
) -> None:
    """The owner's ada is connected; the stranger's, who has the same service, is not."""
    async with serve(ScriptedPlanner(chain(LOCKED))) as owner:
        found = await owner.integrations.ListIntegrations(integration_pb2.ListIntegrationsRequest())
        name = found.integrations[0].id
        await owner.connect(name, "ada", bearer=pb.ConnectionBearer(token="t"))
        stranger = await owner.stranger("strangers", "operator")
        await add_target(stranger, target)
        before = rows_of(tmp_path / "data")
        told = {
            (speaker, field): [await _would(speaker, field, named) for named in names]
            for speaker in (owner, stranger)
            for field, names in (("user_id", ("ada", "eve")), (_SELECTED, (name, "desk_aaaaaaaa")))
        }

        assert rows_of(tmp_path / "data") == before
    for (speaker, field), (first, second) in told.items():
        assert (first == second) == (speaker is stranger), (field, first, second)


_SELECTED = "selected_customer_integration_ids"


async def _would(speaker: Service, field: str, named: str) -> str:
    request = run_pb2.CreateRunRequest(
        intent="do", user_id="ada", selected_customer_integration_ids=["*"], validate_only=True
    )
    told = await said(speaker, "RunService/CreateRun", set_at(request, (field,), named), named)
    return re.sub(r"(?<=/connect/)[\w-]+|(?<=seconds: )\d+|(?<=nanos: )\d+", "NEW", told)


async def test_a_stream_ticket_opens_no_other_tenants_run_and_no_key_widens_it(
    serve: Serve, tmp_path: Path
) -> None:
    async with two_tenants(serve, tmp_path) as (owner, stranger, has), asking(stranger) as client:
        ask = run_pb2.CreateStreamTicketRequest(run_id=has["run"][0])
        ticket = (await owner.runs.CreateStreamTicket(ask)).ticket
        stream = run_pb2.StreamRunEventsRequest(run_id=has["run"][0])
        elsewhere = run_pb2.StreamRunEventsRequest(run_id=NOBODY)
        with_key = (*stranger.metadata, ("x-stream-ticket", ticket))
        told = reason(await refused(stranger.runs.StreamRunEvents(stream, metadata=with_key)))
        events = await client.get(f"/v1/runs/{has['run'][0]}/sse")
        other = reason(
            await refused(owner.runs.StreamRunEvents(elsewhere, metadata=[("x-stream-ticket", ticket)]))
        )

    assert (told, other) == ("RUN_NOT_FOUND", "TICKET_INVALID")
    assert http_reason(events) == (404, "RUN_NOT_FOUND")
