"""Runs and their plans. The names and required members are those of the published interface."""

from __future__ import annotations

from typing import Final

from .builders import (
    MAX_ID,
    OUTCOMES,
    STATUSES,
    STRATEGIES,
    WORDS,
    Schema,
    array,
    enum,
    flag,
    moment,
    ref,
    request_object,
    response_object,
    string_map,
    text,
    uuid,
    whole,
)

_STATUS: Final = enum("Where the run stands.", STATUSES)
_SELECTION: Final[Schema] = {
    "description": 'Ids of the integrations the run may use; exactly ["*"] means all active ones.',
    "anyOf": [
        {
            "type": "array",
            "title": "an array of ids",
            "items": {"type": "string", "minLength": 1, "maxLength": MAX_ID},
            "minItems": 1,
            "maxItems": 100,
        },
        {"const": "*", "title": '"*"'},
    ],
}
_REPEATED: Final = uuid("The run that is repeated.")

_CREATE: Final = request_object(
    "Asks for a run.",
    {
        "intent": text("What is wanted, in plain words.", maxLength=10_000, **WORDS),
        "selectedCustomerIntegrationIds": _SELECTION,
        "context": text(
            "Anything the run should know; may be empty. JSON and key=value pairs are read as hints.",
            maxLength=65_536,
        ),
        "userId": text("The user whose permissions apply.", minLength=1, maxLength=MAX_ID),
        "approvalStrategy": enum("When to ask; NONE where it is left out.", STRATEGIES),
        "repeatKey": text("Names this run, or repeats the runs so named.", maxLength=MAX_ID),
        "outputSchema": {
            "type": "object",
            "format": "json-schema",
            "description": "JSON Schema of the result, draft-07 unless `$schema` says otherwise.",
        },
        "passThrough": array(
            ref("CustomerProvidedPassThrough"),
            "Credentials for this run alone, at most one entry for each integration.",
            maxItems=100,
        ),
        "validateOnly": flag("Say what would happen, and store and start nothing."),
    },
    ["intent", "selectedCustomerIntegrationIds", "context", "userId"],
    examples=[
        {
            "intent": "List the open invoices of Ada Lovelace",
            "selectedCustomerIntegrationIds": ["*"],
            "context": "currency=EUR",
            "userId": "user-1",
            "approvalStrategy": "NONE",
        }
    ],
)
_CREATED: Final = response_object(
    "A run that was created.",
    {
        "runId": uuid("The run."),
        "repeatKey": text("Key under which it can be repeated; generated where none was given."),
        "status": _STATUS,
        "events": array(ref("RunEvent"), "Its events so far."),
        "executionPlanId": uuid("Its plan."),
        "plan": {"description": "Its plan.", "allOf": [ref("ExecPlanByIdResponseDto")]},
        "repeatRunId": _REPEATED,
    },
    ["runId", "repeatKey", "status", "events", "executionPlanId", "plan"],
)
_RUN: Final = response_object(
    "A run: one bounded attempt to carry out an intent on a user's behalf.",
    {
        "runId": uuid("The run."),
        "repeatKey": text("Key under which it can be repeated."),
        "repeatRunId": _REPEATED,
        "status": _STATUS,
        "executionPlanId": uuid("Its plan."),
        "events": array(ref("RunEvent"), "Its events without tool calls; empty unless asked for."),
        "eventsTruncated": flag("True where `events` leaves some out; read them from `/events`."),
        "result": {"description": "The result; set on SUCCESS and PARTIAL_SUCCESS.", "type": "object"},
        "intent": text("What it was asked to do."),
        "context": text("The context it was given."),
        "createdAt": moment("When it was created."),
        "updatedAt": moment("When its last event was stored."),
        "userId": text("The user on whose behalf it acts."),
        "approvalStrategy": enum("When it asks.", STRATEGIES),
        "selectedCustomerIntegrationIds": array(
            {"type": "string"}, "The integrations it may use, as resolved when it was created."
        ),
        "plan": {
            "description": "Its plan, as far as there is one.",
            "allOf": [ref("ExecPlanByIdResponseDto")],
        },
        "stepsFinished": array(ref("FinishedStep"), "The steps that ended, in that order."),
        "error": ref("RunError"),
        "pendingApprovals": array(ref("Approval"), "The approvals it waits for."),
        "authorizationUrl": text("Where the user must authorize; set on AUTH_REQUIRED."),
        "cancelRequested": flag("True from the moment cancellation was asked for."),
        "lastSequence": whole("Sequence of its latest event.", minimum=1),
    },
    [
        "runId",
        "repeatKey",
        "status",
        "executionPlanId",
        "events",
        "intent",
        "context",
        "createdAt",
        "updatedAt",
    ],
)
_FINISHED: Final = response_object(
    "A step that ended.",
    {
        "stepId": text("Id of the step in the plan."),
        "description": text("What the step does."),
        "outcome": enum("How it ended.", OUTCOMES),
        "finishedAt": moment("When it ended."),
    },
    ["stepId", "description", "outcome", "finishedAt"],
)
_PLAN_ANSWER: Final = response_object(
    "A plan, and how it is written down.",
    {
        "executionPlanId": uuid("The plan."),
        "planType": enum("How it is written down.", ["json", "text"]),
        "plan": {
            "description": "Steps, or prose: empty while it is not ready, the reason where there is none.",
            "oneOf": [ref("ExecPlanDto"), {"type": "string"}],
        },
    },
    ["planType", "plan"],
)
_PLAN: Final = response_object(
    "A graph of steps.",
    {
        "title": text("A short title."),
        "description": text("What the whole plan does."),
        "steps": array(ref("ExecPlanStepDto"), "Each is listed after the steps it depends on."),
    },
    ["description", "steps"],
)
_STEP: Final = response_object(
    "One step of a plan.",
    {
        "id": text("Id, unique in the plan."),
        "description": text("What it does."),
        "dependsOnSteps": array({"type": "string"}, "Ids of the steps that must be done first."),
    },
    ["id", "description", "dependsOnSteps"],
)
_PASS_THROUGH: Final = request_object(
    "What one integration is given in one run. It is used before anything else, sealed, erased when the "
    "run ends, and shown nowhere.",
    {
        "customerIntegrationId": text("The integration they are for.", minLength=1, maxLength=MAX_ID),
        "headers": string_map("Headers to send with each request; not those of the connection, nor Host."),
        "query": string_map("Query parameters to send with each request."),
        "values": {
            "description": "Credentials of one of these kinds.",
            "oneOf": [
                ref("CustomerProvidedAwsCredentials"),
                ref("CustomerProvidedAwsAssumeRole"),
                ref("CustomerProvidedOktaCredentials"),
            ],
        },
    },
    ["customerIntegrationId"],
)
_AWS_KEYS: Final = request_object(
    "AWS temporary credentials.",
    {
        "accessKeyId": text("Access key id."),
        "secretAccessKey": text("Secret access key."),
        "sessionToken": text("Session token."),
    },
    ["accessKeyId", "secretAccessKey", "sessionToken"],
    title="AWS temporary credentials",
)
_AWS_ROLE: Final = request_object(
    "An AWS role to assume.",
    {"roleArn": text("ARN of the role."), "externalId": text("External id of the trust policy.")},
    ["roleArn", "externalId"],
    title="an AWS role",
)
_OKTA: Final = request_object(
    "An Okta service app, which signs with a private key.",
    {
        "clientId": text("Client id of the app."),
        "kid": text("Id of the key."),
        "privateKey": text("RSA private key, PEM."),
        "oauthTokenUrl": text("Token endpoint."),
        "scope": text("Scopes, separated by spaces."),
        "host": text("Base address; derived from `oauthTokenUrl` where it is left out."),
    },
    ["clientId", "kid", "privateKey", "oauthTokenUrl", "scope"],
    title="an Okta service app",
)

COMPONENTS: Final = {
    "CreateRunRequest": _CREATE,
    "CreateRunResponse": _CREATED,
    "RunDto": _RUN,
    "FinishedStep": _FINISHED,
    "ExecPlanByIdResponseDto": _PLAN_ANSWER,
    "ExecPlanDto": _PLAN,
    "ExecPlanStepDto": _STEP,
    "CustomerProvidedPassThrough": _PASS_THROUGH,
    "CustomerProvidedAwsCredentials": _AWS_KEYS,
    "CustomerProvidedAwsAssumeRole": _AWS_ROLE,
    "CustomerProvidedOktaCredentials": _OKTA,
}
