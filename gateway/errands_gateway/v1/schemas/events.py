"""Events of a run: one envelope, and what each type adds to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from . import approvals
from .builders import (
    DECISIONS,
    OUTCOMES,
    STATUSES,
    Schema,
    any_object,
    array,
    enum,
    flag,
    moment,
    ref,
    response_object,
    text,
    uuid,
    whole,
)

_STEP: Final = text("Id of the step in the plan.")
_ABOUT: Final = text("The step it is about; left out where it is about the run.")
_CALL: Final = text("Id of the call.")
_OUTCOME: Final = enum("How it ended.", OUTCOMES)

# What an event of each type holds besides the envelope: members, and those that are always there.
MEMBERS: Final[Mapping[str, tuple[Mapping[str, Schema], tuple[str, ...]]]] = {
    "status": (
        {
            "completed": array({"type": "string"}, "On CANCELED: ids of calls that were carried out."),
            "unknown": array({"type": "string"}, "On CANCELED: ids of calls whose outcome is not known."),
        },
        (),
    ),
    "plan": (
        {
            "executionPlanId": uuid("The plan."),
            "planType": enum("How it is written down.", ["json", "text"]),
            "plan": {"description": "Steps, or prose.", "oneOf": [ref("ExecPlanDto"), {"type": "string"}]},
        },
        ("executionPlanId", "planType", "plan"),
    ),
    "step.started": ({"stepId": _STEP, "text": text("What the step does.")}, ("stepId", "text")),
    "step.completed": (
        {"stepId": _STEP, "text": text("What it did, or why not."), "outcome": _OUTCOME},
        ("stepId", "text", "outcome"),
    ),
    "approval.required": (approvals.MEMBERS, approvals.REQUIRED),
    "approval.resolved": (
        {
            "approvalId": uuid("The approval."),
            "decision": enum("The decision; an expired approval counts as denied.", DECISIONS),
            "actor": text("Who decided: `key:ID`, `link` or `expiry`."),
            "reason": text("The reason given."),
        },
        ("approvalId", "decision", "actor"),
    ),
    "auth.required": (
        {
            "authorizationId": uuid("This request for authorization."),
            "integrationId": text("The integration to authorize."),
            "integrationName": text("Its name."),
            "userId": text("The user whose authorization is needed."),
            "scopes": array({"type": "string"}, "The scopes the step needs."),
            "url": text("Where to authorize; empty where users cannot."),
            "expiresAt": moment("When the wait ends and counts as a refusal."),
        },
        ("integrationId", "integrationName", "userId", "scopes", "url", "expiresAt"),
    ),
    "auth.resolved": (
        {"authorizationId": uuid("The request."), "granted": flag("Whether access was granted.")},
        ("authorizationId", "granted"),
    ),
    "cancel.requested": ({"actor": text("Who asked.")}, ("actor",)),
    "note": ({"text": text("The sentence."), "stepId": _ABOUT}, ("text",)),
    "result": ({"result": any_object("The result.")}, ("result",)),
    "error": (
        {
            "code": text("Name of the gRPC status code that fits."),
            "message": text("A sentence for a person."),
            "reason": text("Name of an ErrorReason."),
        },
        ("code", "message", "reason"),
    ),
    "tool.call": (
        {
            "callId": _CALL,
            "stepId": _STEP,
            "integrationId": text("The integration it goes to."),
            "tool": text("The tool."),
            "url": text("Where it goes, without query and credentials."),
            "arguments": any_object("The arguments."),
            "attempt": whole("Which attempt this is.", minimum=1),
        },
        ("callId", "stepId", "integrationId", "tool", "url", "arguments"),
    ),
    "tool.result": (
        {
            "callId": _CALL,
            "outcome": enum("How it ended.", ["done", "failed", "denied", "unknown"]),
            "output": {"description": "What the tool answered; left out where there is nothing."},
            "message": text("Why it failed."),
        },
        ("callId", "outcome"),
    ),
    "reasoning": ({"text": text("What the planner says."), "stepId": _ABOUT}, ("text",)),
}
_ENVELOPE: Final[Mapping[str, Schema]] = {
    "sequence": whole("Position in the run's log, and the cursor to go on from.", minimum=1),
    "runId": uuid("The run."),
    "status": enum("The run's status after this event.", STATUSES),
    "createdAt": moment("When it was stored."),
}


def component(kind: str) -> str:
    """The component of a type: `StepStartedEvent` for `step.started`."""
    return "".join(part.capitalize() for part in kind.split(".")) + "Event"


def _event(kind: str) -> Schema:
    members, always = MEMBERS[kind]
    tag = {"type": "string", "const": kind, "description": "The type."}
    properties = {"type": tag, **_ENVELOPE, **members}
    return response_object(f"An event of type `{kind}`.", properties, ["type", *_ENVELOPE, *always])


def _any_event() -> dict[str, Any]:
    return {
        "description": "One entry of a run's log.",
        "oneOf": [ref(component(kind)) for kind in MEMBERS],
        "discriminator": {
            "propertyName": "type",
            "mapping": {kind: ref(component(kind))["$ref"] for kind in MEMBERS},
        },
    }


_PAGE: Final = response_object(
    "A page of events.",
    {
        "events": array(ref("RunEvent"), "The events, in order."),
        "nextAfter": whole("The cursor to go on from.", minimum=0),
        "end": flag("True where the run has ended and nothing comes after this page."),
    },
    ["events", "nextAfter", "end"],
)
_TICKET: Final = response_object(
    "A stream ticket.",
    {
        "ticket": text("Good for one stream."),
        "url": text("Path of the stream, with the ticket, for an EventSource."),
        "expiresAt": moment("When it stops being good."),
    },
    ["ticket", "url", "expiresAt"],
)

COMPONENTS: Final = {
    "RunEvent": _any_event(),
    **{component(kind): _event(kind) for kind in MEMBERS},
    "RunEventPage": _PAGE,
    "CreateStreamTicketRequest": {
        "type": "object",
        "description": "Asks for a stream ticket.",
        "properties": {"includeToolCalls": flag("Whether the stream may include tool calls.")},
        "additionalProperties": False,
    },
    "StreamTicket": _TICKET,
}
