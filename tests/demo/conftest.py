"""Shops for tests, each on the test's own file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx2
import pytest

from tests.demo import shops


@pytest.fixture
def open_shop(tmp_path: Path) -> Iterator[shops.OpenShop]:
    """Starts a shop; another call starts another process on the same file."""
    with ExitStack() as stack:
        yield lambda *flags: stack.enter_context(shops.open_shop(tmp_path / "shop.db", *flags))


@pytest.fixture
def shop(open_shop: shops.OpenShop) -> httpx2.Client:
    return open_shop()
