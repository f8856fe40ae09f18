"""A log that says nothing but errors."""

from __future__ import annotations

from tests.contract.conftest import _quiet

__all__ = ["_quiet"]
