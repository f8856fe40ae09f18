"""The dialect under `/v1`."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final

from ..http.problems import Problem, ProblemFormat
from ..rest.dialect import Dialect
from . import field_names
from .documents import events
from .operations import OPERATIONS
from .schemas import COMPONENTS

_INFO: Final = {
    "title": "Errands",
    "summary": "Intents carried out on behalf of users.",
    "description": "Create a run with an intent, follow its events, decide what it asks, read its result. "
    "Errors are problems of RFC 9457, with a `reason` for programs. Unknown members of bodies are "
    "refused; unknown query parameters are ignored. No text may hold a NUL character.",
    "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
}
_TAGS: Final = {
    "Run": "Intents being carried out: created, followed, stopped.",
    "Approval": "What people are asked before a run acts.",
    "Connection": "Users' own access to integrations.",
    "Integration": "The services that runs may call.",
    "Key": "What programs identify themselves with.",
    "Audit": "Who decided, cancelled and changed what.",
}
# The server calls this key a request id.
_WITH_KEY: Final = ("IDEMPOTENCY_KEY_REUSED", "REQUEST_IN_FLIGHT", "COMMIT_UNKNOWN")


def _problem(found: Problem, request_id: str) -> dict[str, Any]:
    return {
        "type": "about:blank",
        "title": HTTPStatus(found.status).phrase,
        "status": found.status,
        "detail": found.detail,
        "code": found.code,
        "reason": found.reason,
        "errors": [{"field": error.field, "message": error.message} for error in found.errors],
        "requestId": request_id,
    }


def _message(text: str, reason: str) -> str:
    renamed = field_names.rest_text(text)
    return renamed.replace("request id", "Idempotency-Key") if reason in _WITH_KEY else renamed


V1: Final = Dialect(
    prefix="/v1",
    operations=OPERATIONS,
    components=COMPONENTS,
    problem=ProblemFormat(
        media_type="application/problem+json",  # RFC 9457
        component="Problem",
        body=_problem,
        field_name=field_names.rest_path,
        message=_message,
        statuses={400: "The request is wrong; `errors` names every field."},
    ),
    event_document=events.event,
    info=_INFO,
    tags=_TAGS,
)
