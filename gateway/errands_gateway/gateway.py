"""What the operations share: the server's stubs, the settings and the open streams."""

from __future__ import annotations

from typing import Any

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
from .shown import Shown
from .streams import Streams


class Gateway:
    """One server behind one HTTP address. Holds no secret of its own."""

    def __init__(self, channel: aio.Channel, settings: Settings) -> None:
        # Generated stubs have no types for grpc.aio.
        self.runs: Any = RunServiceStub(channel)
        self.get_run: Any = channel.unary_unary(
            "/errands.v1.RunService/GetRun", request_serializer=GetRunRequest.SerializeToString
        )
        self.shown = Shown()
        self.approvals: Any = ApprovalServiceStub(channel)
        self.integrations: Any = IntegrationServiceStub(channel)
        self.connections: Any = ConnectionServiceStub(channel)
        self.keys: Any = KeyServiceStub(channel)
        self.audit: Any = AuditServiceStub(channel)
        self.health: Any = HealthStub(channel)
        self.settings = settings
        self.streams = Streams(self.runs, settings)
