"""Where an issuer's metadata is looked for, and whose it must be."""

from __future__ import annotations

import asyncio
import json

import pytest

from errands_server.credentials.oauth.client import OAuthClient
from errands_server.credentials.oauth.discovery import AuthorizationServer, Discovery, OAuthFailed
from errands_server.outbound.web import Web
from tests.tools.loopback import Received, http, service


async def found(path: str, named: str) -> AuthorizationServer:
    """What is found of the issuer at a path, by a client that was told of it so."""
    origin = ""

    async def answer(request: Received, writer: asyncio.StreamWriter) -> None:
        here = request.target == f"/.well-known/oauth-authorization-server{path}"
        issuer = {"issuer": f"{origin}{path}", "token_endpoint": f"{origin}/token"}
        writer.write(http(200, json.dumps(issuer).encode()) if here else http(404))

    async with service(answer) as server:
        origin = server.origin
        web = Web()
        try:
            client = OAuthClient(client_id="a", issuer=f"{origin}{named}", internal_origins=(origin,))
            return await Discovery(web).find_server(client)
        finally:
            await web.aclose()


@pytest.mark.parametrize(("path", "named"), [("", ""), ("", "/"), ("/a", "/a"), ("/a", "/a/")])
async def test_metadata_is_found_with_and_without_a_slash_at_the_end_of_the_issuer(
    path: str, named: str
) -> None:
    assert (await found(path, named)).token_endpoint.endswith("/token")


async def test_another_path_is_another_issuer() -> None:
    with pytest.raises(OAuthFailed, match="no metadata"):
        await found("/a", "/b")
