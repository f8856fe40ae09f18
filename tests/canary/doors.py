"""Every door through which a secret can come in. A new one is a line in `DOORS`."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from errands.v1 import connection_pb2 as cpb
from errands.v1 import integration_pb2 as ipb
from errands.v1 import run_pb2
from tests.mirror import Mirror
from tests.okta.provider import private_key
from tests.tools.mcp.plain import MODERN

_SCHEMES: dict[str, dict[str, Any]] = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "header": {"type": "apiKey", "in": "header", "name": "X-Key"},
    "query": {"type": "apiKey", "in": "query", "name": "key"},
    "cookie": {"type": "apiKey", "in": "cookie", "name": "session"},
    "basic": {"type": "http", "scheme": "basic"},
    "oauth": {"type": "oauth2", "flows": {"clientCredentials": {"tokenUrl": "/grant", "scopes": {}}}},
    "aws": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "x-errands-aws": {"service": "sqs", "region": "eu-west-1"},
    },
}


def canary(name: str, tail: str = "/+a=b&c%d'e \"f\\g<h>") -> str:
    """A secret that nobody else has, with characters that are written in many ways."""
    return f"{name}{secrets.token_urlsafe(15)}{tail}"


class Door(Struct, kw_only=True):
    """One way in: what is registered with the integration, what comes with the run, and what it hides.

    `server` is the revision an MCP server speaks, `process` the environment of one that is a process;
    without them the integration is an HTTP API.
    """

    scheme: str = "bearer"
    also: str = ""  # a second scheme, which is asked for together with the first
    hides: list[str]
    shared: ipb.IntegrationCredential | None = None
    connected: Mapping[str, Any] = {}  # the user's own credential
    client: Callable[[Mirror], ipb.OAuthClient] | None = None  # obtains the shared account's tokens
    passed: Callable[[str, Mirror], run_pb2.PassThrough] | None = None
    issued: Mapping[str, tuple[str, str]] = {}
    server: str = ""
    process: Mapping[str, str] = {}


def shared_bearer() -> Door:
    secret = canary("bearer")
    given = ipb.IntegrationCredential(bearer=ipb.BearerCredential(token=secret))
    return Door(scheme="bearer", hides=[secret], shared=given)


def shared_key(where: str) -> Callable[[], Door]:
    def made() -> Door:
        # What stands in a cookie is written there as it is.
        secret = canary(f"{where}key", "/+a=b%d'e" if where == "cookie" else "/+a=b&c%d'e<f>")
        key = ipb.ApiKeyCredential(name=_SCHEMES[where]["name"], value=secret, **{"in": where})
        return Door(scheme=where, hides=[secret], shared=ipb.IntegrationCredential(api_key=key))

    return made


def shared_basic() -> Door:
    secret = canary("basic")
    pair = ipb.BasicCredential(username="ada", password=secret)
    return Door(scheme="basic", hides=[secret], shared=ipb.IntegrationCredential(basic=pair))


def connected_bearer() -> Door:
    secret = canary("mybearer")
    return Door(scheme="bearer", hides=[secret], connected={"bearer": cpb.ConnectionBearer(token=secret)})


def connected_key() -> Door:
    secret = canary("mykey")
    return Door(scheme="header", hides=[secret], connected={"api_key": cpb.ConnectionApiKey(value=secret)})


def connected_keys() -> Door:
    keys = {"header": canary("firstkey"), "query": canary("secondkey")}
    named = [cpb.ConnectionSchemeKey(scheme=scheme, value=value) for scheme, value in keys.items()]
    return Door(
        scheme="header",
        also="query",
        hides=list(keys.values()),
        connected={"api_keys": cpb.ConnectionApiKeys(keys=named)},
    )


def connected_basic() -> Door:
    secret = canary("mypassword")
    pair = cpb.ConnectionBasic(username="ada", password=secret)
    return Door(scheme="basic", hides=[secret], connected={"basic": pair})


def connected_tokens() -> Door:
    access, refresh = canary("myaccess"), canary("myrefresh")
    tokens = cpb.ConnectionTokens(access_token=access, refresh_token=refresh)
    return Door(scheme="bearer", hides=[access, refresh], connected={"tokens": tokens})


def client_credentials() -> Door:
    secret, token = canary("clientsecret"), canary("clienttoken", "-_.~")
    issued = json.dumps({"access_token": token, "token_type": "Bearer", "expires_in": 3_600})
    return Door(
        scheme="oauth",
        hides=[secret, token],
        client=lambda found: ipb.OAuthClient(
            client_id="app", client_secret=secret, token_url=f"{found.url}/grant", grant="client_credentials"
        ),
        issued={"grant": ("application/json", issued)},
    )


def passed_headers() -> Door:
    token, key, jar = canary("passedtoken"), canary("passedkey"), canary("passedcookie", "/+a=b%d")
    headers = {"Authorization": f"Bearer {token}", "X-Key": key, "Cookie": f"sid={jar}"}
    return Door(
        scheme="bearer",
        hides=[token, key, f"sid={jar}"],
        passed=lambda integration, _: run_pb2.PassThrough(
            customer_integration_id=integration, headers=headers
        ),
    )


def passed_query() -> Door:
    secret = canary("passedquery")
    return Door(
        scheme="query",
        hides=[secret],
        passed=lambda integration, _: run_pb2.PassThrough(
            customer_integration_id=integration, query={"token": secret}
        ),
    )


def _valued(values: Callable[[Mirror], dict[str, str]]) -> Callable[[str, Mirror], run_pb2.PassThrough]:
    return lambda integration, found: run_pb2.PassThrough(
        customer_integration_id=integration, values=values(found)
    )


def aws_keys() -> Door:
    values = {
        "accessKeyId": f"ASIA{secrets.token_hex(8).upper()}",
        "secretAccessKey": canary("awssecret", "/+a=b"),
        "sessionToken": canary("awssession", "/+a=b" * 40),
    }
    return Door(scheme="aws", hides=list(values.values()), passed=_valued(lambda _: values))


def aws_role() -> Door:
    external = canary("external", "/+=a")
    issued = [
        f"ASIA{secrets.token_hex(8).upper()}",
        canary("issuedsecret", "/+a"),
        canary("issuedtoken", "/+="),
    ]
    names = ("AccessKeyId", "SecretAccessKey", "SessionToken")
    found = "".join(f"<{name}>{value}</{name}>" for name, value in zip(names, issued, strict=True))
    until = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    answer = f"<Credentials>{found}<Expiration>{until}</Expiration></Credentials>"
    namespace = "https://sts.amazonaws.com/doc/2011-06-15/"
    result = f"<AssumeRoleResult>{answer}</AssumeRoleResult>"
    xml = f'<AssumeRoleResponse xmlns="{namespace}">{result}</AssumeRoleResponse>'
    values = {"roleArn": "arn:aws:iam::123456789012:role/partner", "externalId": external}
    return Door(
        scheme="aws",
        hides=[external, *issued],
        passed=_valued(lambda _: values),
        issued={"": ("text/xml", xml)},
    )


def okta() -> Door:
    token = canary("oktatoken", "-_.~")
    key = private_key()
    values = {"clientId": "app", "kid": "kid-1", "privateKey": key, "scope": "okta.read"}
    lines = [line for line in key.splitlines() if not line.startswith("---")]
    issued = json.dumps({"access_token": token, "token_type": "Bearer", "expires_in": 3_600})
    return Door(
        scheme="bearer",
        hides=[token, *lines],
        passed=_valued(lambda found: {**values, "oauthTokenUrl": f"{found.url}/token"}),
        issued={"token": ("application/json", issued)},
    )


def to_a_server(door: Callable[[], Door], revision: str) -> Callable[[], Door]:
    """The same way in, to an MCP server."""
    return lambda: replace(door(), server=revision)


def process_environment() -> Door:
    secret = canary("environment")
    return Door(hides=[secret], process={"MIRROR_TOKEN": secret})


DOORS: dict[str, Callable[[], Door]] = {
    "shared bearer": shared_bearer,
    "shared key in a header": shared_key("header"),
    "shared key in the query": shared_key("query"),
    "shared key in a cookie": shared_key("cookie"),
    "shared user and password": shared_basic,
    "connected bearer": connected_bearer,
    "connected key": connected_key,
    "connected keys": connected_keys,
    "connected user and password": connected_basic,
    "connected tokens": connected_tokens,
    "client credentials": client_credentials,
    "passed headers": passed_headers,
    "passed query": passed_query,
    "passed AWS keys": aws_keys,
    "passed AWS role": aws_role,
    "passed Okta app": okta,
    "MCP, shared bearer": to_a_server(shared_bearer, "2025-06-18"),
    "MCP, connected bearer": to_a_server(connected_bearer, MODERN),
    "MCP, connected tokens": to_a_server(connected_tokens, "2025-11-25"),
    "MCP, passed headers": to_a_server(passed_headers, MODERN),
    "MCP, environment of a process": process_environment,
}


def description(found: Mirror, door: Door) -> str:
    """The mirror as an integration of this door; only connections are asked for."""
    names = [name for name in (door.scheme, door.also) if name]
    text = found.document(
        schemes={name: _SCHEMES[name] for name in names}, secured=bool(door.connected or door.client)
    )
    if not door.also:
        return text
    document = json.loads(text)
    for path in document["paths"].values():
        for operation in path.values():
            operation["security"] = [{name: [] for name in names}]
    return json.dumps(document)
