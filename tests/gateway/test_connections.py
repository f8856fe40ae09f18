"""Connections over REST: stored for users, listed, forgotten, and never shown."""

from __future__ import annotations

from typing import Any

import pytest

from errands.v1 import event_pb2
from tests.contract.conftest import Serve
from tests.contract.plans import LOCKED, READ, steps
from tests.contract.target import Target
from tests.gateway.callers import NOBODY, RUN, asking, errors, reason
from tests.service import Service

SECRET = "hunter2-hunter2"
AUTHS: dict[str, dict[str, Any]] = {
    "bearer": {"type": "bearer", "token": SECRET},
    "apiKey": {"type": "apiKey", "value": SECRET, "in": "header", "name": "x-key"},
    "apiKeys": {"type": "apiKeys", "keys": [{"scheme": "code", "value": SECRET}]},
    "basic": {"type": "basic", "username": "ada", "password": SECRET},
    "oauth2": {
        "type": "oauth2",
        "accessToken": SECRET,
        "refreshToken": SECRET,
        "expiresAt": "2099-01-31T13:00:00+01:00",
        "scopes": ["things:read"],
    },
}


async def target_id(http: Any) -> str:
    return str((await http.get("/v1/integrations")).json()["integrations"][0]["id"])


@pytest.mark.parametrize("kind", AUTHS)
async def test_a_connection_of_each_type_is_stored_and_its_secret_is_never_shown(
    serve: Serve, kind: str
) -> None:
    async with serve(steps(READ)) as service, asking(service) as http:
        body = {"integrationId": await target_id(http), "userId": "ada", "auth": AUTHS[kind]}
        made = await http.post("/v1/connections", json=body)
        path = made.headers["location"]
        read, listed = await http.get(path), await http.get("/v1/connections?userId=ada")
        other = await http.get("/v1/connections?userId=bob")
        forgotten = await http.delete(path)
        gone = await http.get(path)

    assert (made.status_code, made.json()["type"], made.json()["status"]) == (201, kind, "ACTIVE")
    assert path == f"/v1/connections/{made.json()['id']}"
    assert read.json() == made.json()
    assert listed.json() == {"connections": [made.json()]}
    assert other.json() == {"connections": []}
    assert (forgotten.status_code, forgotten.content) == (204, b"")
    assert reason(gone) == (404, "CONNECTION_NOT_FOUND")
    assert SECRET not in made.text + read.text + listed.text
    if kind == "oauth2":
        assert (made.json()["scopes"], made.json()["expiresAt"]) == (
            ["things:read"],
            "2099-01-31T12:00:00.000Z",
        )
    else:
        assert (made.json()["scopes"], "expiresAt" in made.json()) == ([], False)


async def test_a_run_that_waits_goes_on_when_its_user_is_connected(serve: Serve, target: Target) -> None:
    async with serve(steps(LOCKED)) as service, asking(service) as http:
        integration = await target_id(http)
        waiting = [await service.create("do", user_id=user) for user in ("ada", "bob")]
        for created in waiting:
            await service.until(created.run_id, "auth_required")
        body = {"integrationId": integration, "userId": "ada", "auth": AUTHS["bearer"]}
        await http.post("/v1/connections", json=body)
        adas = await service.finished(waiting[0].run_id)
        bobs = await service.get(waiting[1].run_id)

    assert adas.status == event_pb2.RUN_STATUS_SUCCESS
    assert bobs.status == event_pb2.RUN_STATUS_AUTH_REQUIRED
    assert [request for request, _ in target.received] == ["GET /locked"]


API_KEY = {"type": "apiKey", "value": "a"}
OAUTH = {"type": "oauth2", "accessToken": "a"}
NO_NAME = "must be a name without spaces or separators"
NO_SCOPE = "must be one scope, without spaces, quotes or backslashes"


@pytest.mark.parametrize(
    ("auth", "field", "message"),
    [
        ({"type": "bearer"}, "auth.token", "is required"),
        ({"type": "bearer", "token": ""}, "auth.token", "must not be empty"),
        ({**API_KEY, "name": "a b"}, "auth.name", NO_NAME),
        ({**API_KEY, "in": "header"}, "auth.name", NO_NAME),
        ({**OAUTH, "scope": "b"}, "auth.scope", "is unknown; did you mean scopes?"),
        ({**OAUTH, "scopes": ["b c"]}, "auth.scopes[0]", NO_SCOPE),
    ],
)
async def test_what_is_wrong_with_a_credential_is_named_as_rest_names_it(
    serve: Serve, auth: dict[str, Any], field: str, message: str
) -> None:
    async with serve(steps(READ)) as service, asking(service) as http:
        body = {"integrationId": await target_id(http), "userId": "ada", "auth": auth}
        answer = await http.post("/v1/connections", json=body)

    assert answer.status_code == 400
    assert errors(answer) == {field: message}


async def test_it_takes_a_key_of_its_own_scope(service: Service) -> None:
    reader, connector = await service.with_scopes("runs:read"), await service.with_scopes("connections")
    async with asking(reader) as theirs, asking(connector) as mine:
        assert reason(await theirs.get("/v1/connections")) == (403, "SCOPE_MISSING")
        assert (await mine.get("/v1/connections")).json() == {"connections": []}
        assert reason(await mine.get(f"/v1/connections/{NOBODY}")) == (404, "CONNECTION_NOT_FOUND")


async def test_pages_follow_each_other_newest_first(serve: Serve) -> None:
    async with serve(steps(READ)) as service, asking(service) as http:
        integration = await target_id(http)
        for user in ("ada", "bob", "eve"):
            body = {"integrationId": integration, "userId": user, "auth": AUTHS["bearer"]}
            await http.post("/v1/connections", json=body)
        first = await http.get("/v1/connections?pageSize=2")
        second = await http.get(first.headers["link"].partition("<")[2].partition(">")[0])

    users = [[one["userId"] for one in page.json()["connections"]] for page in (first, second)]
    assert users == [["eve", "bob"], ["ada"]]
    assert "nextPageToken" not in second.json()


async def test_validate_only_answers_with_the_preflight_and_starts_nothing(
    serve: Serve, target: Target
) -> None:
    async with serve(steps(LOCKED, READ)) as service, asking(service) as http:
        body = {**RUN, "userId": "ada", "approvalStrategy": "ON_TOOL_CALL", "validateOnly": True}
        answer = await http.post("/v1/runs", json=body, headers={"Idempotency-Key": "once"})
        runs = await http.get("/v1/runs")
        integration = await target_id(http)

    found = answer.json()
    assert answer.status_code == 200
    assert "location" not in answer.headers
    assert found["plan"]["planType"] == "json"
    call = {"integrationId": integration, "integrationName": "desk", "effect": "read", "origin": target.url}
    assert found["preflight"]["calls"] == [
        {"stepId": "s1", "tool": "readLocked", "title": "readLocked", "access": "MISSING", **call},
        {"stepId": "s2", "tool": "readThings", "title": "readThings", "access": "NONE", **call},
    ]
    [missing] = found["preflight"]["missing"]
    assert (missing["integrationId"], missing["userId"]) == (integration, "ada")
    assert found["preflight"]["approvals"] == [
        {"kind": "CALLS", "stepId": "s1", "calls": 1},
        {"kind": "CALLS", "stepId": "s2", "calls": 1},
    ]
    assert runs.json() == []
    assert not target.received
