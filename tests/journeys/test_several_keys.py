"""Services whose operations take several API keys together: stored, typed in, and shared."""

from __future__ import annotations

import json
from typing import Any

import pytest

from errands.v1 import connection_pb2 as pb
from errands.v1 import event_pb2
from errands.v1 import integration_pb2 as ipb
from tests.contract.refusals import refused
from tests.gateway.approvals.links import somebody
from tests.gateway.approvals.parsed import Page
from tests.gateway.connecting.links import connections, pressed, told
from tests.journeys.conftest import Serve
from tests.mirror import Mirror, mirror
from tests.scripted import Scene
from tests.service import Service, violations

SUCCESS = event_pb2.RUN_STATUS_SUCCESS
API, APPLICATION = "canary-6e11d0b7a4", "canary-c90b3f21d8"
SCHEMES = {
    "apiKeyAuth": {"type": "apiKey", "in": "header", "name": "X-API-KEY"},
    "appKeyAuth": {"type": "apiKey", "in": "query", "name": "application_key"},
    "session": {"type": "apiKey", "in": "cookie", "name": "sid"},
}
BOTH: list[dict[str, list[str]]] = [{"apiKeyAuth": [], "appKeyAuth": []}]


def _document(service: Mirror, tell: list[Any] | None = None) -> str:
    """`echo` takes two keys together, `tell` only one."""
    document = json.loads(service.document("echo", "tell", schemes=SCHEMES))
    document["paths"]["/echo"]["get"]["security"] = BOTH
    document["paths"]["/tell"]["get"]["security"] = tell or [{"apiKeyAuth": []}]
    return json.dumps(document)


def _keys(**values: str) -> pb.ConnectionApiKeys:
    keys = [pb.ConnectionSchemeKey(scheme=scheme, value=value) for scheme, value in values.items()]
    return pb.ConnectionApiKeys(keys=keys)


async def _ran(service: Service) -> Any:
    return await service.finished((await service.create("go")).run_id)


def _sent(service: Mirror) -> list[tuple[str, str | None]]:
    return [(one.target, one.headers.get("x-api-key")) for one in service.received]


@pytest.mark.parametrize("name", ["echo", "tell"])
async def test_each_operation_gets_the_keys_it_asks_for(serve: Serve, name: str) -> None:
    async with mirror() as found, serve(Scene(name)) as service:
        integration = await service.add_document(_document(found))
        made = await service.connect(integration, api_keys=_keys(apiKeyAuth=API, appKeyAuth=APPLICATION))
        run = await _ran(service)
        events = await service.events(run.run_id, include_tool_calls=True)

    both = f"/echo?application_key={APPLICATION}"
    assert made.type == "apiKeys"
    assert run.status == SUCCESS
    assert _sent(found) == [(both if name == "echo" else "/tell", API)]
    assert API not in f"{run}{events}"
    assert APPLICATION not in f"{run}{events}"


async def test_a_key_that_was_not_sent_does_not_come_back_either(serve: Serve) -> None:
    async with mirror() as found, serve(Scene("tell")) as service:
        integration = await service.add_document(_document(found))
        await service.connect(integration, api_keys=_keys(apiKeyAuth=API, appKeyAuth=APPLICATION))
        found.says = f"you are {APPLICATION}"
        run = await _ran(service)
        events = await service.events(run.run_id, include_tool_calls=True)

    assert "you are [secret]" in f"{events}"
    assert APPLICATION not in f"{run}{events}"


async def test_the_page_asks_for_all_of_them_and_the_run_goes_on(serve: Serve) -> None:
    async with mirror() as found, serve(Scene("echo")) as service, somebody(service) as ada:
        await service.add_document(_document(found))
        created = await service.create("go", user_id="ada")
        required = (await service.until(created.run_id, "auth_required")).auth_required
        page = await ada.get(required.url.partition(service.app.http_address)[2])
        fields = [one for tag, one in Page.of(page.text).elements if one.get("type") == "password"]
        answer = await pressed(ada, page, secret=API, secret2=APPLICATION)
        run = await service.finished(created.run_id)
        kept = await connections(service)

    assert [field["name"] for field in fields] == ["secret", "secret2"]
    for words in (
        "X-API-KEY for service apiKeyAuth",
        "application_key for service appKeyAuth",
        "They are stored",
    ):
        assert words in told(page)
    assert "Connected" in told(answer)
    assert run.status == SUCCESS
    assert kept == [("ada", "apiKeys")]
    assert _sent(found) == [(f"/echo?application_key={APPLICATION}", API)]


