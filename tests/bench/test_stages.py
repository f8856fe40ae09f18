"""The benchmark of stages measures code that is there."""

from __future__ import annotations

import importlib
from functools import reduce

import pytest

from tests.bench.staged import PLACES


@pytest.mark.parametrize("place", sorted({place for _, place in PLACES}))
def test_every_stage_is_a_function_of_the_server(place: str) -> None:
    module, _, path = place.partition(":")

    assert callable(reduce(getattr, path.split("."), importlib.import_module(f"errands_server.{module}")))
