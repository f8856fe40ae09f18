"""Runs over MCP servers: the reference servers, and one that changes under way."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from grpc import aio
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from errands.v1 import event_pb2 as events
from errands.v1 import integration_pb2 as pb
from errands.v1.audit_pb2 import ListAuditRequest
from errands.v1.connection_pb2 import ConnectionBearer, CreateConnectionRequest
from errands.v1.run_pb2 import APPROVAL_STRATEGY_ON_START, APPROVAL_STRATEGY_ON_TOOL_CALL
from errands_server.app import Overrides
from tests.counterparts import node_modules
from tests.scripted import Scene, ScriptedPlanner, plan_of
from tests.service import Service, reason, serving, violations
from tests.tools.mcp import servers as targets
from tests.tools.mcp.plain import TOOL, plain
from tests.tools.mcp.servers import target
from tests.tools.mcp.test_listing import SECRET as GUARDED
from tests.tools.mcp.test_listing import guarded

VERSION = "2026.8.31"
PACKAGES = tuple(
    f"@modelcontextprotocol/server-{name}@{VERSION}" for name in ("everything", "filesystem", "memory")
)
SCRIPT = str(Path(targets.__file__).with_name("process.py"))


def script(package: str) -> str:
    modules = node_modules(*PACKAGES)
    return str(modules / "@modelcontextprotocol" / f"server-{package}" / "dist" / "index.js")


def configured(folder: Path, servers: Mapping[str, Any]) -> Path:
    file = folder / "servers.json"
    file.write_text(json.dumps(servers))
    return file


def reference(folder: Path) -> Path:
    """The three reference servers, as processes."""
    files = folder / "files"
    files.mkdir(exist_ok=True)
    (files / "letter.txt").write_text("Dear Ada")
    memory = {"MEMORY_FILE_PATH": str(folder / "memory.jsonl")}
    node = {"command": "node"}
    return configured(
        folder,
        {
            "everything": {**node, "args": [script("everything"), "stdio"]},
            "files": {**node, "args": [script("filesystem"), str(files)]},
            "memory": {**node, "args": [script("memory")], "env": memory},
        },
    )


async def add(service: Service, name: str, **source: Any) -> pb.Integration:
    request = pb.CreateIntegrationRequest(name=name, **source)
    return (await service.integrations.CreateIntegration(request, timeout=60)).integration


async def tools(service: Service, integration: str) -> dict[str, pb.Tool]:
    found = await service.integrations.ListTools(pb.ListToolsRequest(id=integration, page_size=100))
    return {tool.name: tool for tool in found.tools}


@pytest.mark.counterparts
async def test_a_run_over_three_reference_servers_succeeds(tmp_path: Path) -> None:
    letter = str(tmp_path / "files" / "letter.txt")
    copy = str(tmp_path / "files" / "copy.txt")
    ada = {"name": "Ada", "entityType": "person", "observations": ["likes mugs"]}
    planner = ScriptedPlanner(
        plan_of(
            Scene("read_text_file", {"path": letter}),
            Scene("write_file", {"path": copy}, slots={("content",): ("s1", ("content",))}),
            Scene("create_entities", {"entities": [ada]}, after=["s2"]),
            Scene("search_nodes", {"query": "mugs"}, after=["s3"]),
            Scene("get-sum", {"a": 2, "b": 3}, after=["s4"]),
        )
    )
    settings = {"mcp_servers": reference(tmp_path)}
    async with serving(tmp_path / "data", Overrides(planner=planner), **settings) as service:
        for name in ("everything", "files", "memory"):
            made = await add(service, name, mcp_server=name)
            assert (made.kind, made.base_url) == ("mcp", f"stdio:{name}")
            assert made.tool_count > 5
        created = await service.create("Copy the letter and remember Ada")
        run = await service.finished(created.run_id)

    assert run.status == events.RUN_STATUS_SUCCESS, run.error
    assert (tmp_path / "files" / "copy.txt").read_text() == "Dear Ada"
    assert "likes mugs" in (tmp_path / "memory.jsonl").read_text()
    assert "5" in json.loads(run.result_json)["output"]


async def test_the_catalog_planner_finds_the_tools_of_a_server_by_itself(tmp_path: Path) -> None:
    async with (
        target() as found,
        serving(tmp_path / "data") as service,
    ):
        await add(service, "desk", mcp_url=found.url, internal=True)
        created = await service.create('Add a note with the text "milk and bread"')
        run = await service.finished(created.run_id)

    assert run.status == events.RUN_STATUS_SUCCESS, run.error
    assert found.notes == ["milk and bread"]


@pytest.mark.counterparts
async def test_the_reference_server_answers_over_http_too(tmp_path: Path) -> None:
    planner = ScriptedPlanner(plan_of(Scene("echo", {"message": "hello"})))
    async with (
        everything_over_http() as url,
        serving(tmp_path / "data", Overrides(planner=planner)) as service,
    ):
        await add(service, "everything", mcp_url=url, internal=True)
        run = await service.finished((await service.create("Echo hello")).run_id)

    assert run.status == events.RUN_STATUS_SUCCESS, run.error
    assert "hello" in json.loads(run.result_json)["output"]


@asynccontextmanager
async def everything_over_http() -> AsyncGenerator[str]:
    """The reference server on a port that is free: it cannot be told to choose one."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        *("node", script("everything"), "streamableHttp"),
        env={"PORT": str(port), "PATH": "/usr/local/bin:/usr/bin:/bin"},
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stderr is not None
        async with asyncio.timeout(30):
            while b"listening" not in (line := await process.stderr.readline()):
                assert line, "it did not start"
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        process.kill()
        await process.wait()