@pytest.mark.parametrize(
    ("tell", "asked"),
    [
        ([{"session": []}], ["apiKeyAuth", "appKeyAuth", "session"]),
        ([{"session": []}, {"appKeyAuth": []}], ["apiKeyAuth", "appKeyAuth"]),
    ],
    ids=["another operation takes a third", "another operation takes one of them"],
)
async def test_a_link_asks_for_what_opens_every_operation(
    serve: Serve, tell: list[Any], asked: list[str]
) -> None:
    async with mirror() as found, serve(Scene("echo")) as service:
        integration = await service.add_document(_document(found, tell))
        link = await service.connections.CreateConnectLink(
            pb.CreateConnectLinkRequest(integration_id=integration, user_id="ada")
        )
        token = link.url.rpartition("/")[2]
        read = await service.connections.GetConnectLink(pb.GetConnectLinkRequest(token=token), metadata=())
        half = pb.BeginConnectRequest(token=token, browser="b" * 43, api_keys=_keys(apiKeyAuth=API))
        error = await refused(service.connections.BeginConnect(half, metadata=()))

    assert read.type == "apiKeys"
    assert [key.scheme for key in read.keys] == asked
    assert read.keys[1].name == "application_key"
    assert violations(error) == {"api_keys.keys": f"must be of {', '.join(asked)}, one of each"}


@pytest.mark.parametrize(
    "echo", [[{"appKeyAuth": []}], [*BOTH, {"session": []}]], ids=["one key", "or one key"]
)
async def test_where_one_key_is_enough_no_more_are_asked_for(serve: Serve, echo: list[Any]) -> None:
    async with mirror() as found, serve(Scene("echo")) as service:
        document = json.loads(_document(found))
        document["paths"]["/echo"]["get"]["security"] = echo
        integration = await service.add_document(json.dumps(document))
        link = await service.connections.CreateConnectLink(
            pb.CreateConnectLinkRequest(integration_id=integration, user_id="ada")
        )
        request = pb.GetConnectLinkRequest(token=link.url.rpartition("/")[2])
        read = await service.connections.GetConnectLink(request, metadata=())

    assert (read.type, list(read.keys)) == ("apiKey", [])


async def test_keys_that_nothing_can_be_done_with_are_refused_by_field(serve: Serve) -> None:
    async with mirror() as found, serve(Scene("echo")) as service:
        integration = await service.add_document(_document(found))

        async def wrong(keys: pb.ConnectionApiKeys) -> dict[str, str]:
            return violations(await refused(service.connect(integration, api_keys=keys)))

        unknown = await wrong(_keys(apiKeyAuth=API, other=APPLICATION))
        none = await wrong(pb.ConnectionApiKeys())
        one = pb.ConnectionSchemeKey(scheme="apiKeyAuth", value=API)
        twice = await wrong(pb.ConnectionApiKeys(keys=[one, one]))
        empty = await wrong(_keys(apiKeyAuth=""))

    known = "apiKeyAuth, appKeyAuth, session"
    assert unknown == {"api_keys.keys[1].scheme": f"is no API key of the description, which has: {known}"}
    assert none.keys() == {"api_keys.keys"}
    assert twice == {"api_keys.keys[1].scheme": "is given more than once"}
    assert empty.keys() == {"api_keys.keys[0].value"}


def _placed(**names: str) -> ipb.IntegrationCredential:
    keys = [
        ipb.ApiKeyCredential(**{"in": place, "name": name, "value": value})
        for (place, name), value in zip(names.items(), (API, APPLICATION), strict=False)
    ]
    return ipb.IntegrationCredential(api_keys=ipb.ApiKeysCredential(keys=keys))


async def test_a_shared_account_may_have_several_keys(serve: Serve) -> None:
    async with mirror() as found, serve(Scene("tell")) as service:
        request = ipb.CreateIntegrationRequest(
            name="mirror",
            openapi_document=_document(found),
            internal=True,
            credential=_placed(header="X-API-KEY", query="application_key"),
            shared_credential=True,
        )
        made = await service.integrations.CreateIntegration(request)
        request.name = "again"
        request.credential.api_keys.keys[1].CopyFrom(request.credential.api_keys.keys[0])
        error = await refused(service.integrations.CreateIntegration(request))
        run = await _ran(service)

    assert (made.integration.auth.type, made.integration.auth.shared) == ("apiKeys", True)
    assert violations(error) == {"credential.api_keys.keys[1].name": "is given more than once"}
    assert run.status == SUCCESS
    assert _sent(found) == [(f"/tell?application_key={APPLICATION}", API)]
