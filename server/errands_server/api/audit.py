"""AuditService."""

from __future__ import annotations

from typing import Any

from errands.v1 import audit_pb2 as pb
from errands.v1 import audit_pb2_grpc

from ..services.audit import Audits
from ..store.repositories.audit import AuditFilter
from . import messages
from .interceptor import current_principal
from .validation import MAX_ID, RequestValidator, make_page_token


class AuditServicer(audit_pb2_grpc.AuditServiceServicer):
    def __init__(self, audits: Audits) -> None:
        self._audits = audits

    async def ListAudit(self, request: pb.ListAuditRequest, context: Any) -> pb.ListAuditResponse:
        validator = RequestValidator()
        size = validator.page_size(request.page_size)
        wanted = _filter(validator, request)
        behind = validator.page_token(request.page_token, wanted)
        validator.raise_if_invalid()
        found = await self._audits.page(current_principal(), wanted, behind=behind, limit=size + 1)
        more = len(found) > size
        return pb.ListAuditResponse(
            entries=[messages.audit_entry(one) for one in found[:size]],
            next_page_token=make_page_token(found[size - 1].id, wanted) if more else "",
        )


def _filter(validator: RequestValidator, request: pb.ListAuditRequest) -> AuditFilter:
    actor = validator.text("actor", request.actor, most=MAX_ID)
    action = validator.text("action", request.action, most=MAX_ID)
    subject = validator.text("subject", request.subject, most=MAX_ID)
    after = before = None
    if request.HasField("created_after"):
        after = validator.moment("created_after", request.created_after)
    if request.HasField("created_before"):
        before = validator.moment("created_before", request.created_before)
    return AuditFilter(actor=actor, action=action, subject=subject, after=after, before=before)
