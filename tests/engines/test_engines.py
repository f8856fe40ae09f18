"""That what is about execution is tried on each engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contract.conftest import Serve
from tests.contract.plans import READ, steps
from tests.databases import looked_into

pytestmark = pytest.mark.execution


async def test_a_run_is_executed_by_the_engine_that_the_test_is_about(
    serve: Serve, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    async with serve(steps(READ)) as service:
        await service.finished((await service.create("do")).run_id)
        engines = looked_into(tmp_path / "data", "SELECT engine FROM runs")

    assert [row.engine for row in engines] == [request.node.callspec.params["_engine"]]
