"""Random requests to every RPC: refused properly or carried out, and the server stays well."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from grpc import StatusCode, aio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from errands.v1 import approval_pb2, audit_pb2, connection_pb2, integration_pb2, key_pb2, run_pb2
from errands_server.app import Overrides
from tests.contract import target as targets
from tests.contract.conftest import add_target
from tests.contract.plans import READ, WRITE, chain
from tests.contract.refusals import check
from tests.scripted import ScriptedPlanner
from tests.service import OPERATOR, Service, serving

METHODS = [
    method
    for module, service in (
        (run_pb2, "RunService"),
        (approval_pb2, "ApprovalService"),
        (integration_pb2, "IntegrationService"),
        (connection_pb2, "ConnectionService"),
        (key_pb2, "KeyService"),
        (audit_pb2, "AuditService"),
    )
    for method in module.DESCRIPTOR.services_by_name[service].methods
]
_TEXTS = st.one_of(
    st.text(max_size=20),
    st.sampled_from(
        [
            "*",
            "\0",
            "{}",
            "[1e999]",
            '{"type":"object"}',
            "u",
            "http://127.0.0.1:1/",
            "admin",
            "runs:read",
            "0" * 32,
            "00000000-0000-7000-8000-000000000000",
            "x" * 70_000,
            "header",
        ]
    ),
)


class World:
    """A server in a loop of its own, so that each example can be run to its end."""

    def __init__(self, folder: Path) -> None:
        self._runner = asyncio.Runner()
        self._stack = ExitStack()
        self._folder = folder
        self.service: Service
        self.names: list[str] = []

    def start(self) -> None:
        self._desk = targets.opened()
        target = self.run(self._desk.__aenter__())
        planner = ScriptedPlanner(chain(WRITE, READ))
        self._server = serving(self._folder / "data", Overrides(planner=planner))
        self.service = self.run(self._server.__aenter__())
        self.names = self.run(self._seed(target))

    async def _seed(self, target: targets.Target) -> list[str]:
        integration = await add_target(self.service, target)
        finished = await self.service.create("done", integration, repeat_key="again", request_id="once")
        await self.service.finished(finished.run_id)
        waiting = await self.service.create("wait", integration, approval_strategy=3)
        asked = (await self.service.until(waiting.run_id, "approval_required")).approval_required
        key = await self.service.keys.CreateKey(key_pb2.CreateKeyRequest(name="k", scopes=["runs:read"]))
        page = await self.service.runs.ListRuns(run_pb2.ListRunsRequest(page_size=1))
        token = asked.actions[1].url.partition("token=")[2]
        bearer = connection_pb2.ConnectionBearer(token="t")
        connected = await self.service.connect(integration, "u", bearer=bearer)
        link = await self.service.connections.CreateConnectLink(
            connection_pb2.CreateConnectLinkRequest(integration_id=integration, user_id="u")
        )
        return [
            connected.id,
            link.url.rpartition("/")[2],
            "browser" * 10,
            integration,
            finished.run_id,
            finished.execution_plan_id,
            waiting.run_id,
            asked.approval_id,
            key.key.id,
            page.next_page_token,
            token,
            target.document(),
            "again",
            "once",
        ]

    def run(self, work: Any) -> Any:
        return self._runner.run(_awaited(work))

    def stop(self) -> None:
        self.run(self._server.__aexit__(None, None, None))
        self.run(self._desk.__aexit__(None, None, None))
        self._runner.close()


async def _awaited(work: Awaitable[Any]) -> Any:
    return await work


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    started = World(tmp_path_factory.mktemp("fuzz"))
    started.start()
    yield started
    started.stop()


def requests(descriptor: Descriptor, names: list[str]) -> SearchStrategy[Any]:
    """Messages of this type, in which texts are often ids and tokens of real things."""
    texts = st.one_of(st.sampled_from(names), _TEXTS)

    @st.composite
    def build(draw: DrawFn, of: Descriptor) -> Any:
        message = message_factory.GetMessageClass(of)()
        for field in of.fields:
            if draw(st.integers(0, 3)):
                _fill(draw, message, field, texts, build)
        return message

    return build(descriptor)


def _fill(draw: DrawFn, message: Any, field: FieldDescriptor, texts: Any, build: Any) -> None:
    if _is_map(field):
        getattr(message, field.name).update(draw(st.dictionaries(texts, texts, max_size=4)))
        return
    value = _values(field, texts, build)
    if field.is_repeated:
        many = draw(st.lists(value, max_size=4))
        getattr(message, field.name).extend(many * draw(st.sampled_from([1, 1, 1, 60])))
    elif field.message_type is not None:
        getattr(message, field.name).CopyFrom(draw(value))
    else:
        setattr(message, field.name, draw(value))


def _is_map(field: FieldDescriptor) -> bool:
    """Whether this is a map, all of which go from text to text."""
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def _values(field: FieldDescriptor, texts: Any, build: Any) -> SearchStrategy[Any]:
    match field.cpp_type:
        case FieldDescriptor.CPPTYPE_STRING:
            return texts
        case FieldDescriptor.CPPTYPE_BOOL:
            return st.booleans()
        case FieldDescriptor.CPPTYPE_ENUM:
            return st.one_of(st.integers(0, 6), st.sampled_from([-1, 99, 2**31 - 1]))
        case FieldDescriptor.CPPTYPE_INT32:
            return st.one_of(st.integers(0, 3), st.integers(-(2**31), 2**31 - 1))
        case FieldDescriptor.CPPTYPE_INT64:
            return st.one_of(st.integers(0, 9), st.integers(-(2**63), 2**63 - 1))
        case FieldDescriptor.CPPTYPE_MESSAGE:
            return build(field.message_type)
    raise AssertionError(f"no values for {field.full_name}")


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_no_request_brings_the_service_out_of_its_contract(environment: World, method: Any) -> None:
    path = f"/{method.containing_service.full_name}/{method.name}"

    @settings(
        max_examples=40,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(request=requests(method.input_type, environment.names))
    def every(request: Any) -> None:
        error = environment.run(_sent(environment.service, path, request))
        if error is not None:
            check(error)

    every()
    assert environment.run(_healthy(environment.service))


async def _sent(service: Service, path: str, request: Any) -> aio.AioRpcError | None:
    """Send it; the error, where it is refused. A call that waits for people is given up."""
    call = service.channel.unary_stream(path)(
        request.SerializeToString(), timeout=1.0, metadata=(("x-api-key", OPERATOR),)
    )
    try:
        await call.read()
    except aio.AioRpcError as error:
        mine = error.code() is StatusCode.DEADLINE_EXCEEDED  # the test's, not the server's
        return None if mine else error
    finally:
        call.cancel()
    return None


async def _healthy(service: Service) -> bool:
    page = await service.runs.ListRuns(run_pb2.ListRunsRequest(page_size=1))
    return bool(page.runs)
