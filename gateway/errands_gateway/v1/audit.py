"""Who did what, over REST."""

from __future__ import annotations

from typing import Final

from starlette.types import ASGIApp

from errands.v1 import audit_pb2 as pb

from ..http.encoding import parse_time
from ..rest.dialect import STRING, Call, Operation, Parameter, ResponseSpec, ref
from .documents.audit import entry
from .paging import PAGE_SIZE, PAGE_TOKEN, page_fields, page_response

_FILTERS: Final = {
    "actor": "Only by this actor, such as `key:ID`.",
    "action": "Only this action, such as `key.revoke`.",
    "subject": "Only to what has this id.",
}
_TIMES: Final = {
    "createdAfter": ("created_after", "Only what was done later than this."),
    "createdBefore": ("created_before", "Only what was done before this."),
}
_MOMENT: Final = {"type": "string", "format": "date-time"}


async def _list(call: Call) -> ASGIApp:
    texts = {name: call.query.get(name, "") for name in _FILTERS}
    request = pb.ListAuditRequest(**page_fields(call), **texts)
    for name, (field, _) in _TIMES.items():
        if name in call.query:
            getattr(request, field).FromDatetime(parse_time(call.query[name]))
    found = await call.ask(call.backend.audit.ListAudit, request)
    return page_response(call, "entries", [entry(one) for one in found.entries], found.next_page_token)


OPERATIONS: Final = (
    Operation(
        method="GET",
        path="/v1/audit",
        id="listAudit",
        tag="Audit",
        summary="List who decided, cancelled and changed what, newest first",
        parameters=(
            *(Parameter(name=name, schema=STRING, description=text) for name, text in _FILTERS.items()),
            *(Parameter(name=name, schema=_MOMENT, description=text) for name, (_, text) in _TIMES.items()),
            PAGE_SIZE,
            PAGE_TOKEN,
        ),
        responses={200: ResponseSpec(description="A page.", schema=ref("AuditPage"))},
        handle=_list,
    ),
)
