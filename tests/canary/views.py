"""Shows a search everything that callers of every interface see of a server's runs."""

from __future__ import annotations

import asyncio
import subprocess

import httpx2

from errands.v1 import approval_pb2, connection_pb2, integration_pb2, key_pb2, run_pb2
from tests.canary.search import Search
from tests.cli.command_line import ERRANDS, environment
from tests.gateway.callers import asking
from tests.service import Service

_PAGE = {"accept": "text/html"}


async def look_everywhere(search: Search, service: Service) -> list[run_pb2.Run]:
    """All runs, whose every event, approval and page was looked at."""
    runs = (await service.runs.ListRuns(run_pb2.ListRunsRequest(page_size=100, include_events=True))).runs
    search.look("gRPC ListRuns", str(runs))
    await _administration(search, service)
    async with asking(service) as http:
        for path in ("runs", "runs?includeEvents=true", "approvals?status=pending", "integrations", "keys"):
            search.look(f"REST {path}", _whole(await http.get(f"/v1/{path}")))
        for run in runs:
            await _run(search, service, http, run)
    return list(runs)


async def _administration(search: Search, service: Service) -> None:
    asked = await service.approvals.ListApprovals(approval_pb2.ListApprovalsRequest(page_size=100))
    search.look("gRPC ListApprovals", str(asked))
    search.look("gRPC ListKeys", str(await service.keys.ListKeys(key_pb2.ListKeysRequest(page_size=100))))
    listed = await service.integrations.ListIntegrations(
        integration_pb2.ListIntegrationsRequest(page_size=100)
    )
    search.look("gRPC ListIntegrations", str(listed))
    connections = connection_pb2.ListConnectionsRequest(page_size=100)
    search.look("gRPC ListConnections", str(await service.connections.ListConnections(connections)))
    for one in listed.integrations:
        tools = await service.integrations.ListTools(integration_pb2.ListToolsRequest(id=one.id))
        search.look("gRPC ListTools", str(tools))


async def _run(search: Search, service: Service, http: httpx2.AsyncClient, run: run_pb2.Run) -> None:
    ask = run_pb2.ListRunEventsRequest(run_id=run.run_id, limit=1_000, include_tool_calls=True)
    search.look("gRPC GetRun", str(await service.get(run.run_id, include_events=True)))
    search.look("gRPC ListRunEvents", str(await service.runs.ListRunEvents(ask)))
    plan = run_pb2.GetPlanRequest(execution_plan_id=run.execution_plan_id)
    search.look("gRPC GetPlan", str(await service.runs.GetPlan(plan)))
    path = f"/v1/runs/{run.run_id}"
    for view in ("?includeEvents=true", "/events?limit=1000", "/events?limit=1000&includeToolCalls=true"):
        search.look("REST runs/{id}", _whole(await http.get(f"{path}{view}")))
    for view in ("", "?includeToolCalls=true"):
        search.look("SSE", await _streamed(http, f"{path}/sse{view}", ended=run.HasField("error")))
    for approval in run.pending_approvals:
        for action in approval.actions:
            link = action.url.partition("/v1/")[2]
            search.look("approval page", _whole(await http.get(f"/v1/{link}", headers=_PAGE)))


async def _streamed(http: httpx2.AsyncClient, path: str, *, ended: bool) -> str:
    """What a stream holds by now, to its end where the run has one."""
    seen = ""
    try:
        async with asyncio.timeout(None if ended else 1), http.stream("GET", path) as answer:
            async for text in answer.aiter_text():
                seen += text
    except TimeoutError:
        pass
    return seen


def _whole(answer: httpx2.Response) -> str:
    return f"{answer.status_code} {dict(answer.headers)}\n{answer.text}"


def look_at_the_command_line(search: Search, service: Service, runs: list[run_pb2.Run]) -> None:
    """What a terminal shows, in words and in JSON."""
    env = environment(ERRANDS_SERVER=service.app.grpc_address, ERRANDS_API_KEY=service.key)
    commands: list[list[str]] = [["ls"], ["approvals", "--all"], ["integrations", "ls"], ["keys", "ls"]]
    commands += [["get", run.run_id] for run in runs[:3]]
    commands += [["watch", "--tool-calls", run.run_id] for run in runs if run.HasField("error")][:3]
    for command in commands:
        for more in ([], ["--json"]):
            search.look("command line", _printed(env, [*command, *more]))
    wrong = environment(ERRANDS_SERVER=service.app.grpc_address, ERRANDS_API_KEY=f"{service.key}x")
    search.look("command line", _printed(wrong, ["ls"]))


def _printed(env: dict[str, str], command: list[str]) -> str:
    done = subprocess.run(
        [ERRANDS, *command], env=env, capture_output=True, text=True, timeout=60, check=False
    )
    return f"{done.returncode}\n{done.stdout}\n{done.stderr}"
