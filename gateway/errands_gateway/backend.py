"""The server behind a gateway: its stubs, its open streams, and the responses that are kept."""

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
from .streaming.sse import EventStreams

MOST: Final = 512  # responses kept
LARGEST: Final = 32 << 10  # bytes of one that is kept, of the server and in JSON together


class ResponseCache:
    """Keeps the JSON of the last responses: an equal message of the server is not encoded again."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[Callable[[bytes], bytes], bytes], bytes] = OrderedDict()

    def encode(self, message: bytes, encoder: Callable[[bytes], bytes]) -> bytes:
        """What `encoder`, a function of one dialect, returns for a message."""
        key = encoder, message
        kept = self._kept.get(key)
        if kept is not None:
            self._kept.move_to_end(key)
            return kept
        made = encoder(message)
        if len(message) + len(made) <= LARGEST:
            self._kept[key] = made
            if len(self._kept) > MOST:
                self._kept.popitem(last=False)
        return made


class Backend:
    """One server behind one HTTP address. It holds no secret of its own."""

    def __init__(self, channel: aio.Channel, settings: Settings) -> None:
        # Generated stubs have no types for grpc.aio.
        self.runs: Any = RunServiceStub(channel)
        # Not decoded, because equal bytes have equal JSON.
        self.get_run: Any = channel.unary_unary(
            "/errands.v1.RunService/GetRun", request_serializer=GetRunRequest.SerializeToString
        )
        self.responses = ResponseCache()
        self.approvals: Any = ApprovalServiceStub(channel)
        self.integrations: Any = IntegrationServiceStub(channel)
        self.connections: Any = ConnectionServiceStub(channel)
        self.keys: Any = KeyServiceStub(channel)
        self.audit: Any = AuditServiceStub(channel)
        self.health: Any = HealthStub(channel)
        self.settings = settings
        self.streams = EventStreams(self.runs, settings)
