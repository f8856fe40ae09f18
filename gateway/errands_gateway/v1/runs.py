"""Runs and their plans over REST."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from starlette.types import ASGIApp

from errands.v1 import run_pb2 as pb

from .. import enum_names
from ..http.encoding import encode_json, json_text
from ..http.problems import Violation, invalid
from ..http.response import encoded_response, json_response
from ..rest.dialect import BOOLEAN, STRING, Body, Call, Operation, Parameter, ResponseSpec, ref
from .create_run_headers import idempotency_key, plan_wait
from .documents import runs as documents
from .documents.events import plan
from .documents.preflight import preflight
from .paging import next_link
from .schemas.builders import MAX_ID, STATUSES

_TAG: Final = "Run"
_MAX_PAGE: Final = 1_000
_STATUS_NUMBERS: Final = enum_names.numbers(enum_names.STATUS)
_STRATEGY_NUMBERS: Final = enum_names.numbers(enum_names.STRATEGY)

RUN_ID: Final = Parameter(
    name="runId",
    where="path",
    schema={"type": "string", "format": "uuid"},
    description="The run.",
    required=True,
)
INCLUDE_TOOL_CALLS: Final = Parameter(
    name="includeToolCalls", schema=BOOLEAN, description="Include tool calls, their results and reasoning."
)
_INCLUDE_EVENTS: Final = Parameter(
    name="includeEvents", schema=BOOLEAN, description="Include the events, without tool calls."
)
_A_RUN: Final = ResponseSpec(description="The run.", schema=ref("RunDto"))


async def _create(call: Call) -> ASGIApp:
    body = call.body
    selection = body["selectedCustomerIntegrationIds"]
    request = pb.CreateRunRequest(
        intent=body["intent"],
        selected_customer_integration_ids=[selection] if isinstance(selection, str) else selection,
        context=body["context"],
        user_id=body["userId"],
        approval_strategy=_STRATEGY_NUMBERS[body.get("approvalStrategy", "NONE")],
        repeat_key=body.get("repeatKey", ""),
        output_schema_json=json_text(body["outputSchema"]) if "outputSchema" in body else "",
        request_id=call.headers.get("Idempotency-Key", ""),
        validate_only=body.get("validateOnly", False),
        pass_through=map(_pass_through, body.get("passThrough", ())),
    )
    wait = call.headers.get("Prefer")
    if wait is not None:
        request.plan_wait_ms = wait * 1_000
    created = await call.ask(call.backend.runs.CreateRun, request)
    headers = {} if wait is None else {"Preference-Applied": f"wait={wait}"}
    if request.validate_only:
        return json_response(preflight(created), 200, headers)
    return json_response(
        documents.created_run(created), 201, {"Location": f"/v1/runs/{created.run_id}", **headers}
    )


def _pass_through(entry: Mapping[str, Any]) -> pb.PassThrough:
    return pb.PassThrough(
        customer_integration_id=entry["customerIntegrationId"],
        headers=entry.get("headers"),
        query=entry.get("query"),
        values=entry.get("values"),
    )


async def _get(call: Call) -> ASGIApp:
    request = pb.GetRunRequest(
        run_id=call.path["runId"], include_events=call.query.get("includeEvents", False)
    )
    found: bytes = await call.ask(call.backend.get_run, request)
    return encoded_response(call.backend.responses.encode(found, _encode_run))


def _encode_run(found: bytes) -> bytes:
    return encode_json(documents.run(pb.GetRunResponse.FromString(found).run))


async def _list(call: Call) -> ASGIApp:
    query = call.query
    size, number = query.get("pageSize", 10), query.get("page", 1)
    token = query.get("pageToken", "")
    if token and "page" in query:
        raise invalid([Violation("page", "does not go with pageToken")])
    request = pb.ListRunsRequest(
        include_events=query.get("includeEvents", False),
        user_id=query.get("userId", ""),
        status=_STATUS_NUMBERS.get(query.get("status", ""), 0),
        customer_integration_ids=query.get("customerIntegrationIds", ()),
        page_size=size,
        page_token=token,
        skip=0 if token else (number - 1) * size,
    )
    found, following = await _read_page(call, request)
    headers = {}
    if following and not token and number < _MAX_PAGE:
        headers = next_link(call, page=str(number + 1))
    elif following:
        headers = next_link(call, pageToken=following)
    return json_response([documents.run(one) for one in found], headers=headers)


async def _read_page(call: Call, request: pb.ListRunsRequest) -> tuple[list[pb.Run], str]:
    """A page of the requested size, from several responses if runs are large; and the token behind it."""
    found: list[pb.Run] = []
    wanted = request.page_size
    while True:
        page = await call.ask(call.backend.runs.ListRuns, request)
        found += page.runs
        if len(found) == wanted or not page.next_page_token:
            return found, page.next_page_token
        request.page_token, request.skip = page.next_page_token, 0
        request.page_size = wanted - len(found)


async def _abort(call: Call) -> ASGIApp:
    request = pb.CancelRunRequest(run_id=call.path["runId"], allow_finished=True)
    return json_response(documents.run((await call.ask(call.backend.runs.CancelRun, request)).run))


async def _plan(call: Call) -> ASGIApp:
    request = pb.GetPlanRequest(execution_plan_id=call.path["executionPlanId"])
    return json_response(plan((await call.ask(call.backend.runs.GetPlan, request)).plan))


_READ_LINKS: Final = {
    "run": {"operationId": "RunController_getRun", "parameters": {"runId": "$response.body#/runId"}},
    "events": {"operationId": "listRunEvents", "parameters": {"runId": "$response.body#/runId"}},
    "abort": {"operationId": "RunController_abortRun", "parameters": {"runId": "$response.body#/runId"}},
    "plan": {
        "operationId": "getExecutionPlan",
        "parameters": {"executionPlanId": "$response.body#/executionPlanId"},
    },
}

OPERATIONS: Final = (
    Operation(
        method="POST",
        path="/v1/runs",
        id="RunController_createRun",
        tag=_TAG,
        summary="Create a run",
        description="Stores a run, starts it, and waits a moment for its plan. With `validateOnly` it says "
        "what would be called and asked, and what is missing, and starts nothing.",
        parameters=(
            Parameter(
                name="Idempotency-Key",
                where="header",
                # Headers end where their spaces begin; `""` is a key of no characters.
                schema={
                    "type": "string",
                    "minLength": 1,
                    "maxLength": MAX_ID,
                    "pattern": r'^(?!""$)[!-~]([ -~]*[!-~])?$',
                },
                description="Makes the request safe to repeat within 24 hours; quoted or bare.",
                read=idempotency_key,
            ),
            Parameter(
                name="Prefer",
                where="header",
                schema=STRING,
                description="`wait=SECONDS`: how long to wait for the plan, at most 60 (RFC 7240).",
                read=plan_wait,
            ),
        ),
        body=Body(component="CreateRunRequest"),
        responses={
            201: ResponseSpec(
                description="The run is stored.",
                schema=ref("CreateRunResponse"),
                headers={"Location": "Path of the run."},
                links=_READ_LINKS,
            ),
            200: ResponseSpec(
                description="With `validateOnly`: nothing is stored or started.", schema=ref("ValidatedRun")
            ),
        },
        problems=(409, 422, 429),
        handle=_create,
    ),
    Operation(
        method="GET",
        path="/v1/runs",
        id="RunController_listRuns",
        tag=_TAG,
        summary="List runs, newest first",
        description="The runs of the key's tenant. Filters are combined with `and`.",
        parameters=(
            _INCLUDE_EVENTS,
            Parameter(
                name="userId",
                schema={"type": "string", "minLength": 1, "maxLength": MAX_ID},
                description="Of this user.",
            ),
            Parameter(
                name="status",
                schema={"type": "string", "enum": list(STATUSES)},
                description="With this status.",
            ),
            Parameter(
                name="customerIntegrationIds",
                schema={
                    "type": "array",
                    "items": {"type": "string", "minLength": 1, "maxLength": MAX_ID},
                    "maxItems": 100,
                },
                description="Whose selection holds any of these; may be repeated.",
                explode=True,
            ),
            Parameter(
                name="page",
                schema={"type": "integer", "minimum": 1, "maximum": _MAX_PAGE, "default": 1},
                description="Which page.",
            ),
            Parameter(
                name="pageSize",
                schema={"type": "integer", "minimum": 1, "maximum": 100, "default": 10},
                description="How many runs a page has.",
            ),
            Parameter(
                name="pageToken",
                schema=STRING,
                description="From the Link of the page before; reaches any depth. Not with `page`.",
            ),
        ),
        responses={
            200: ResponseSpec(
                description="The runs.",
                schema={"type": "array", "items": ref("RunDto")},
                headers={"Link": 'The next page, with rel="next"; left out on the last.'},
            )
        },
        handle=_list,
    ),
    Operation(
        method="GET",
        path="/v1/runs/{runId}",
        id="RunController_getRun",
        tag=_TAG,
        summary="Read a run",
        parameters=(RUN_ID, _INCLUDE_EVENTS),
        responses={200: _A_RUN},
        problems=(404,),
        handle=_get,
    ),
    Operation(
        method="DELETE",
        path="/v1/runs/{runId}",
        id="RunController_abortRun",
        tag=_TAG,
        summary="Abort a run",
        description="Nothing starts from now on; waits for calls in flight. A finished run stays as it is.",
        parameters=(RUN_ID,),
        responses={200: _A_RUN},
        problems=(404, 409),
        handle=_abort,
    ),
    Operation(
        method="GET",
        path="/v1/execution-plans/{executionPlanId}",
        id="getExecutionPlan",
        tag=_TAG,
        summary="Read a plan",
        parameters=(
            Parameter(
                name="executionPlanId",
                where="path",
                schema={"type": "string", "format": "uuid"},
                description="The plan.",
                required=True,
            ),
        ),
        responses={200: ResponseSpec(description="The plan.", schema=ref("ExecPlanByIdResponseDto"))},
        problems=(404,),
        handle=_plan,
    ),
)
