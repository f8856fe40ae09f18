"""MCP servers that an OpenID provider guards: users log in there, and act as themselves."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from errands.v1 import event_pb2
from errands.v1 import integration_pb2 as ipb
from tests.credentials.conftest import Stage, Staging, token_of
from tests.oidc.guarded import READING, WRITING, Guarded, guarded
from tests.oidc.provider import Browser
from tests.scripted import Scene

pytestmark = pytest.mark.counterparts
SUCCESS = event_pb2.RUN_STATUS_SUCCESS
LIST = Scene("list_things")
KEEP = Scene("keep_thing", {"what": "a mug"})


@asynccontextmanager
async def connected(stage: Staging, *scenes: Scene) -> AsyncGenerator[tuple[Stage, Guarded]]:
    """A guarded server as an integration that its administrator, ada, has connected to."""
    async with stage(*scenes) as found, guarded(found.provider) as server:
        request = ipb.CreateIntegrationRequest(
            name="things", mcp_url=server.url, internal=True, oauth_client=found.client()
        )
        made = (await found.service.integrations.CreateIntegration(request)).integration
        # With the slash that the SDK adds to the issuer it was given, and the provider does not have.
        assert (made.tool_count, made.auth.oauth_client.issuer) == (0, f"{found.provider.issuer}/")
        assert made.auth.oauth_client.resource == server.url
        found.integration = made.id
        await found.connect("ada")
        yield found, server


async def asked(found: Stage, run_id: str) -> event_pb2.RunEvent:
    """The event by which a run asks for authorization."""
    return await found.service.until(run_id, "auth_required")


async def grant(found: Stage, event: event_pb2.RunEvent, user: str) -> None:
    """The user follows the link of a run, and logs in."""
    browser = Browser(user)
    await found.finish(await found.visit(token_of(event.auth_required.url), browser), browser)


async def test_who_logs_in_at_the_servers_provider_sees_its_tools_and_acts_as_themselves(
    stage: Staging,
) -> None:
    async with connected(stage, LIST) as (found, server):
        server.kept = [("ada", "a letter"), ("grace", "a mug")]
        tools = await found.service.integrations.ListTools(ipb.ListToolsRequest(id=found.integration))
        own = await found.service.finished((await found.service.create("list", user_id="ada")).run_id)
        run_id = (await found.service.create("list", user_id="grace")).run_id
        event = await asked(found, run_id)
        before = list(server.callers)
        await grant(found, event, "grace")
        done = await found.service.finished(run_id)

    assert [tool.name for tool in tools.tools] == ["keep_thing", "list_things"]
    assert json.loads(own.result_json)["output"] == {"result": ["a letter"]}
    assert list(event.auth_required.scopes) == [READING]
    assert before == ["ada"]
    assert done.status == SUCCESS, done.error
    assert json.loads(done.result_json)["output"] == {"result": ["a mug"]}


async def test_a_tool_that_takes_a_wider_scope_stops_the_run_until_it_is_granted(stage: Staging) -> None:
    async with connected(stage, KEEP) as (found, server):
        run_id = (await found.service.create("keep", user_id="ada")).run_id
        event = await asked(found, run_id)
        before = list(server.kept)
        await grant(found, event, "ada")
        done = await found.service.finished(run_id)
        connection = await found.only_connection()

    assert set(event.auth_required.scopes) == {READING, WRITING}
    assert before == []
    assert done.status == SUCCESS, done.error
    assert server.kept == [("ada", "a mug")]
    assert {READING, WRITING} <= set(connection.scopes)


async def test_a_token_that_was_taken_away_is_renewed_once_and_nobody_is_asked(stage: Staging) -> None:
    async with connected(stage, LIST) as (found, server):
        await asyncio.to_thread(found.provider.forget, "AccessToken")
        runs = [(await found.service.create("list", user_id="ada")).run_id for _ in range(20)]
        done = [await found.service.finished(run_id) for run_id in runs]
        counts = await asyncio.to_thread(found.provider.counts)

    assert {run.status for run in done} == {SUCCESS}
    assert server.callers == ["ada"] * 20
    assert counts["refresh_token"] == 1


async def test_a_grant_that_was_taken_away_stops_the_run_at_the_users_authorization(stage: Staging) -> None:
    async with connected(stage, LIST) as (found, server):
        await asyncio.to_thread(found.provider.forget, "RefreshToken")
        await asyncio.to_thread(found.provider.forget, "AccessToken")
        run_id = (await found.service.create("list", user_id="ada")).run_id
        await grant(found, await asked(found, run_id), "ada")
        done = await found.service.finished(run_id)

    assert done.status == SUCCESS, done.error
    assert server.callers == ["ada"]
