"""What a tenant may use is limited where an operator says so, each tenant by itself."""

from __future__ import annotations

import argparse
from typing import Any

import pytest
from google.rpc import error_details_pb2
from grpc import StatusCode, aio

from errands.v1 import integration_pb2, run_pb2
from errands.v1.connection_pb2 import ConnectionBearer, DeleteConnectionRequest
from errands_server import config
from errands_server.domain.rates import parse
from tests.contract.conftest import Clock, Serve, add_target
from tests.contract.refusals import details, refused
from tests.contract.target import Target
from tests.gateway.callers import asking
from tests.gateway.callers import reason as http_reason
from tests.service import Service, reason, violations

LIST = run_pb2.ListRunsRequest()


def retry_after(error: aio.AioRpcError) -> float:
    (info,) = details(error, error_details_pb2.RetryInfo)
    return float(info.retry_delay.seconds + info.retry_delay.nanos / 1e9)


async def test_nothing_is_limited_unless_it_is_set(service: Service) -> None:
    for _ in range(300):
        await service.runs.ListRuns(LIST)


async def test_a_tenant_that_asks_too_often_is_told_when_to_come_back(serve: Serve, clock: Clock) -> None:
    async with serve(tenant_rate=parse("60/m")) as service:
        error = await _until_refused(service)
        wait = retry_after(error)
        clock.moved += int(wait * 1_000) + 1
        await service.runs.ListRuns(LIST)

    assert (error.code(), reason(error)) == (StatusCode.RESOURCE_EXHAUSTED, "RATE_LIMITED")
    assert 0 < wait <= 1.0
    (quota,) = details(error, error_details_pb2.QuotaFailure)
    assert quota.violations[0].subject == "default"
    assert "60 requests a minute" in (error.details() or "")


async def _until_refused(service: Service) -> aio.AioRpcError:
    for _ in range(100):
        try:
            await service.runs.ListRuns(LIST)
        except aio.AioRpcError as error:
            return error
    raise AssertionError("a hundred requests were carried out")


async def test_one_tenants_haste_is_no_other_tenants_wait(serve: Serve) -> None:
    async with serve(tenant_rate=parse("60/h")) as service:
        stranger = await service.stranger()
        await _until_refused(service)

        await stranger.runs.ListRuns(LIST)


async def test_over_http_too_often_is_429_with_retry_after(serve: Serve) -> None:
    async with serve(tenant_rate=parse("20/h")) as service, asking(service) as client:
        await _until_refused(service)
        answer = await client.get("/v1/runs")

        assert http_reason(answer) == (429, "RATE_LIMITED")
        assert 1 <= int(answer.headers["retry-after"]) <= 180
        assert (await client.get("/healthz")).status_code == 200


async def test_a_key_that_is_none_counts_for_nobody(serve: Serve) -> None:
    async with serve(tenant_rate=parse("20/h")) as service:
        for _ in range(40):
            error = await refused(service.runs.ListRuns(LIST, metadata=[("x-api-key", "wrong")]))
            assert reason(error) == "CREDENTIALS_INVALID"

        await service.runs.ListRuns(LIST)


async def test_new_runs_are_limited_by_time_and_asking_again_is_no_new_run(serve: Serve) -> None:
    async with serve(run_rate=parse("2/h")) as service:
        first = await service.create("do", request_id="one")
        await service.create("do")
        error = await refused(service.create("do"))
        again = await service.create("do", request_id="one")
        validated = await service.create("do", validate_only=True)
        listed = await service.runs.ListRuns(LIST)

    assert (reason(error), retry_after(error) > 60) == ("RATE_LIMITED", True)
    assert "2 new runs an hour" in (error.details() or "")
    assert again.run_id == first.run_id
    assert not validated.run_id
    assert len(listed.runs) == 2


async def test_integrations_are_limited_by_number(serve: Serve, target: Target) -> None:
    async with serve(max_integrations=2) as service:
        second = await add_target(service, target, "second")
        error = await refused(add_target(service, target, "third"))
        await service.integrations.DeleteIntegration(integration_pb2.DeleteIntegrationRequest(id=second))
        await add_target(service, target, "third")

    assert (error.code(), reason(error)) == (StatusCode.RESOURCE_EXHAUSTED, "QUOTA_EXCEEDED")


