"""TLS by flags: with a certificate, gRPC speaks nothing else."""

from __future__ import annotations

from pathlib import Path

import grpc
import pytest
from grpc import aio

from errands.v1.run_pb2 import ListRunsRequest
from errands.v1.run_pb2_grpc import RunServiceStub
from errands_server import config
from errands_server.app import running
from errands_server.config import Config
from tests import certificate
from tests.service import OPERATOR


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    return certificate.issue(tmp_path)


async def test_with_a_certificate_only_tls_is_spoken(pair: tuple[Path, Path], tmp_path: Path) -> None:
    settings = Config(
        data=tmp_path / "data",
        grpc="127.0.0.1:0",
        http="127.0.0.1:0",
        api_key=OPERATOR,
        tls_cert=pair[0],
        tls_key=pair[1],
    )
    trusted = grpc.ssl_channel_credentials(pair[0].read_bytes())
    metadata = (("x-api-key", OPERATOR),)
    async with running(settings) as app:
        async with aio.secure_channel(app.grpc_address, trusted) as channel:
            answer = await RunServiceStub(channel).ListRuns(ListRunsRequest(), metadata=metadata, timeout=10)
        async with aio.insecure_channel(app.grpc_address) as channel:
            with pytest.raises(aio.AioRpcError) as refused:
                await RunServiceStub(channel).ListRuns(ListRunsRequest(), metadata=metadata, timeout=2)

    assert not answer.runs
    assert refused.value.code() in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}


def test_a_certificate_without_its_key_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        config.parse(["--tls-cert", "server.pem"], {})

    assert ended.value.code == 2
    assert "--tls-key" in capsys.readouterr().err


def test_flags_win_over_the_environment_and_the_environment_over_defaults() -> None:
    environment = {"ERRANDS_KEEP": "90d", "ERRANDS_DRAIN": "5"}
    settings = config.parse(["--drain", "7"], environment)

    assert settings.keep == 90 * 24 * 3_600 * 1_000
    assert settings.drain == 7
    assert settings.grpc == "127.0.0.1:50051"
