"""grpc.health.v1, which includes whether the store can be written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from grpc_health.v1 import health_pb2
from grpc_health.v1.health import aio as health_aio


class Health(health_aio.HealthServicer):
    """SERVING where that is set and `ready` returns true."""

    def __init__(self, ready: Callable[[], bool]) -> None:
        super().__init__()
        self._ready = ready

    async def Check(self, request: health_pb2.HealthCheckRequest, context: Any) -> Any:
        """NOT_FOUND: there is no such service."""
        answer = await super().Check(request, context)
        if not self._ready():
            return health_pb2.HealthCheckResponse(status=health_pb2.HealthCheckResponse.NOT_SERVING)
        return answer
