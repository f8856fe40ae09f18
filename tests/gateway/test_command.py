"""`errands gateway`: the same interface, by itself, in front of a server elsewhere."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from errands_gateway.__main__ import parse
from errands_server.app import running
from errands_server.config import Config
from tests import certificate
from tests.cli.command_line import Errands, environment
from tests.service import OPERATOR, Service

KEY = {"x-api-key": OPERATOR}


@contextmanager
def gateway(server: str, *flags: str) -> Iterator[str]:
    """`errands gateway` in front of `server`, until it is told to stop; its URL."""
    with Errands(environment()).started(
        "gateway", "--server", server, "--http", "127.0.0.1:0", *flags
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("errands: gateway http="), line
        yield f"http://{line.split()[2].removeprefix('http=')}"
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


async def test_a_gateway_by_itself_answers_for_a_server_elsewhere(service: Service) -> None:
    with gateway(service.app.grpc_address) as url:
        async with httpx2.AsyncClient(base_url=url) as client:
            ready = await client.get("/readyz")
            runs = await client.get("/v1/runs", headers=KEY)
            stranger = await client.get("/v1/runs", headers={"x-api-key": "none"})

    assert (ready.status_code, ready.text) == (200, "ready\n")
    assert (runs.status_code, runs.json()) == (200, [])
    assert stranger.status_code == 401


async def test_a_gateway_trusts_a_server_by_its_certificate(tmp_path: Path) -> None:
    pem, private = certificate.issue(tmp_path)
    config = Config(
        data=tmp_path / "data",
        grpc="127.0.0.1:0",
        http="127.0.0.1:0",
        api_key=OPERATOR,
        tls_cert=pem,
        tls_key=private,
    )
    async with running(config) as app:
        with gateway(app.grpc_address, "--server-ca", str(pem)) as url:
            async with httpx2.AsyncClient() as client:
                alone = await client.get(f"{url}/v1/runs", headers=KEY)
                beside = await client.get(f"http://{app.http_address}/v1/runs", headers=KEY)

    assert alone.status_code == beside.status_code == 200


async def test_without_a_server_the_gateway_is_healthy_and_not_ready() -> None:
    with gateway(f"127.0.0.1:{free_port()}") as url:
        async with httpx2.AsyncClient(base_url=url) as client:
            healthy = await client.get("/healthz")
            ready = await client.get("/readyz")
            runs = await client.get("/v1/runs", headers=KEY)

    assert healthy.status_code == 200
    assert (ready.status_code, ready.headers["retry-after"]) == (503, "1")
    assert runs.status_code == 503
    assert runs.json()["reason"] == "SERVER_UNREACHABLE"
    assert int(runs.headers["retry-after"]) > 0


def test_an_address_that_is_taken_is_said_and_ends_with_1() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        said = Errands(environment())("gateway", "--http", address, code=1).stderr

    assert address in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    "flags",
    [
        ["--http", "8080"],
        ["--server", "host:port"],
        ["--request-limit", "0"],
        ["--max-streams", "some"],
        ["--log-level", "loud"],
    ],
)
def test_a_wrong_flag_is_a_usage_error_that_names_it(
    flags: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(flags, {})

    assert ended.value.code == 2
    assert flags[0] in capsys.readouterr().err


def test_flags_win_over_the_environment_and_the_environment_over_defaults() -> None:
    environment = {"ERRANDS_CORS": "https://a.example, https://b.example", "ERRANDS_REQUEST_LIMIT": "5"}
    found = parse(["--request-limit", "7"], environment).settings

    assert found.cors == ("https://a.example", "https://b.example")
    assert found.limit == 7
    assert found.http == "127.0.0.1:8080"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])