@pytest.mark.counterparts
async def test_what_reads_and_what_writes_is_as_the_reference_servers_say_or_stricter(tmp_path: Path) -> None:
    async with serving(tmp_path / "data", mcp_servers=reference(tmp_path)) as service:
        files = await tools(service, (await add(service, "files", mcp_server="files")).id)
        memory = await tools(service, (await add(service, "memory", mcp_server="memory")).id)

    assert files["read_text_file"].read_only
    assert not files["write_file"].read_only
    assert not memory["create_entities"].read_only
    assert files["read_text_file"].output_json


async def test_a_tool_that_says_it_only_reads_is_asked_for_like_any_other(tmp_path: Path) -> None:
    planner = ScriptedPlanner(plan_of(Scene("find_notes", {"text": "milk"})))
    async with target() as found, serving(tmp_path / "data", Overrides(planner=planner)) as service:
        await add(service, "desk", mcp_url=found.url, internal=True)
        for strategy in (APPROVAL_STRATEGY_ON_TOOL_CALL, APPROVAL_STRATEGY_ON_START):
            created = await service.create("Find milk", approval_strategy=strategy)
            event = await service.until(created.run_id, "approval_required")

            (call,) = event.approval_required.calls
            assert call.tool == "find_notes"
            assert call.origin == found.url.removesuffix("/mcp")


async def test_a_process_is_shown_as_one_account_for_all(tmp_path: Path) -> None:
    file = configured(tmp_path, {"desk": {"command": sys.executable, "args": ["-S", SCRIPT]}})
    planner = ScriptedPlanner(plan_of(Scene("pid")))
    async with serving(tmp_path / "data", Overrides(planner=planner), mcp_servers=file) as service:
        made = await add(service, "desk", mcp_server="desk")
        created = await service.create("Who?", approval_strategy=APPROVAL_STRATEGY_ON_TOOL_CALL)
        event = await service.until(created.run_id, "approval_required")

    assert made.auth.shared
    (call,) = event.approval_required.calls
    assert (call.origin, call.shared) == ("stdio:desk", True)


def candidates(planner: ScriptedPlanner) -> set[str]:
    """The tools that it was given last."""
    return {candidate.tool.name for candidate in planner.briefs[-1].candidates}


async def test_a_catalog_that_changes_is_a_new_revision_and_runs_keep_theirs(tmp_path: Path) -> None:
    steps = Scene("grow"), Scene("greet", {"name": "Ada"}, after=["s1"])
    planner = ScriptedPlanner(plan_of(*steps))
    async with target() as found, serving(tmp_path / "data", Overrides(planner=planner)) as service:
        made = await add(service, "desk", mcp_url=found.url, internal=True)
        run = await service.finished((await service.create("Grow")).run_id)
        async with asyncio.timeout(10):
            while "extra_tool" not in await tools(service, made.id):
                await asyncio.sleep(0.02)
        now = await service.integrations.GetIntegration(pb.GetIntegrationRequest(id=made.id))
        assert "extra_tool" not in candidates(planner)
        await service.finished((await service.create("Grow")).run_id)

    assert "extra_tool" in candidates(planner)
    assert run.status == events.RUN_STATUS_SUCCESS, run.error
    assert now.integration.revision == made.revision + 1
    assert now.integration.tool_count == made.tool_count + 1


