"""The log: one JSON object a line, whatever an event holds."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from datetime import datetime

import pytest
import structlog

from errands.server_process import access_log, configure_log


@pytest.fixture
def sink() -> Iterator[io.BytesIO]:
    before, sink = structlog.get_config(), io.BytesIO()
    configure_log("info", sink)
    yield sink
    structlog.configure(**before)
    access_log.to(None)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("ünïcode \n", "ünïcode \n"),
        ("half a pair \ud83d", "half a pair ?"),
        (("a", 1, None), ["a", 1, None]),
        (ValueError("why"), "why"),
    ],
)
def test_a_line_is_one_object_whatever_it_holds(sink: io.BytesIO, value: object, written: object) -> None:
    structlog.get_logger().info("looked", value=value)
    access_log.info({"event": "call", "value": value})

    first, second = (json.loads(line) for line in sink.getvalue().splitlines())

    assert (first["event"], first["level"], first["value"]) == ("looked", "info", written)
    assert (second["event"], second["level"], second["value"]) == ("call", "info", written)
    for line in (first, second):
        assert datetime.fromisoformat(line["timestamp"]).utcoffset() is not None
        assert line["timestamp"].endswith("Z")


def test_a_fault_brings_its_traceback(sink: io.BytesIO) -> None:
    try:
        raise RuntimeError("broke")
    except RuntimeError:
        structlog.get_logger().exception("fault", method="/a/B")

    line = json.loads(sink.getvalue())

    assert (line["level"], line["method"]) == ("error", "/a/B")
    assert "RuntimeError: broke" in line["exception"]
