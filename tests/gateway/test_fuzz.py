"""A few hundred requests that Schemathesis makes from the document; `make fuzz` makes thousands."""

from __future__ import annotations

import pytest

from tests.gateway.fuzz.__main__ import fuzz

pytest.importorskip("schemathesis")


async def test_the_gateway_does_what_its_document_says() -> None:
    fuzzed = await fuzz(examples=14, phases="examples,fuzzing")

    assert fuzzed.status == 0, fuzzed.text
    assert fuzzed.cases >= 300
    assert fuzzed.answers.total() >= 300
