"""The server and the service it calls, as in the tests of the contract."""

from tests.contract.conftest import _quiet, clock, serve, target

__all__ = ["_quiet", "clock", "serve", "target"]
