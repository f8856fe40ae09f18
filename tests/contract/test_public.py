"""What needs no key: health, reflection, and the probes over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from grpc import StatusCode, aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from errands_server.app import SERVICES, running
from errands_server.config import Config
from tests.contract.conftest import Serve
from tests.contract.plans import HELD, steps
from tests.service import PATIENCE, Service, serving

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


async def listed(service: Service) -> set[str]:
    stub = reflection_pb2_grpc.ServerReflectionStub(service.channel)

    async def ask() -> AsyncIterator[reflection_pb2.ServerReflectionRequest]:
        yield reflection_pb2.ServerReflectionRequest(list_services="")

    answers = [answer async for answer in stub.ServerReflectionInfo(ask(), timeout=PATIENCE)]
    return {found.name for found in answers[0].list_services_response.service}


async def test_reflection_needs_no_key_and_lists_every_service(service: Service) -> None:
    assert await listed(service) >= {*SERVICES, "grpc.health.v1.Health"}


async def test_reflection_can_be_switched_off(tmp_path: Path) -> None:
    async with serving(tmp_path / "data", reflection=False) as service:
        with pytest.raises(aio.AioRpcError) as caught:
            await listed(service)

    assert caught.value.code() is StatusCode.UNIMPLEMENTED


async def test_health_needs_no_key_and_knows_every_service(service: Service) -> None:
    stub = health_pb2_grpc.HealthStub(service.channel)
    for name in ("", *SERVICES):
        answer = await stub.Check(health_pb2.HealthCheckRequest(service=name), timeout=PATIENCE)

        assert answer.status == SERVING


async def test_health_and_readiness_end_when_the_server_drains(serve: Serve) -> None:
    async with serve(steps(HELD), drain=0.2) as service, httpx2.AsyncClient() as client:
        http = f"http://{service.app.http_address}"
        watched = health_pb2_grpc.HealthStub(service.channel).Watch(
            health_pb2.HealthCheckRequest(), timeout=PATIENCE
        )
        before = await watched.read()
        ready = await client.get(f"{http}/readyz")
        await service.create("do")
        draining = asyncio.create_task(service.app.drain())
        after = await watched.read()
        unready = await client.get(f"{http}/readyz")
        alive = await client.get(f"{http}/healthz")
        await draining

        assert (before.status, after.status) == (SERVING, NOT_SERVING)
        assert (ready.status_code, unready.status_code, alive.status_code) == (200, 503, 200)
        assert unready.headers["retry-after"]


@pytest.mark.skipif(not Path("/proc/net/if_inet6").exists(), reason="this machine has no IPv6")
async def test_the_probes_listen_on_ipv6_too(tmp_path: Path) -> None:
    config = Config(data=tmp_path / "data", grpc="[::1]:0", http="[::1]:0")
    async with running(config) as app, httpx2.AsyncClient() as client:
        answer = await client.get(f"http://{app.http_address}/readyz")

        assert app.http_address.startswith("[::1]:")
        assert answer.status_code == 200
