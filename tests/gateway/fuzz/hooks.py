"""What Schemathesis cannot know: which ids there are, and which answers say something about them.

No check is switched off. A request is changed only where its meaning is at stake and not its form.
"""

from __future__ import annotations

import atexit
import json
import os
import random
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

import schemathesis
from schemathesis.core.parameters import ParameterLocation
from schemathesis.generation import GenerationMode
from schemathesis.generation.meta import TestPhase
from schemathesis.openapi.checks import RejectedPositiveData

from errands_gateway.pages import browser_binding

FOUND: dict[str, Any] = json.loads(os.environ["ERRANDS_FUZZ"])
_SHARE = 0.8  # of the ids a request names are there to be found
_CHANCE = random.Random(1)
_FORM = "f" * 43  # what a page and its cookie hold

# 400 is what the contract has for these; whether a request meets one is no question of its form.
STATES = frozenset(
    {
        "ALREADY_DECIDED",
        "APPROVAL_CLOSED",
        "APPROVAL_EXPIRED",
        "CURSOR_AHEAD",
        "FORM_INVALID",
        "LINK_EXPIRED",
        "LINK_INVALID",
        "LINK_USED",
        "TOKEN_INVALID",
    }
)
# Only the service makes good ones, so no schema can say which are.
OPAQUE = frozenset({"pageToken"})


_ANSWERS: Counter[str] = Counter()
_DROPPED: Counter[str] = Counter()
_STREAM = "text/event-stream"
_FRAME = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "pattern": "^[1-9][0-9]*$"},
        "event": {"type": "string"},
        "data": {
            "type": "string",
            "contentMediaType": "application/json",
            "contentSchema": {"$ref": "#/components/schemas/RunEvent"},
        },
    },
    "required": ["id", "event", "data"],
}


@schemathesis.hook
def before_load_schema(context: Any, raw_schema: Any) -> None:
    """Say what streams are made of: OpenAPI 3.1 has a word for their text, and none for their events."""
    for methods in raw_schema["paths"].values():
        for operation in methods.values():
            content = operation["responses"].get("200", {}).get("content", {})
            if _STREAM in content:
                content[_STREAM] = {"itemSchema": _FRAME}


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    operation = case.operation.definition.raw["operationId"]
    _place(case, operation)
    if _is_positive(case, ParameterLocation.HEADER) and "Idempotency-Key" in case.headers:
        # Keys drawn twice are other requests under one key, which is 422 and a test of its own.
        case.headers["Idempotency-Key"] = f"{case.headers['Idempotency-Key'][:200]}-{uuid.uuid4()}"
    if _is_positive(case, ParameterLocation.QUERY) and "pageToken" in (case.query or {}):
        case.query.pop("page", None)  # two ways to say where, which no schema can forbid
    if _is_positive(case, ParameterLocation.QUERY) and "token" in (case.query or {}):
        case.query["token"] = _token()
    if operation == "finishConnect" and _is_positive(case, ParameterLocation.QUERY):
        _refusal(case)
    if not _is_positive(case, ParameterLocation.BODY) or not isinstance(case.body, dict):
        return
    if operation == "decideApproval":
        _decision(case.body, case.path_parameters["approvalId"])
    elif operation == "sendApprovalForm":
        for name in [name for name in case.body if name.startswith("input.")]:
            del case.body[name]  # nothing on this stage asks a question
        case.body.update(token=_token(), form=_FORM)
        case.cookies["errands-form"] = _FORM
    elif operation == "sendConnectForm":
        case.body.update(form=browser_binding.csrf_value(_FORM), secret="t0p-secret")
        case.cookies["errands-connect"] = _FORM
    else:
        _BODIES.get(operation, lambda body: None)(case.body)


@schemathesis.hook
def after_call(context: Any, case: Any, response: Any) -> None:
    _ANSWERS[f"{case.operation.definition.raw['operationId']} {response.status_code}"] += 1


@atexit.register
def _told() -> None:
    """How often each operation answered with each status, and what was no failure."""
    Path(os.environ["ERRANDS_FUZZ_ANSWERS"]).write_text(json.dumps([_ANSWERS, _DROPPED]))


@schemathesis.hook
def filter_failure(context: Any, failure: Any, case: Any, response: Any) -> bool:
    """False for what is no failure."""
    if not isinstance(failure, RejectedPositiveData) or response.status_code != 400:
        return True
    problem = response.json()
    fields = {error["field"] for error in problem["errors"]}
    told = problem["reason"] if problem["reason"] in STATES else " ".join(sorted(fields & OPAQUE))
    if told in STATES or fields == {told}:
        _DROPPED[told] += 1
        return False
    return True


def _is_positive(case: Any, location: ParameterLocation) -> bool:
    part = case.meta.components.get(location)
    return part is None or part.mode is GenerationMode.POSITIVE


def _token() -> str:
    return str(_CHANCE.choice(FOUND["tokens"]) if _CHANCE.random() < _SHARE else uuid.uuid4().hex)


