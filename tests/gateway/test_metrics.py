"""Numbers for whoever operates it: right, few, and of nobody in particular."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import httpx2
from prometheus_client.parser import text_string_to_metric_families

from tests.contract.conftest import Serve
from tests.contract.plans import HELD, READ, REFUSED, WRITE, chain, steps
from tests.contract.target import Target
from tests.gateway.callers import NOBODY, asking, reason
from tests.gateway.streams.readers import client, ticket, watching
from tests.gateway.test_command import KEY, gateway
from tests.service import PATIENCE, Service

LABELS = {"status", "outcome", "method", "code", "route", "credential", "le"}
Numbers = Mapping[tuple[str, frozenset[tuple[str, str]]], float]


def numbers(answer: httpx2.Response) -> Numbers:
    """The samples of our own, by name and labels."""
    assert answer.status_code == 200, answer.text
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
        if sample.name.startswith("errands_")
    }


def of(found: Numbers, name: str, **labels: str) -> float:
    return found.get((name, frozenset(labels.items())), 0.0)


async def test_numbers_are_for_who_administers(service: Service) -> None:
    reader = await service.with_scopes("runs:read", "runs:write", "approvals", "integrations")
    admin = await service.with_scopes("admin")
    async with asking(service) as http:
        nobody = await http.get("/metrics", headers={"x-api-key": ""})
        stranger = await http.get("/metrics", headers={"x-api-key": "none"})
        read = await http.get("/metrics", headers={"x-api-key": reader.key})
        administered = await http.get("/metrics", headers={"x-api-key": admin.key})
        operated = await http.get("/metrics")
        head = await http.head("/metrics")

    assert [answer.status_code for answer in (nobody, stranger)] == [401, 401]
    assert reason(read) == (403, "SCOPE_MISSING")
    assert [answer.status_code for answer in (administered, operated, head)] == [200, 200, 200]
    assert operated.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert operated.headers["cache-control"] == "no-store"


async def test_numbers_follow_what_happens(serve: Serve) -> None:
    async with serve(chain(READ, REFUSED, WRITE)) as service, asking(service) as http:
        before = numbers(await http.get("/metrics"))
        run_id = (await service.create("do")).run_id
        await service.finished(run_id)
        await http.get(f"/v1/runs/{run_id}")
        await http.get(f"/v1/runs/{NOBODY}")
        await http.get("/nowhere")
        after = numbers(await http.get("/metrics"))

    def grown(name: str, **labels: str) -> float:
        return of(after, name, **labels) - of(before, name, **labels)

    assert grown("errands_runs_created_total") == 1
    assert grown("errands_runs_finished_total", status="PARTIAL_SUCCESS") == 1
    assert grown("errands_tool_calls_total", outcome="done") == 1
    assert grown("errands_tool_calls_total", outcome="failed") == 1
    method = "errands.v1.RunService/CreateRun"
    assert grown("errands_grpc_requests_total", method=method, code="OK") == 1
    assert grown("errands_grpc_request_seconds_count", method=method) == 1
    read = {"method": "errands.v1.RunService/GetRun"}
    assert grown("errands_grpc_requests_total", code="NOT_FOUND", **read) == 1
    route = {"method": "GET", "route": "/v1/runs/{runId}"}
    assert grown("errands_http_requests_total", status="200", **route) == 1
    assert grown("errands_http_requests_total", status="404", **route) == 1
    assert grown("errands_http_requests_total", status="404", method="GET", route="unknown") == 1
    assert 0 < grown("errands_commit_seconds_count") <= grown("errands_commit_works_sum")


async def test_runs_are_counted_while_they_are_executed_and_while_they_wait(
    serve: Serve, target: Target
) -> None:
    async with serve(steps(HELD), max_active=1) as service, asking(service) as http:
        held = [(await service.create("do", plan_wait_ms=0)).run_id for _ in range(3)]
        await target.arrived.wait()
        during = numbers(await http.get("/metrics"))
        target.open.set()
        for run_id in held:
            await service.finished(run_id)
        async with asyncio.timeout(PATIENCE):
            while of(numbers(await http.get("/metrics")), "errands_runs_active"):
                pass

    assert (of(during, "errands_runs_active"), of(during, "errands_runs_queued")) == (1, 2)


async def test_open_streams_are_counted_by_what_opened_them(serve: Serve) -> None:
    async with serve(steps(READ)) as service:
        address = service.app.http_address
        run_id = (await service.create("do", approval_strategy=2)).run_id
        async with client(address, service.key) as http, client(address) as keyless:
            before = numbers(await http.get("/metrics"))
            query = await ticket(http, run_id)
            async with (
                watching(http, run_id),
                watching(http, run_id) as live,
                watching(keyless, run_id, query) as ticketed,
            ):
                await live.until("approval.required")
                await ticketed.until("approval.required")
                during = numbers(await http.get("/metrics"))
    grown = {
        credential: of(during, "errands_http_streams", credential=credential)
        - of(before, "errands_http_streams", credential=credential)
        for credential in ("key", "ticket")
    }

    assert grown == {"key": 2, "ticket": 1}
    assert of(during, "errands_grpc_streams") >= 1


async def test_no_number_is_of_somebody(serve: Serve) -> None:
    async with serve(steps(READ)) as service, asking(service) as http:
        run_id = (await service.finished((await service.create("do", user_id="ada")).run_id)).run_id
        await http.get(f"/v1/runs/{run_id}?userId=ada", headers={"x-request-id": "ada"})
        await http.get("/ada")
        answer = await http.get("/metrics")
        found = numbers(answer)

    assert {label for _, labels in found for label, _ in labels} <= LABELS
    assert not [text for text in (run_id, "ada", "default", service.key) if f'"{text}' in answer.text]
    assert len(found) < 2_000


async def test_a_gateway_by_itself_has_numbers_of_its_own_alone(service: Service) -> None:
    with gateway(service.app.grpc_address) as url:
        async with httpx2.AsyncClient(base_url=url, headers=KEY) as http:
            await http.get("/v1/runs")
            found = numbers(await http.get("/metrics"))

    assert of(found, "errands_http_requests_total", method="GET", route="/v1/runs", status="200") == 1
    assert {name.split("_")[1] for name, _ in found} == {"http"}