async def test_connections_are_limited_by_number(serve: Serve, target: Target) -> None:
    async with serve(max_connections=1) as service:
        integration = await add_target(service, target, "first")
        mine = await service.connect(integration, bearer=ConnectionBearer(token="one"))
        again = await service.connect(integration, bearer=ConnectionBearer(token="two"))
        error = await refused(service.connect(integration, "user-2", bearer=ConnectionBearer(token="three")))
        await service.connections.DeleteConnection(DeleteConnectionRequest(id=mine.id))
        await service.connect(integration, "user-2", bearer=ConnectionBearer(token="three"))

    assert again.id == mine.id
    assert (error.code(), reason(error)) == (StatusCode.RESOURCE_EXHAUSTED, "QUOTA_EXCEEDED")
    assert "all the connections it may have (1)" in (error.details() or "")


@pytest.mark.parametrize("text", ["10", "10/x", "0/s", "-1/s", "1.5/s", "10 / s", "100000/s", "/s", "x"])
async def test_what_is_no_rate_is_refused_by_name_with_what_to_write(service: Service, text: str) -> None:
    request = integration_pb2.CreateIntegrationRequest(
        name="a", openapi_document="{}", rate_limit=text, max_concurrency=-1
    )
    wrong = violations(await refused(service.integrations.CreateIntegration(request)))
    with pytest.raises(argparse.ArgumentTypeError):
        config._rate(text)

    assert "such as 10/s" in wrong["rate_limit"]
    assert "0 to 1000" in wrong["max_concurrency"]


def test_serve_takes_the_limits_from_flags_and_the_environment(capsys: pytest.CaptureFixture[str]) -> None:
    environment = {
        "ERRANDS_TENANT_RATE": "100/s",
        "ERRANDS_MAX_INTEGRATIONS": "7",
        "ERRANDS_MAX_CONNECTIONS": "9",
    }
    set_up = config.parse(["--run-rate", "60/m"], environment)
    with pytest.raises(SystemExit):
        config.parse(["--tenant-rate", "often"])

    assert (str(set_up.tenant_rate), str(set_up.run_rate)) == ("100 a second", "60 a minute")
    assert (set_up.max_integrations, set_up.max_connections) == (7, 9)
    assert "'often' is no rate" in capsys.readouterr().err
    assert config.parse([], {}).tenant_rate is None


async def test_limits_of_an_integration_are_shown_changed_kept_and_lifted(
    service: Service, target: Target
) -> None:
    made = await add_target(service, target)

    async def update(**fields: Any) -> integration_pb2.Integration:
        request = integration_pb2.UpdateIntegrationRequest(id=made, **fields)
        return (await service.integrations.UpdateIntegration(request)).integration

    first = await update(rate_limit="10/s", max_concurrency=3)
    anew = await update(openapi_document=target.document())
    one_less = await update(rate_limit="")
    lifted = await update(max_concurrency=0)

    assert [(i.rate_limit, i.max_concurrency) for i in (first, anew, one_less, lifted)] == [
        ("10/s", 3),
        ("10/s", 3),
        ("", 3),
        ("", 0),
    ]


async def test_limits_of_an_integration_over_http(service: Service, target: Target) -> None:
    document = {"openapi": {"document": target.document()}, "internal": True, "name": "desk"}
    async with asking(service) as client:
        made = (
            await client.post(
                "/v1/integrations", json={**document, "rateLimit": "5/m", "maxConcurrency": 2.0}
            )
        ).json()
        path = f"/v1/integrations/{made['id']}"
        lifted = (await client.patch(path, json={"rateLimit": "", "maxConcurrency": 0})).json()
        wrong = await client.patch(path, json={"rateLimit": "often"})

    assert (made["rateLimit"], made["maxConcurrency"]) == ("5/m", 2)
    assert not {"rateLimit", "maxConcurrency"} & lifted.keys()
    assert "such as 10/s" in wrong.text
