"""Importing: paging, bounds, servers that let nobody in, and what is found out about them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from errands_server.credentials.credential import Credential
from errands_server.domain.errors import Invalid, Reason
from errands_server.tools.mcp.endpoint import Listing
from errands_server.tools.mcp.importer import McpSource, McpTerms, apply_listing, reimport
from errands_server.tools.mcp.protected_resource import protected_resource
from tests.tools.mcp.caller import caller, operations
from tests.tools.mcp.plain import TOOL, Plain, plain

SECRET = "hunter2-hunter2"
BEARER = Credential(headers={"Authorization": f"Bearer {SECRET}"})


async def test_every_page_of_a_listing_is_read() -> None:
    async with plain() as server:

        def paged(_: Request, message: Mapping[str, Any]) -> Mapping[str, Any] | None:
            if message.get("method") != "tools/list":
                return None
            page = int(message.get("params", {}).get("cursor") or 0)
            more = {"nextCursor": str(page + 1)} if page < 4 else {}
            return {"tools": [{**TOOL, "name": f"act{page}"}], **more}

        server.answer = paged
        async with caller(McpSource(url=server.url)) as call:
            assert sorted(call.operations) == [f"act{page}" for page in range(5)]


async def test_pages_without_end_are_refused() -> None:
    async with plain() as server:

        def endless(_: Request, message: Mapping[str, Any]) -> Mapping[str, Any] | None:
            tools = [{**TOOL, "name": f"act{len(server.asked)}_{number}"} for number in range(100)]
            return {"tools": tools, "nextCursor": "x"} if message.get("method") == "tools/list" else None

        server.answer = endless
        with pytest.raises(Invalid, match="more than 5,000 tools"):
            async with caller(McpSource(url=server.url)):
                pass


@pytest.mark.parametrize(
    ("source", "field", "why"),
    [
        (McpSource(url="ftp://x.example/"), "mcp_url", "not an http"),
        (McpSource(url="http://ada:secret@x.example/"), "mcp_url", "user or password"),
        (McpSource(url="http://x.example/#a"), "mcp_url", "fragment"),
        (McpSource(url="http://127.0.0.1:1/mcp"), "mcp_url", "cannot be reached"),
        (McpSource(server="nobody"), "mcp_server", "no MCP server 'nobody'"),
    ],
)
async def test_what_cannot_be_asked_is_refused_by_its_field(source: McpSource, field: str, why: str) -> None:
    with pytest.raises(Invalid) as refusal:
        async with caller(source):
            pass

    (violation,) = refusal.value.violations
    assert violation.field == field
    assert why in violation.message


async def test_a_credential_opens_a_guarded_listing_and_is_not_told_where_it_does_not() -> None:
    async with plain() as server:
        server.answer = guarded(server)
        async with caller(McpSource(url=server.url), credential=BEARER) as call:
            assert list(call.operations) == ["act"]

        wrong = Credential(headers={"Authorization": "Bearer wrong-wrong-wrong"})
        with pytest.raises(Invalid) as refusal:
            async with caller(McpSource(url=server.url), credential=wrong):
                pass

    assert refusal.value.reason is Reason.DOCUMENT_UNREACHABLE
    assert "401" in refusal.value.message
    assert "wrong-wrong" not in refusal.value.message


def guarded(server: Plain, **metadata: Any) -> Any:
    """Lets only BEARER in, and tells everybody who guards it."""
    known = {"resource": server.url, "authorization_servers": ["https://login.example"], **metadata}

    def answer(request: Request, _: Mapping[str, Any]) -> Response | None:
        if request.url.path.startswith("/.well-known/oauth-protected-resource"):
            return JSONResponse(known)
        if request.headers.get("authorization") == f"Bearer {SECRET}":
            return None
        return Response(status_code=401, headers={"www-authenticate": 'Bearer scope="notes:read"'})

    return answer


async def test_a_listing_that_holds_the_credential_it_was_asked_with_is_kept_without() -> None:
    async with plain() as server:
        told = {"description": f"For {SECRET}.", "inputSchema": {"type": "object", "title": SECRET}}
        server.tools = [{**TOOL, **told}]
        credential = Credential(headers={"Authorization": f"Bearer {SECRET}"})
        async with caller(McpSource(url=server.url), credential=credential) as call:
            (tool,) = [operation.tool for operation in call.operations.values()]

    assert tool.description == "For [secret]."
    assert SECRET.encode() not in call.revision.operations + call.revision.document


async def test_a_server_that_lets_no_stranger_in_has_no_tools_yet_and_a_scheme() -> None:
    async with plain() as server:
        server.answer = guarded(server)
        async with caller(McpSource(url=server.url)) as call:
            revision = call.revision

        assert revision.tool_count == 0
        assert "only to who is authorized" in revision.left_out[0]
        assert json.loads(revision.schemes) == {
            "oauth": {
                "kind": "oauth2",
                "flows": {
                    "authorizationCode": {
                        "resource": server.url,
                        "scopes": {"notes:read": ""},
                        "issuer": "https://login.example",
                    }
                },
            }
        }

    found = apply_listing(revision, Listing(tools=(dict(TOOL),)))
    (operation,) = operations(found)
    assert operation.tool.secured
    assert operation.scopes == (("notes:read",),)


async def test_importing_a_guarded_server_again_keeps_the_tools_it_had() -> None:
    async with plain() as server:
        server.answer = guarded(server)
        async with caller(McpSource(url=server.url)) as call:
            known = apply_listing(call.revision, Listing(tools=(dict(TOOL),)))
        async with caller(McpSource(url=server.url), old=known) as call:
            assert list(call.operations) == ["act"]


async def test_a_server_that_does_not_say_who_guards_it_is_refused() -> None:
    async with plain() as server:
        server.answer = lambda *_: Response(status_code=401)
        with pytest.raises(Invalid, match="401"):
            async with caller(McpSource(url=server.url)):
                pass


@pytest.mark.parametrize("resource", ["https://other.example/mcp", "{origin}/other", "nonsense"])
async def test_metadata_of_another_resource_is_not_believed(resource: str) -> None:
    async with plain() as server:
        origin = server.url.removesuffix("/mcp")
        server.answer = guarded(server, resource=resource.format(origin=origin))

        assert await protected_resource(server.url, internal=True) is None


async def test_metadata_is_found_where_the_challenge_says_if_that_is_the_servers_own() -> None:
    async with plain() as server:
        origin = server.url.removesuffix("/mcp")
        places: list[str] = []

        def answer(request: Request, _: Mapping[str, Any]) -> Response:
            places.append(request.url.path)
            return JSONResponse({"resource": origin, "scopes_supported": ["a"]})

        server.answer = answer
        found = await protected_resource(
            server.url, internal=True, challenge=f'Bearer resource_metadata="{origin}/elsewhere"'
        )
        async with plain() as elsewhere:
            await protected_resource(
                server.url, internal=True, challenge=f'Bearer resource_metadata="{elsewhere.url}"'
            )

    assert elsewhere.asked == []
    assert found is not None
    assert (found.resource, found.scopes) == (origin, ("a",))
    assert places == ["/elsewhere", "/.well-known/oauth-protected-resource/mcp"]


async def test_a_listing_is_read_again_without_asking_and_the_same_one_changes_nothing() -> None:
    async with plain() as server, caller(McpSource(url=server.url)) as call:
        asked = len(server.asked)
        revision = call.revision
        keyed = reimport(revision, McpTerms(internal=True, honours_keys=True))

        assert len(server.asked) == asked
        assert [one.tool.repeat for one in operations(keyed)] == ["keyed"]
        assert apply_listing(revision, Listing(tools=(dict(TOOL),))) is revision
        changed = apply_listing(revision, Listing(tools=(dict(TOOL), {**TOOL, "name": "more"})))
        assert [one.tool.name for one in operations(changed)] == ["act", "more"]
        assert msgspec.json.decode(changed.schemes) == {}
