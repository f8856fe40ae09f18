"""Approvals and decisions."""

from __future__ import annotations

from typing import Final

from .builders import (
    APPROVAL_STATUSES,
    DECISIONS,
    Schema,
    any_object,
    array,
    enum,
    flag,
    moment,
    ref,
    request_object,
    response_object,
    text,
    uuid,
)

_CALL: Final = response_object(
    "One call an approval covers.",
    {
        "callId": text("The call; empty for the calls of a plan."),
        "stepId": text("The step it belongs to."),
        "integrationId": text("The integration it goes to."),
        "integrationName": text("Name of the integration."),
        "tool": text("The tool."),
        "title": text("What the tool does."),
        "origin": text("Where it goes: scheme, host and port."),
        "arguments": any_object("The arguments exactly as they will be sent."),
        "effect": enum("Whether it may change anything.", ["read", "write"]),
        "shared": flag("True where it acts with the integration's shared account."),
    },
    ["callId", "stepId", "integrationId", "tool", "title", "arguments", "effect"],
)
_ACTION: Final = response_object(
    "A link that leads to a decision. It is itself a credential.",
    {
        "action": enum("The decision it stands for.", ["approve", "deny"]),
        "url": text("The link.", format="uri"),
    },
    ["action", "url"],
)
_QUESTION: Final = response_object(
    "What a service asks a person in the middle of a call; only of an INPUT.",
    {
        "message": text("The question, in the service's words."),
        "schema": {
            "type": "object",
            "description": "The form: a JSON Schema (draft-07) of a flat object of fields.",
        },
        "said": text("What the service said when nobody answered at once."),
    },
    ["message", "schema"],
)
MEMBERS: Final[dict[str, Schema]] = {
    "approvalId": uuid("The approval."),
    "kind": enum("What it is about.", ["PLAN", "CALLS", "IN_DOUBT", "INPUT"]),
    "stepId": text("The step that waits; left out for a PLAN."),
    "text": text("What is asked."),
    "calls": array(ref("ApprovalCall"), "The calls it covers."),
    "question": ref("ApprovalQuestion"),
    "hash": text("`sha256:` and the digest over what is covered."),
    "expiresAt": moment("When it counts as denied."),
    "choices": array(enum("A decision.", DECISIONS), "The decisions that fit."),
    "actions": array(ref("ApprovalAction"), "Links; only for keys with scope `approvals`."),
}
REQUIRED: Final = ("approvalId", "kind", "text", "calls", "hash", "expiresAt", "choices", "actions")
_APPROVAL: Final = response_object(
    "A person decides over exactly what this shows.",
    {
        **MEMBERS,
        "runId": uuid("The run that waits."),
        "userId": text("The user on whose behalf the run acts."),
        "createdAt": moment("When it was asked."),
        "status": enum("Where it stands.", APPROVAL_STATUSES),
        "decision": enum("The decision; set once there is one.", DECISIONS),
        "actor": text("Who decided: `key:ID`, `link` or `expiry`."),
        "reason": text("The reason given."),
        "decidedAt": moment("When it was decided."),
        "input": {"type": "object", "description": "The answer to the question; set once it is approved."},
    },
    [*REQUIRED, "runId", "userId", "createdAt", "status"],
)
_PAGE: Final = response_object(
    "A page of approvals, newest first.",
    {
        "approvals": array(ref("Approval"), "The approvals."),
        "nextPageToken": text("Leads to the next page; left out on the last."),
    },
    ["approvals"],
)
_REASON: Final = text("Why.", maxLength=1_000)
_INPUT: Final = {
    "type": "object",
    "description": "The answer to the question of an INPUT, which must fit its schema; only with `approve`.",
}
_DECISION: Final = request_object(
    "Decides one approval.",
    {
        "decision": enum("One of the approval's choices.", DECISIONS),
        "reason": _REASON,
        "output": {"description": "What the call answered; only with `done`."},
        "input": _INPUT,
    },
    ["decision"],
)
_BATCH: Final = request_object(
    "Decides several approvals, all or none.",
    {
        "decisions": array(
            request_object(
                "One decision.",
                {
                    "approvalId": uuid("The approval."),
                    "decision": enum("One of its choices.", ["approve", "deny"]),
                    "reason": _REASON,
                    "input": _INPUT,
                },
                ["approvalId", "decision"],
            ),
            "Over different approvals.",
            minItems=1,
            maxItems=100,
        )
    },
    ["decisions"],
)
_DECIDED: Final = response_object(
    "Approvals, decided.", {"approvals": array(ref("Approval"), "In the order asked.")}, ["approvals"]
)
_BY_LINK: Final = response_object(
    "What a link decided.",
    {
        "runId": uuid("The run."),
        "approvalId": uuid("The approval."),
        "stepId": text("The step; left out for a PLAN."),
        "decision": enum("The decision.", ["approve", "deny"]),
        "status": enum("Where the approval stands.", APPROVAL_STATUSES),
    },
    ["runId", "approvalId", "decision", "status"],
)
_FORM: Final = request_object(
    "What the page of an approval link sends.",
    {
        "token": text("The token of the link."),
        "decision": enum("The button.", ["approve", "deny"]),
        "form": text("What the page holds and its cookie repeats; otherwise the answer is FORM_INVALID."),
    },
    ["token", "decision"],
    patternProperties={r"^input\.": text("A field of the question, once for each choice.")},
)

COMPONENTS: Final = {
    "Approval": _APPROVAL,
    "ApprovalCall": _CALL,
    "ApprovalQuestion": _QUESTION,
    "ApprovalAction": _ACTION,
    "ApprovalPage": _PAGE,
    "DecideApprovalRequest": _DECISION,
    "BatchDecideApprovalsRequest": _BATCH,
    "DecidedApprovals": _DECIDED,
    "LinkDecision": _BY_LINK,
    "ApprovalForm": _FORM,
}
