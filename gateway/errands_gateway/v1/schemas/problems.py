"""Problems, as RFC 9457 has them."""

from __future__ import annotations

from typing import Final

from .builders import array, response_object, text, whole

_PROBLEM: Final = response_object(
    "Why a request failed (RFC 9457). Programs branch on `reason`.",
    {
        "type": text("Always `about:blank`: `reason` says more."),
        "title": text("The phrase of the status."),
        "status": whole("The HTTP status."),
        "detail": text("What is wrong, and what to do about it."),
        "code": text("Name of the gRPC status code."),
        "reason": text("Name of an ErrorReason."),
        "errors": array(
            response_object(
                "One wrong field.",
                {"field": text("Its path."), "message": text("What is wrong.")},
                ["field", "message"],
            ),
            "Every field that is wrong.",
        ),
        "requestId": text("Id of the request, as in `x-request-id` and in the log."),
    },
    ["type", "title", "status", "detail", "code", "reason", "errors", "requestId"],
)
_RUN_ERROR: Final = response_object(
    "Why a run did not fully succeed.",
    {
        "code": text("Name of the gRPC status code that fits."),
        "message": text("A sentence for a person."),
        "reason": text("Name of an ErrorReason."),
    },
    ["code", "message", "reason"],
)

COMPONENTS: Final = {"Problem": _PROBLEM, "RunError": _RUN_ERROR}