async def test_asking_again_says_what_came_went_and_changed(tmp_path: Path) -> None:
    async with plain() as server, serving(tmp_path / "data") as service:
        server.tools = [TOOL, {**TOOL, "name": "old"}]
        made = await add(service, "plain", mcp_url=server.url, internal=True)
        server.tools = [{**TOOL, "description": "Acts otherwise."}, {**TOOL, "name": "new"}]
        request = pb.UpdateIntegrationRequest(id=made.id, mcp_url=server.url)
        changed = await service.integrations.UpdateIntegration(request)

    assert list(changed.tools_added) == ["new"]
    assert list(changed.tools_removed) == ["old"]
    assert list(changed.tools_changed) == ["act"]


async def test_a_guarded_server_stops_its_run_at_the_users_authorization(tmp_path: Path) -> None:
    planner = ScriptedPlanner(plan_of(Scene("act")))
    async with (
        plain() as server,
        serving(tmp_path / "data", Overrides(planner=planner)) as service,
    ):
        made = await add(service, "plain", mcp_url=server.url, internal=True)
        server.answer = guarded(server)
        created = await service.create("Act")
        event = await service.until(created.run_id, "auth_required")

    assert event.status == events.RUN_STATUS_AUTH_REQUIRED
    assert event.auth_required.integration_id == made.id
    assert list(event.auth_required.scopes) == ["notes:read"]
    assert server.calls() == []


async def test_a_guarded_server_shows_its_tools_to_the_first_who_connects_and_calls_are_each_users_own(
    tmp_path: Path,
) -> None:
    planner = ScriptedPlanner(plan_of(Scene("act")))
    async with (
        plain() as server,
        serving(tmp_path / "data", Overrides(planner=planner)) as service,
    ):
        server.answer = guarded(server)
        made = await add(service, "plain", mcp_url=server.url, internal=True)
        assert (made.tool_count, list(made.auth.schemes)) == (0, ["oauth2"])

        await service.connections.CreateConnection(
            CreateConnectionRequest(
                integration_id=made.id, user_id="ada", bearer=ConnectionBearer(token=GUARDED)
            )
        )
        tools_now = await tools(service, made.id)
        own = await service.finished((await service.create("Act", user_id="ada")).run_id)
        other = await service.create("Act", user_id="grace")
        event = await service.until(other.run_id, "auth_required")

    assert [tool.secured for tool in tools_now.values()] == [True]
    assert own.status == events.RUN_STATUS_SUCCESS, own.error
    assert event.auth_required.user_id == "grace"
    assert list(event.auth_required.scopes) == ["notes:read"]
    assert len(server.calls()) == 1


class _Held(Response):
    """Refuses when it is let go."""

    def __init__(self) -> None:
        super().__init__(status_code=401)
        self.asked, self.going = asyncio.Event(), asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked.set()
        await self.going.wait()
        await super().__call__(scope, receive, send)


async def test_who_connects_before_the_server_refuses_does_not_wait_for_ever(tmp_path: Path) -> None:
    planner = ScriptedPlanner(plan_of(Scene("act")))
    async with plain() as server, serving(tmp_path / "data", Overrides(planner=planner)) as service:
        made = await add(service, "plain", mcp_url=server.url, internal=True)
        refusal = _Held()

        def refusing(request: Request, _: Mapping[str, Any]) -> Response | None:
            return None if request.headers.get("authorization") == f"Bearer {GUARDED}" else refusal

        server.answer = refusing
        created = await service.create("Act")
        await refusal.asked.wait()
        await service.connect(made.id, bearer=ConnectionBearer(token=GUARDED))
        refusal.going.set()
        run = await service.finished(created.run_id)

    assert run.status == events.RUN_STATUS_SUCCESS, run.error
    assert len(server.calls()) == 1


async def test_an_oauth_client_of_a_guarded_server_knows_its_issuer_and_resource(tmp_path: Path) -> None:
    async with plain() as server, serving(tmp_path / "data") as service:
        server.answer = guarded(server)
        client = pb.OAuthClient(client_id="errands")
        made = await add(service, "plain", mcp_url=server.url, internal=True, oauth_client=client)

    assert made.auth.oauth_client.issuer == "https://login.example"
    assert made.auth.oauth_client.resource == server.url


