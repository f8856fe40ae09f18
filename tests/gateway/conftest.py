"""Servers told what to plan, as the contract's tests have them."""

from __future__ import annotations

from tests.contract.conftest import clock, serve, target

__all__ = ["clock", "serve", "target"]
