"""The server and the service it calls, as in the tests of the contract."""

from tests.contract.conftest import _quiet, clock, desk, serve

__all__ = ["_quiet", "clock", "desk", "serve"]
