"""Pages of other origins, and proxies between callers and the gateway."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.contract.conftest import Serve
from tests.contract.plans import READ, steps
from tests.gateway.test_command import free_port
from tests.service import PATIENCE, Service, serving

PAGE = "https://console.example"
ASKING = {
    "origin": PAGE,
    "access-control-request-method": "POST",
    "access-control-request-headers": "x-api-key,content-type,idempotency-key",
}


@asynccontextmanager
async def client(service: Service) -> AsyncGenerator[httpx2.AsyncClient, None]:
    async with httpx2.AsyncClient(
        base_url=f"http://{service.app.http_address}", headers={"x-api-key": service.key}, timeout=PATIENCE
    ) as opened:
        yield opened


async def test_pages_of_other_origins_may_not_call_unless_an_operator_allows_it(service: Service) -> None:
    async with client(service) as http:
        asked = await http.options("/v1/runs", headers=ASKING)
        answered = await http.get("/v1/runs", headers={"origin": PAGE})

    assert asked.status_code == 405
    assert "access-control-allow-origin" not in {*asked.headers, *answered.headers}


async def test_pages_of_allowed_origins_may_call_and_read_what_they_need(tmp_path: Path) -> None:
    async with serving(tmp_path / "data", cors=(PAGE,)) as service, client(service) as http:
        asked = await http.options("/v1/runs", headers=ASKING)
        answered = await http.get("/v1/runs", headers={"origin": PAGE})
        other = await http.get("/v1/runs", headers={"origin": "https://evil.example"})

    assert asked.status_code == 200
    assert asked.headers["access-control-allow-origin"] == PAGE
    assert answered.headers["access-control-allow-origin"] == PAGE
    assert "link" in answered.headers["access-control-expose-headers"].lower()
    assert "access-control-allow-origin" not in other.headers


@pytest.mark.parametrize(("trusted", "scheme"), [((), "http"), (("127.0.0.1",), "https")])
async def test_forwarded_headers_count_only_from_trusted_proxies(
    tmp_path: Path, trusted: tuple[str, ...], scheme: str
) -> None:
    async with serving(tmp_path / "data", trusted_proxies=trusted) as service:
        for _ in range(2):
            await service.create("do")
        async with client(service) as http:
            headers = {"x-forwarded-proto": "https", "x-forwarded-for": "203.0.113.9"}
            page = await http.get("/v1/runs?pageSize=1", headers=headers)

    assert page.headers["link"].startswith(f"<{scheme}://{service.app.http_address}/v1/runs?")


@contextmanager
def nginx(folder: Path, upstream: str) -> Iterator[str]:
    """A proxy with its usual buffering; its URL."""
    command = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/bin")
    if command is None:
        pytest.skip("nginx is not installed")
    port = free_port()
    temporary = " ".join(
        f"{name}_temp_path {folder / name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"pid {folder / 'pid'}; daemon off; error_log stderr; events {{}}"
        f"http {{ access_log off; {temporary} server {{ listen 127.0.0.1:{port}; location / {{"
        f" proxy_pass http://{upstream}; proxy_http_version 1.1; proxy_set_header Connection '';"
        " proxy_set_header Host $host:$server_port; proxy_set_header X-Forwarded-Proto https; } } }"
    )
    with subprocess.Popen([command, "-c", folder / "nginx.conf", "-p", folder], stderr=sys.stderr) as process:
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


async def reachable(http: httpx2.AsyncClient) -> None:
    transport: Any = httpx2.ConnectError
    for _ in range(10_000):
        try:
            await http.get("/healthz")
        except transport:
            continue
        return


async def test_a_stream_behind_a_buffering_proxy_is_live(serve: Serve, tmp_path: Path) -> None:
    async with serve(steps(READ), trusted_proxies=("127.0.0.1",)) as service:
        run = await service.create("do", approval_strategy="APPROVAL_STRATEGY_ON_START")
        with nginx(tmp_path, service.app.http_address) as url:
            async with httpx2.AsyncClient(base_url=url, headers={"x-api-key": service.key}) as http:
                await reachable(http)
                seen = []
                async with http.stream("GET", f"/v1/runs/{run.run_id}/sse", timeout=PATIENCE) as answer:
                    async for line in answer.aiter_lines():
                        if line.startswith("event: "):
                            seen.append(line.removeprefix("event: "))
                        if seen[-2:] == ["approval.required", "status"]:
                            break
                ended = await http.delete(f"/v1/runs/{run.run_id}")

    assert "approval.required" in seen
    assert ended.json()["status"] == "CANCELED"