def _place(case: Any, operation: str) -> None:
    """Put ids into the path that are there to be found."""
    if not case.path_parameters or not _is_positive(case, ParameterLocation.PATH):
        return
    name = next(iter(case.path_parameters))
    there = _CHANCE.random() < _SHARE
    if operation == "RunController_sse":
        # The stream of a run that goes on ends when the run does, which may be never.
        case.path_parameters[name] = _CHANCE.choice(FOUND["finished"]) if there else str(uuid.uuid4())
    elif operation == "decideApproval" and case.path_parameters[name] not in FOUND["choices"]:
        case.path_parameters[name] = _CHANCE.choice(list(FOUND["choices"])) if there else str(uuid.uuid4())
    elif case.meta.phase.name is not TestPhase.STATEFUL and there:
        case.path_parameters[name] = _CHANCE.choice(_found(operation))
    elif operation in _CHANGING and case.path_parameters[name] == FOUND["integration"]:
        case.path_parameters[name] = _CHANCE.choice(_found(operation))  # the others need it


_CHANGING = {
    "updateIntegration": "spare integrations",
    "deleteIntegration": "spare integrations",
    "revokeKey": "spare keys",
    "deleteConnection": "connections",
}


def _found(operation: str) -> list[str]:
    match operation:
        case "getExecutionPlan":
            return list(FOUND["plans"])
        case "getIntegration" | "listTools":
            return [FOUND["integration"], *FOUND["spare integrations"]]
        case "decideApproval":
            return list(FOUND["choices"])
        case "getConnection":
            return list(FOUND["connections"])
        case "openConnectLink" | "sendConnectForm":
            return list(FOUND["links"])
        case _:
            return list(FOUND[_CHANGING.get(operation, "runs")])


def _run(body: dict[str, Any]) -> None:
    if _CHANCE.random() < _SHARE:
        body["intent"] = _CHANCE.choice(FOUND["intents"])
    # Ids that are drawn name nothing, and nothing is 400 here.
    body["selectedCustomerIntegrationIds"] = _CHANCE.choice(("*", ["*"], [FOUND["integration"]]))
    if "passThrough" in body:
        # Ids and credentials that are drawn are none, and what is drawn is refused.
        entry = {"customerIntegrationId": FOUND["integration"], "headers": {"x-drawn": "by chance"}}
        body["passThrough"] = [entry] if body["passThrough"] else []


def _integration(body: dict[str, Any]) -> None:
    # Drawn addresses would be asked, and drawn documents describe nothing.
    body["name"] = f"{body['name'].strip()[:60]} {uuid.uuid4()}"
    body["openapi"] = {"document": _CHANCE.choice((FOUND["document"], json.loads(FOUND["document"])))}
    body["internal"] = True
    _change(body)


def _change(body: dict[str, Any]) -> None:
    if "openapi" in body:
        body["openapi"] = {"document": FOUND["document"]}
    body.pop("mcp", None)  # drawn servers are not there
    body.pop("baseUrl", None)
    body.pop("sharedCredential", None)
    body.pop("oauthClient", None)  # drawn addresses again
    body.pop("removeOauthClient", None)
    if "auth" in body:
        body["sharedCredential"] = True
        for number, key in enumerate(body["auth"].get("keys", ())):
            key.update({"in": "header", "name": f"x-key-{number}"})  # no two in one place
        body.pop("removeCredential", None)


def _batch(body: dict[str, Any]) -> None:
    calls = [approval for approval, choices in FOUND["choices"].items() if "approve" in choices]
    ids = _CHANCE.sample(calls, min(len(body["decisions"]), 5))
    body["decisions"] = [
        {**one, "approvalId": approval} for one, approval in zip(body["decisions"], ids, strict=False)
    ]
    for one in body["decisions"]:
        one.pop("input", None)  # nothing on this stage asks a question


def _decision(body: dict[str, Any], approval: str) -> None:
    """One of the approval's choices: which they are is in the approval, not in the document."""
    body["decision"] = _CHANCE.choice(FOUND["choices"].get(approval, ["approve"]))
    body.pop("input", None)  # nothing on this stage asks a question
    if body["decision"] != "done":
        body.pop("output", None)


def _refusal(case: Any) -> None:
    """What a service sends browsers back with whose users said no: nobody has to be asked about that."""
    case.query = {"state": _CHANCE.choice(FOUND["states"]), "error": "access_denied"}
    case.cookies["errands-connect"] = _FORM


def _connection(body: dict[str, Any]) -> None:
    body["integrationId"] = FOUND["integration"]
    if body["auth"]["type"] == "oauth2":
        body["auth"].pop("expiresAt", None)
        body["auth"]["scopes"] = ["things:read"]
    elif body["auth"]["type"] == "apiKey":
        body["auth"].update({"in": "header", "name": "x-key"})
    elif body["auth"]["type"] == "apiKeys":
        body["auth"]["keys"] = [{**body["auth"]["keys"][0], "scheme": "code"}]


def _connect_link(body: dict[str, Any]) -> None:
    body["integrationId"] = FOUND["integration"]
    body.pop("scopes", None)
    body.pop("returnUrl", None)  # drawn ones have no host


def _confirmation(body: dict[str, Any]) -> None:
    body.update(flow=_CHANCE.choice(FOUND["flows"]), userId="user-1")


def _settings(body: dict[str, Any]) -> None:
    body["verifierUrl"] = ""  # else pages would send browsers elsewhere


def _key(body: dict[str, Any]) -> None:
    body.pop("tenant", None) if _CHANCE.random() < _SHARE else None
    if "expiresAt" in body:
        body["expiresAt"] = "2099-01-31T12:00:00Z"


_BODIES = {
    "RunController_createRun": _run,
    "createIntegration": _integration,
    "updateIntegration": _change,
    "decideApprovals": _batch,
    "createKey": _key,
    "createConnection": _connection,
    "createConnectLink": _connect_link,
    "confirmConnection": _confirmation,
    "updateConnectSettings": _settings,
}
