"""A second dialect beside /v1: its own operations, bodies, problems, events and document."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

import httpx2
import pytest
from grpc import aio
from jsonschema import Draft202012Validator
from msgspec.structs import replace
from starlette.types import ASGIApp

from errands.v1 import event_pb2, run_pb2
from errands_gateway.app import CHANNEL_OPTIONS, DIALECTS, HttpServer, serve_http
from errands_gateway.enum_names import STATUS
from errands_gateway.http.encoding import encode_json
from errands_gateway.http.problems import Problem, ProblemFormat
from errands_gateway.http.response import encoded_response, json_response
from errands_gateway.rest.dialect import BOOLEAN, Body, Call, Dialect, Operation, Parameter, ResponseSpec, ref
from errands_gateway.settings import Settings
from errands_gateway.streaming.sse import StreamRequest, end_of_stream
from tests.contract.conftest import Serve
from tests.contract.plans import READ, WRITE, chain, steps
from tests.gateway.callers import NOBODY, RUN, errors, problem, reason
from tests.gateway.streams.readers import Upstreams
from tests.service import PATIENCE, Service

RUN_NUMBER: Final = Parameter(
    name="number", where="path", schema={"type": "string"}, description="The run.", required=True
)


def encode_run(found: bytes) -> bytes:
    run = run_pb2.GetRunResponse.FromString(found).run
    return encode_json({"number": run.run_id, "wish": run.intent, "state": STATUS[run.status].lower()})


async def get_run(call: Call) -> ASGIApp:
    request = run_pb2.GetRunRequest(run_id=call.path["number"])
    found = await call.ask(call.backend.get_run, request)
    return encoded_response(call.backend.responses.encode(found, encode_run))


async def create_run(call: Call) -> ASGIApp:
    request = run_pb2.CreateRunRequest(
        intent=call.body["wish"], user_id=call.body["for"], selected_customer_integration_ids=["*"]
    )
    return json_response({"number": (await call.ask(call.backend.runs.CreateRun, request)).run_id}, 201)


async def stream(call: Call) -> ASGIApp:
    request = StreamRequest(call.path["number"], 0, call.query["calls"], call.dialect.event_document)
    return await call.backend.streams.open_with_key(call.caller, request) or end_of_stream()


def event_document(event: event_pb2.RunEvent) -> tuple[str, Mapping[str, Any]] | None:
    """States and questions; the dialect has no other events."""
    match event.WhichOneof("event"):
        case "status_changed":
            return "state", {"at": event.sequence, "state": STATUS[event.status].lower()}
        case "approval_required":
            return "question", {"at": event.sequence, "number": event.approval_required.approval_id}
        case _:
            return None


def toy_problem(found: Problem, request_id: str) -> Mapping[str, Any]:
    wrong = {error.field: error.message for error in found.errors}
    return {"why": found.reason.lower(), "text": found.detail, "wrong": wrong, "request": request_id}


TOY: Final = Dialect(
    prefix="/toy",
    docs="/toy",
    operations=(
        Operation(
            method="GET",
            path="/toy/runs/{number}",
            id="getToyRun",
            tag="Toy",
            summary="Read a run",
            parameters=(RUN_NUMBER,),
            responses={200: ResponseSpec(description="The run.", schema=ref("ToyRun"))},
            problems=(404,),
            handle=get_run,
        ),
        Operation(
            method="GET",
            path="/toy/runs/{number}/feed",
            id="streamToyRun",
            tag="Toy",
            summary="Stream a run",
            parameters=(
                RUN_NUMBER,
                Parameter(name="calls", schema=BOOLEAN, description="With calls.", required=True),
            ),
            responses={200: ResponseSpec(description="Its states.", media_type="text/event-stream")},
            problems=(404,),
            handle=stream,
        ),
        Operation(
            method="POST",
            path="/toy/runs",
            id="createToyRun",
            tag="Toy",
            summary="Create a run",
            body=Body(component="ToyWish"),
            responses={201: ResponseSpec(description="Its number.", schema=ref("ToyRun"))},
            handle=create_run,
        ),
    ),
    components={
        "ToyRun": {"type": "object", "properties": {"number": {"type": "string"}}},
        "ToyWish": {
            "type": "object",
            "properties": {"wish": {"type": "string"}, "for": {"type": "string"}},
            "required": ["wish", "for"],
            "additionalProperties": False,
        },
        "Oops": {"type": "object", "required": ["why", "text", "wrong", "request"]},
    },
    problem=ProblemFormat(
        media_type="application/vnd.toy+json",
        component="Oops",
        body=toy_problem,
        field_name=lambda field: {"run_id": "number", "intent": "wish"}.get(field, field),
        message=lambda text, _: text.replace("run", "toy run"),
    ),
    event_document=event_document,
    info={"title": "Toy"},
    tags={"Toy": "Runs, as toys."},
)


@asynccontextmanager
async def gateway(service: Service, *dialects: Dialect) -> AsyncGenerator[HttpServer, None]:
    """A gateway with dialects beside /v1."""
    async with (
        aio.insecure_channel(service.app.grpc_address, options=CHANNEL_OPTIONS) as channel,
        serve_http(channel, Settings(http="127.0.0.1:0"), dialects=(*DIALECTS, *dialects)) as started,
    ):
        yield started


@asynccontextmanager
async def both(service: Service, key: str = "") -> AsyncGenerator[httpx2.AsyncClient, None]:
    """A client of a gateway with both dialects."""
    async with (
        gateway(service, TOY) as started,
        httpx2.AsyncClient(
            base_url=started.url, headers={"x-api-key": key or service.key}, timeout=PATIENCE
        ) as http,
    ):
        yield http


def oops(answer: httpx2.Response) -> tuple[int, str, dict[str, str]]:
    """Status, reason and wrong fields of a response that must be a problem of the toy."""
    assert answer.headers["content-type"] == "application/vnd.toy+json", answer.text
    found = answer.json()

    assert list(found) == ["why", "text", "wrong", "request"]
    assert found["request"] == answer.headers["x-request-id"]
    assert answer.headers["cache-control"] == "no-store"
    return answer.status_code, found["why"], found["wrong"]


async def test_each_dialect_answers_in_its_own_shape(serve: Serve) -> None:
    async with serve(steps(READ)) as service, both(service) as http:
        made = await http.post("/toy/runs", json={"wish": "read", "for": "user-1"})
        number = made.json()["number"]
        await service.finished(number)
        paths = [f"/v1/runs/{number}", f"/toy/runs/{number}"] * 2
        # Twice each: the second is the kept JSON of the first.
        answers = [(await http.get(path)).json() for path in paths]

    assert made.status_code == 201
    assert answers[1] == answers[3] == {"number": number, "wish": "read", "state": "success"}
    assert answers[0] == answers[2]
    assert (answers[0]["runId"], answers[0]["status"]) == (number, "SUCCESS")


async def test_problems_of_the_server_have_the_shape_and_the_names_of_their_dialect(serve: Serve) -> None:
    async with serve(steps(READ)) as service, both(service) as http:
        toys = [await http.get(f"/toy/runs/{NOBODY}")]
        toys.append(await http.post("/toy/runs", json={"wish": "", "for": "user-1"}))
        ours = [await http.get(f"/v1/runs/{NOBODY}")]
        ours.append(await http.post("/v1/runs", json={**RUN, "selectedCustomerIntegrationIds": ["x"]}))

    assert [oops(answer)[:2] for answer in toys] == [(404, "run_not_found"), (400, "field_invalid")]
    assert [reason(answer) for answer in ours] == [(404, "RUN_NOT_FOUND"), (400, "FIELD_INVALID")]
    assert list(oops(toys[1])[2]) == ["wish"]
    assert list(errors(ours[1])) == ["selectedCustomerIntegrationIds[0]"]
    assert toys[0].json()["text"] == problem(ours[0])["detail"].replace("run", "toy run")


async def test_problems_of_the_gateway_have_the_shape_of_their_dialect(serve: Serve) -> None:
    path = f"/toy/runs/{NOBODY}"
    async with serve(steps(READ)) as service, both(service) as http:
        body = await http.post("/toy/runs", json={"wish": 7, "to": "user-1"})
        query = await http.get(f"{path}/feed?calls=maybe")
        method = await http.put("/toy/runs")
        unknown = [await http.get(one) for one in ("/toy/nothing", "/toy")]
        ours = [await http.get(one) for one in ("/v1/nothing", "/nothing", "/toys")]
        ours.append(await http.post("/healthz"))
        del http.headers["x-api-key"]
        keyless = await http.get(path)

    assert oops(body) == (
        400,
        "field_invalid",
        {"wish": "must be a string", "to": "is unknown", "for": "is required"},
    )
    assert oops(query) == (400, "field_invalid", {"calls": "must be true, false, 1 or 0"})
    assert oops(method) == (405, "method_not_allowed", {})
    assert [oops(answer)[:2] for answer in unknown] == [(404, "route_not_found")] * 2
    assert all("/toy/openapi.json" in answer.json()["text"] for answer in unknown)
    assert oops(keyless) == (401, "credentials_missing", {})
    assert keyless.headers["www-authenticate"] == "Bearer"
    assert [reason(answer)[1] for answer in ours] == ["ROUTE_NOT_FOUND"] * 3 + ["METHOD_NOT_ALLOWED"]


Event = tuple[str, dict[str, Any]]


async def read(http: httpx2.AsyncClient, path: str, asked: asyncio.Event) -> list[Event]:
    """The events of a stream up to its end; `asked` is set once the run waits for a person."""
    found: list[Event] = []
    async with http.stream("GET", path) as answer:
        assert answer.headers["content-type"] == "text/event-stream; charset=utf-8", await answer.aread()
        async for line in answer.aiter_lines():
            name, _, text = line.partition(": ")
            if name == "event":
                kind = text
            if name == "data":
                found.append((kind, json.loads(text)))
                if kind in {"question", "approval.required"}:
                    asked.set()
    return found


async def read_live(
    service: Service, started: HttpServer, run_id: str, paths: Sequence[str]
) -> tuple[list[list[Event]], int]:
    """What readers get of a run that waits for approval and goes on; and how many upstreams they had."""
    (approval,) = (await service.get(run_id)).pending_approvals
    headers = {"x-api-key": service.key}
    async with AsyncExitStack() as stack, asyncio.timeout(PATIENCE):
        asked = [asyncio.Event() for _ in paths]
        http = await stack.enter_async_context(
            httpx2.AsyncClient(base_url=started.url, headers=headers, timeout=PATIENCE)
        )
        readers = [asyncio.create_task(read(http, *one)) for one in zip(paths, asked, strict=True)]
        await asyncio.gather(*(one.wait() for one in asked))
        streams = started.backend.streams
        while sum(len(one.subscribers) for one in streams.fanouts._fanouts.values()) < len(paths):
            await http.get("/healthz")
        upstreams = Upstreams()
        while not upstreams.of(run_id):
            await http.get("/healthz")
        count = len(upstreams.of(run_id))
        await service.decide(approval.approval_id, 1)
        return await asyncio.gather(*readers), count


async def waiting(service: Service) -> str:
    """A run that waits for approval."""
    run_id = (await service.create("do", approval_strategy=2)).run_id
    await service.until(run_id, "approval_required")
    return run_id


async def test_readers_of_both_dialects_share_one_upstream_and_each_gets_its_own_events(
    serve: Serve,
) -> None:
    async with serve(chain(READ, WRITE)) as service, gateway(service, TOY) as started:
        run_id = await waiting(service)
        paths = [f"/v1/runs/{run_id}/sse", f"/toy/runs/{run_id}/feed?calls=false"]
        (ours, toys), count = await read_live(service, started, run_id, paths)

    assert count == 1
    assert {"plan", "result"} < {kind for kind, _ in ours}
    assert toys == [
        ("question", {"at": event["sequence"], "number": event["approvalId"]})
        if kind == "approval.required"
        else ("state", {"at": event["sequence"], "state": event["status"].lower()})
        for kind, event in ours
        if kind in {"status", "approval.required"}
    ]


async def test_the_first_reader_of_a_dialect_misses_nothing_of_a_run_that_others_follow(
    serve: Serve,
) -> None:
    """Its frames begin at the head of the fan-out, which may be ahead of the page that it read."""
    async with serve(chain(READ, WRITE)) as service, gateway(service, TOY) as started:
        run_id = await waiting(service)
        asked = asyncio.Event()
        async with httpx2.AsyncClient(base_url=started.url, headers={"x-api-key": service.key}) as http:
            first = asyncio.create_task(read(http, f"/v1/runs/{run_id}/sse", asked))
            await asked.wait()
            fanouts = started.backend.streams.fanouts._fanouts
            while not fanouts:
                await http.get("/healthz")
            (fanout,) = fanouts.values()
            head = fanout._head
            # As if the fan-out had read on while the toy's reader was on its way to it.
            with started.backend.streams.fanouts.subscribe(
                next(iter(fanouts)), next(iter(fanout.subscribers)).caller, head - 1, event_document
            ) as subscriber:
                lagged, piece = subscriber.has_lagged, await subscriber.next(PATIENCE)
            second = asyncio.create_task(read(http, f"/toy/runs/{run_id}/feed?calls=false", asyncio.Event()))
            (approval,) = (await service.get(run_id)).pending_approvals
            await service.decide(approval.approval_id, 1)
            ours, toys = await asyncio.gather(first, second)

    assert (lagged, piece) == (True, None)
    assert [event["at"] for _, event in toys] == [
        event["sequence"] for kind, event in ours if kind in {"status", "approval.required"}
    ]


async def test_a_live_event_is_encoded_once_for_all_readers_of_a_dialect(serve: Serve) -> None:
    encoded: Counter[int] = Counter()

    def counting(event: event_pb2.RunEvent) -> tuple[str, Mapping[str, Any]] | None:
        encoded[event.sequence] += 1
        return event_document(event)

    toy = replace(TOY, event_document=counting)
    async with serve(chain(READ, WRITE)) as service, gateway(service, toy) as started:
        run_id = await waiting(service)
        paths = [f"/toy/runs/{run_id}/feed?calls=true"] * 5
        found, _ = await read_live(service, started, run_id, paths)
        (asked,) = (event["at"] for kind, event in found[0] if kind == "question")
        live = {event.sequence for event in await service.events(run_id, include_tool_calls=True)}

    assert all(one == found[0] for one in found)
    assert {sequence: encoded[sequence] for sequence in live if sequence > asked + 1} == {
        sequence: 1 for sequence in live if sequence > asked + 1
    }


async def test_each_dialect_has_a_document_of_its_own(serve: Serve) -> None:
    async with serve(steps(READ)) as service, both(service) as http:
        served = {path: (await http.get(path)).json() for path in ("/openapi.json", "/toy/openapi.json")}
        page = await http.get("/toy/docs")
        start = await http.get("/toy/docs/start.js")
    toy = served["/toy/openapi.json"]

    assert set(toy["paths"]) == {operation.path for operation in TOY.operations}
    assert not [path for path in served["/openapi.json"]["paths"] if path.startswith("/toy")]
    assert set(toy["components"]["schemas"]) == {"ToyRun", "ToyWish", "Oops"}
    refusal = toy["paths"]["/toy/runs"]["post"]["responses"]["400"]
    assert refusal["content"] == {
        "application/vnd.toy+json": {"schema": {"$ref": "#/components/schemas/Oops"}}
    }
    assert "`errors`" not in refusal["description"]
    assert toy["info"]["title"] == "Toy"
    assert (page.status_code, start.status_code) == (200, 200)
    Draft202012Validator.check_schema(toy["components"]["schemas"]["ToyWish"])


def check_shapes(body: httpx2.Response, unknown: httpx2.Response) -> None:
    assert oops(body) == (400, "field_invalid", {"wish": "is required", "for": "is required"})
    assert oops(unknown)[:2] == (404, "route_not_found")


@pytest.mark.parametrize(
    "broken",
    [
        replace(TOY, problem=DIALECTS[0].problem),
        replace(TOY, prefix="/other"),
        replace(TOY, components=DIALECTS[0].components),
    ],
)
async def test_a_dialect_with_a_part_of_another_is_noticed(serve: Serve, broken: Dialect) -> None:
    async with serve(steps(READ)) as service:
        answers = []
        for dialect in (TOY, broken):
            async with (
                gateway(service, dialect) as started,
                httpx2.AsyncClient(base_url=started.url, headers={"x-api-key": service.key}) as http,
            ):
                answers.append([await http.post("/toy/runs", json={}), await http.get("/toy/nothing")])

    check_shapes(*answers[0])
    with pytest.raises(AssertionError):
        check_shapes(*answers[1])
