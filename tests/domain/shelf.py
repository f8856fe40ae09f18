"""What a process asks the catalog, answered from a scenario without waiting."""

from __future__ import annotations

from collections.abc import Coroutine
from types import SimpleNamespace
from typing import Any, TypeVar

from errands_server.domain.tool import Tool, ToolRef
from errands_server.ports import AuthorizationRequired, CallRequest
from tests.domain.scenarios import OPEN, ORIGIN, SECURED, Scenario

T = TypeVar("T")


def now_or_never(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that has nothing to wait for."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    raise AssertionError("it waits for something")


class Shelf:
    """What the executor asks the catalog: tools, and which integrations can be used now."""

    def __init__(self, scenario: Scenario) -> None:
        self._tools = scenario.tools
        self.inactive: set[str] = set()
        self.credential: str | None = None

    async def active(self, tenant: str) -> dict[str, Any]:
        current = {
            OPEN: SimpleNamespace(origin=ORIGIN, credential=None),
            SECURED: SimpleNamespace(origin=ORIGIN, credential=self.credential),
        }
        return {key: value for key, value in current.items() if key not in self.inactive}

    async def missing(self, request: CallRequest) -> AuthorizationRequired | None:
        lacks = self._tools[request.ref.name].secured and self.credential is None
        return AuthorizationRequired(message="no credential for this service") if lacks else None

    async def shared(self, request: CallRequest) -> bool:
        return request.ref.integration_id == SECURED and self.credential is not None

    async def tool(self, tenant: str, ref: ToolRef) -> tuple[Any, Tool]:
        return SimpleNamespace(name=ref.integration_id), self._tools[ref.name]