async def test_a_configured_process_takes_neither_a_credential_nor_a_client(tmp_path: Path) -> None:
    file = configured(tmp_path, {"desk": {"command": sys.executable, "args": ["-S", SCRIPT]}})
    async with serving(tmp_path / "data", mcp_servers=file) as service:
        made = await add(service, "desk", mcp_server="desk")
        credential = pb.IntegrationCredential(bearer=pb.BearerCredential(token="t"))
        for given in (
            {"credential": credential, "shared_credential": True},
            {"oauth_client": pb.OAuthClient(client_id="a", issuer="https://login.example")},
        ):
            with pytest.raises(aio.AioRpcError) as refusal:
                await service.integrations.UpdateIntegration(pb.UpdateIntegrationRequest(id=made.id, **given))
            assert list(violations(refusal.value)) == [next(iter(given))]


async def test_cancelling_a_run_cancels_its_call_at_the_server(tmp_path: Path) -> None:
    planner = ScriptedPlanner(plan_of(Scene("wait")))
    async with target() as found, serving(tmp_path / "data", Overrides(planner=planner)) as service:
        await add(service, "desk", mcp_url=found.url, internal=True)
        created = await service.create("Wait")
        await asyncio.wait_for(found.started.wait(), 10)
        await service.runs.CancelRun(_cancel(created.run_id), timeout=20)
        await asyncio.wait_for(found.cancelled.wait(), 10)
        run = await service.get(created.run_id)

    assert run.status == events.RUN_STATUS_CANCELED


def _cancel(run_id: str) -> Any:
    from errands.v1.run_pb2 import CancelRunRequest

    return CancelRunRequest(run_id=run_id)


async def test_the_audit_tells_no_parameters_of_an_endpoint(tmp_path: Path) -> None:
    async with target() as found, serving(tmp_path / "data") as service:
        made = await add(service, "desk", mcp_url=f"{found.url}?token=canary-7d1e", internal=True)
        told = await service.audit.ListAudit(ListAuditRequest(subject=made.id))

    (entry,) = told.entries
    assert json.loads(entry.details_json)["baseUrl"] == found.url


async def test_only_an_operator_lends_the_services_machine(tmp_path: Path) -> None:
    file = configured(tmp_path, {"desk": {"command": sys.executable, "args": ["-S", SCRIPT]}})
    async with serving(tmp_path / "data", mcp_servers=file) as service:
        admin = await service.with_scopes("integrations")
        made = await add(service, "desk", mcp_server="desk")
        for request in (
            pb.CreateIntegrationRequest(name="mine", mcp_server="desk"),
            pb.CreateIntegrationRequest(name="mine", mcp_url="http://127.0.0.1:1/", internal=True),
        ):
            with pytest.raises(aio.AioRpcError) as refusal:
                await admin.integrations.CreateIntegration(request)
            assert reason(refusal.value) == "SCOPE_MISSING"
        with pytest.raises(aio.AioRpcError) as refusal:
            await admin.integrations.UpdateIntegration(
                pb.UpdateIntegrationRequest(id=made.id, mcp_server="desk")
            )
        assert reason(refusal.value) == "SCOPE_MISSING"


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (pb.CreateIntegrationRequest(name="a"), "openapi"),
        (pb.CreateIntegrationRequest(name="a", mcp_url="ftp://x"), "mcp_url"),
        (pb.CreateIntegrationRequest(name="a", mcp_url="http://x/", openapi_document="{}"), "mcp"),
        (pb.CreateIntegrationRequest(name="a", mcp_url="http://x/", base_url="http://x/"), "base_url"),
        (pb.CreateIntegrationRequest(name="a", mcp_server="nobody"), "mcp_server"),
        (
            pb.CreateIntegrationRequest(
                name="a",
                mcp_server="desk",
                shared_credential=True,
                credential=pb.IntegrationCredential(bearer=pb.BearerCredential(token="t")),
            ),
            "credential",
        ),
    ],
)
async def test_a_description_that_is_none_is_refused_by_its_field(
    service: Service, request_: pb.CreateIntegrationRequest, field: str
) -> None:
    with pytest.raises(aio.AioRpcError) as refusal:
        await service.integrations.CreateIntegration(request_)

    assert list(violations(refusal.value)) == [field]


async def test_an_integration_keeps_its_kind(service: Service, shop_id: str) -> None:
    with pytest.raises(aio.AioRpcError) as refusal:
        await service.integrations.UpdateIntegration(
            pb.UpdateIntegrationRequest(id=shop_id, mcp_url="http://x.example/")
        )

    assert violations(refusal.value) == {
        "mcp_url": "this integration is of kind openapi; make another one for this"
    }
