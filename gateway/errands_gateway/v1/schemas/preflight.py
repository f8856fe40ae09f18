"""The preflight of a run: what it would need and ask for."""

from __future__ import annotations

from typing import Final

from .builders import array, enum, moment, ref, response_object, text, whole

ACCESSES: Final = ("NONE", "PASS_THROUGH", "USER", "SHARED", "MISSING")

COMPONENTS: Final = {
    "ValidatedRun": response_object(
        "A run that was only validated.",
        {
            "plan": {"description": "Its plan.", "allOf": [ref("ExecPlanByIdResponseDto")]},
            "preflight": {"description": "What it would need and ask for.", "allOf": [ref("Preflight")]},
        },
        ["plan", "preflight"],
    ),
    "Preflight": response_object(
        "What a run would call, what is missing for that, and what people would be asked. A call whose "
        "outcome is in doubt is asked about too, which nobody can foresee.",
        {
            "calls": array(ref("PreflightCall"), "The calls of the plan, step by step."),
            "missing": array(ref("MissingConnection"), "What the user must connect first."),
            "approvals": array(ref("ExpectedApproval"), "In the order they would be asked for."),
        },
        ["calls", "missing", "approvals"],
    ),
    "PreflightCall": response_object(
        "One call a run would make.",
        {
            "stepId": text("The step it belongs to."),
            "integrationId": text("The integration that would be called."),
            "integrationName": text("Its name."),
            "tool": text("The tool that would be called."),
            "title": text("What the tool does, in a few words."),
            "effect": enum("Whether it may change anything.", ["read", "write"]),
            "origin": text("Where the request would go."),
            "access": enum(
                "Whose access it would be made with: nobody's, because none is asked for; what the request "
                "passes through; the user's own; the shared account's; or the user's, who must "
                "connect first.",
                ACCESSES,
            ),
        },
        ["stepId", "integrationId", "integrationName", "tool", "title", "effect", "origin", "access"],
    ),
    "MissingConnection": response_object(
        "A connection that the run would wait for.",
        {
            "integrationId": text("The integration to connect."),
            "integrationName": text("Its name."),
            "userId": text("The user who must connect it."),
            "scopes": array({"type": "string"}, "What the user must grant, where the service says."),
            "url": text(
                "Where the user connects, for keys with scope `connections`; empty where users cannot."
            ),
            "expiresAt": moment("When that link stops being good; left out where there is none."),
        },
        ["integrationId", "integrationName", "userId", "scopes", "url"],
    ),
    "ExpectedApproval": response_object(
        "An approval that the run would ask for.",
        {
            "kind": enum("What it is about.", ["PLAN", "CALLS"]),
            "stepId": text("The step; left out for a PLAN."),
            "calls": whole("How many calls it covers.", minimum=1),
        },
        ["kind", "calls"],
    ),
}
