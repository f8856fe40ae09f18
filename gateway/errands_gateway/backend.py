"""What the operations share: the server's stubs, the settings and the open streams."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final

from grpc import aio
from grpc_health.v1.health_pb2_grpc import HealthStub

from errands.v1.approval_pb2_grpc import ApprovalServiceStub
from errands.v1.audit_pb2_grpc import AuditServiceStub
from errands.v1.connection_pb2_grpc import ConnectionServiceStub
from errands.v1.integration_pb2_grpc import IntegrationServiceStub
from errands.v1.key_pb2_grpc import KeyServiceStub
from errands.v1.run_pb2 import GetRunRequest
from errands.v1.run_pb2_grpc import RunServiceStub

from .settings import Settings
from .streaming.sse import Streams

MOST: Final = 512  # answers kept
LARGEST: Final = 32 << 10  # bytes of one that is kept


class ResponseCache:
    """Keeps what was shown last. Every answer comes from the server; only its second making is spared."""

    def __init__(self) -> None:
        self._kept: OrderedDict[bytes, bytes] = OrderedDict()

    def of(self, answer: bytes, make: Callable[[bytes], bytes]) -> bytes:
        """What `make` gives for this answer."""
        kept = self._kept.get(answer)
        if kept is not None:
            self._kept.move_to_end(answer)
            return kept
        made = make(answer)
        if len(answer) + len(made) <= LARGEST:
            self._kept[answer] = made
            if len(self._kept) > MOST:
                self._kept.popitem(last=False)
        return made


class Backend:
    """One server behind one HTTP address. Holds no secret of its own."""

    def __init__(self, channel: aio.Channel, settings: Settings) -> None:
        # Generated stubs have no types for grpc.aio.
        self.runs: Any = RunServiceStub(channel)
        self.get_run: Any = channel.unary_unary(
            "/errands.v1.RunService/GetRun", request_serializer=GetRunRequest.SerializeToString
        )
        self.shown = ResponseCache()
        self.approvals: Any = ApprovalServiceStub(channel)
        self.integrations: Any = IntegrationServiceStub(channel)
        self.connections: Any = ConnectionServiceStub(channel)
        self.keys: Any = KeyServiceStub(channel)
        self.audit: Any = AuditServiceStub(channel)
        self.health: Any = HealthStub(channel)
        self.settings = settings
        self.streams = Streams(self.runs, settings)
