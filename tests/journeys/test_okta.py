"""Runs as an Okta service app, at a certified provider: private_key_jwt, one token for many calls."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from grpc import aio

from errands.v1 import event_pb2 as pb
from errands.v1 import run_pb2
from tests.journeys.conftest import Serve
from tests.okta.provider import Provider, private_key, provider
from tests.scripted import Scene
from tests.service import Service, violations

pytestmark = pytest.mark.counterparts

LIST = Scene("listUsers")
REFUSED = "the token endpoint refused the app with 401: invalid_client"


@pytest.fixture(scope="module")
def okta() -> Iterator[Provider]:
    with provider() as started:
        yield started


async def users(service: Service, okta: Provider) -> str:
    return await service.add_document(okta.document())


async def run(service: Service, integration: str, values: dict[str, str]) -> run_pb2.Run:
    created = await service.create("list", integration, pass_through=[passed(integration, values)])
    return await service.finished(created.run_id)


def passed(integration: str, values: dict[str, str]) -> run_pb2.PassThrough:
    return run_pb2.PassThrough(customer_integration_id=integration, values=values)


async def test_many_runs_share_one_token_which_comes_back_nowhere(serve: Serve, okta: Provider) -> None:
    before = okta.counts()["tokens"]
    async with serve(LIST) as service:
        integration = await users(service, okta)
        host = okta.issuer.removeprefix("http://")
        runs = await asyncio.gather(
            *(run(service, integration, {**okta.values, "host": host}) for _ in range(20))
        )

    assert {one.status for one in runs} == {pb.RUN_STATUS_SUCCESS}
    assert okta.counts()["tokens"] == before + 1
    echo = json.loads(runs[0].result_json)["output"]["echo"]
    assert echo["authorization"] == "[secret]"


async def test_a_token_that_was_taken_away_is_replaced_once(serve: Serve, okta: Provider) -> None:
    async with serve(LIST) as service:
        integration = await users(service, okta)
        await run(service, integration, okta.values)
        before = okta.counts()["tokens"]
        okta.forget()
        again = await run(service, integration, okta.values)

    assert again.status == pb.RUN_STATUS_SUCCESS
    assert okta.counts()["tokens"] == before + 1


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (
            {"privateKey": private_key("another")},
            "the token endpoint refused the app with 401: invalid_client",
        ),
        ({"clientId": "nobody"}, "the token endpoint refused the app with 401: invalid_client"),
        ({"scope": "okta.all"}, "what came with the run was refused: the service answered 401"),
    ],
)
async def test_a_bad_app_fails_its_step_and_nobody_is_asked(
    serve: Serve, okta: Provider, wrong: dict[str, str], says: str
) -> None:
    async with serve(LIST) as service:
        integration = await users(service, okta)
        good = await run(service, integration, okta.values)
        bad = await run(service, integration, {**okta.values, **wrong})
        events = await service.events(bad.run_id, include_tool_calls=True)
    (result,) = [event.tool_result for event in events if event.WhichOneof("event") == "tool_result"]

    assert good.status == pb.RUN_STATUS_SUCCESS
    assert bad.status == pb.RUN_STATUS_NO_SUCCESS
    assert bad.error.reason == "CREDENTIALS_INVALID"
    assert says in f"{result}{bad.error}"
    assert not [event for event in events if event.WhichOneof("event") == "auth_required"]


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"host": "https://elsewhere.example"}, "values.host"),
        ({"oauthTokenUrl": "http://127.0.0.1:9/token"}, "values.oauthTokenUrl"),
        ({"oauthTokenUrl": "https://user:pass@127.0.0.1/token"}, "values.oauthTokenUrl"),
        ({"privateKey": "-----BEGIN PRIVATE KEY-----\nMII\n-----END PRIVATE KEY-----"}, "values.privateKey"),
    ],
)
async def test_an_app_that_would_go_elsewhere_is_refused_at_create(
    serve: Serve, okta: Provider, wrong: Any, field: str
) -> None:
    async with serve(LIST) as service:
        integration = await users(service, okta)
        with pytest.raises(aio.AioRpcError) as refused:
            await run(service, integration, {**okta.values, **wrong})

    assert list(violations(refused.value)) == [f"pass_through[0].{field}"]


async def test_a_token_endpoint_in_a_private_network_is_not_asked(serve: Serve, okta: Provider) -> None:
    """Also for an internal integration: it opens its own origin, not its neighbours'."""
    async with serve(LIST) as service:
        integration = await users(service, okta)
        elsewhere = {**okta.values, "oauthTokenUrl": "https://127.0.0.1:9/token"}
        bad = await run(service, integration, elsewhere)

    assert bad.error.reason == "ADDRESS_FORBIDDEN"
