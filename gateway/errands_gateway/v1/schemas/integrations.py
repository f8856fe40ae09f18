"""Integrations and their tools."""

from __future__ import annotations

from typing import Any, Final

from .builders import (
    WORDS,
    Schema,
    any_object,
    array,
    enum,
    flag,
    moment,
    ref,
    request_object,
    response_object,
    text,
    whole,
)

SECRET: Final = {"minLength": 1, "maxLength": 8_192}
PRINTABLE: Final = {"pattern": "^[ -~]*$", "title": "printable ASCII"}
_OPENAPI: Final[Schema] = {
    "description": "The OpenAPI 3.0 or 3.1 document.",
    "oneOf": [
        request_object(
            "Where it is.",
            {
                "url": text(
                    "http or https; fetched once.",
                    maxLength=2_048,
                    pattern="^[Hh][Tt][Tt][Pp][Ss]?://",
                    title="an http or https URL",
                )
            },
            ["url"],
            title="{url}",
        ),
        request_object(
            "The document itself.",
            {
                "document": {
                    "description": "An object, or its text in JSON or YAML.",
                    "anyOf": [{"type": "object"}, {"type": "string", "minLength": 1}],
                }
            },
            ["document"],
            title="{document}",
        ),
    ],
}
_MCP: Final[Schema] = {
    "description": "The MCP server, instead of a document.",
    "oneOf": [
        request_object(
            "Its endpoint.",
            {
                "url": text(
                    "http or https (streamable HTTP); asked for its tools.",
                    maxLength=2_048,
                    pattern="^[Hh][Tt][Tt][Pp][Ss]?://",
                    title="an http or https URL",
                )
            },
            ["url"],
            title="{url}",
        ),
        request_object(
            "A process of the operator's.",
            {"server": text("Its name in `--mcp-servers`. Needs scope `operator`.", maxLength=100, **WORDS)},
            ["server"],
            title="{server}",
        ),
    ],
}


def kind(name: str) -> Schema:
    return {"type": "string", "const": name, "description": "The kind of credential."}


_AUTH: Final[Schema] = {
    "description": "A credential, write-only. Only with `sharedCredential`.",
    "oneOf": [ref("BearerAuth"), ref("ApiKeyAuth"), ref("ApiKeysAuth"), ref("BasicAuth")],
    "discriminator": {
        "propertyName": "type",
        "mapping": {
            "bearer": "#/components/schemas/BearerAuth",
            "apiKey": "#/components/schemas/ApiKeyAuth",
            "apiKeys": "#/components/schemas/ApiKeysAuth",
            "basic": "#/components/schemas/BasicAuth",
        },
    },
}
KEY: Final[dict[str, Schema]] = {
    "in": enum("Where it is sent.", ["header", "query", "cookie"]),
    "name": text(
        "Name of the header, parameter or cookie.",
        maxLength=100,
        pattern=r"^[!-+\--9<>-~]+$",
        title="a name without spaces or separators",
    ),
    "value": text("The key.", **SECRET, **PRINTABLE),
}
_NAME: Final = text("Name, unique in the tenant.", maxLength=100, **WORDS)
_BASE_URL: Final = text("Where requests go; else the document's first server.", maxLength=2_048)
_HONOURS: Final = flag(
    "Every writing operation honours an `Idempotency-Key` header, or every writing tool of an MCP"
    " server `errands/idempotency-key` in its `_meta`."
)
_RATE: Final = text(
    "How often it may be called: a number and /s, /m, /h or /d. Calls beyond that wait. Empty for no limit.",
    pattern="^([1-9][0-9]{0,4}/[smhd])?$",
    title="a number and /s, /m, /h or /d, such as 10/s",
)
_PLACES: Final = whole("How many calls may be under way at once; 0 for any.", minimum=0, maximum=1_000)
_SHARED: Final = flag("`auth` is one account for every user, and is shown as such.")


def _changes(**more: Any) -> dict[str, Any]:
    return {
        "name": _NAME,
        "openapi": _OPENAPI,
        "mcp": _MCP,
        "baseUrl": _BASE_URL,
        "auth": ref("IntegrationAuthInput"),
        "sharedCredential": _SHARED,
        "honoursIdempotencyKeys": _HONOURS,
        "rateLimit": _RATE,
        "maxConcurrency": _PLACES,
        "oauthClient": ref("OAuthClientInput"),
        **more,
    }


_CLIENT: Final[dict[str, Schema]] = {
    "clientId": text("Id of the client.", minLength=1, maxLength=2_048),
    "issuer": text(
        "The authorization server; its metadata gives what is left out (RFC 8414).", maxLength=2_048
    ),
    "authorizationUrl": text("Where users authorize.", maxLength=2_048),
    "tokenUrl": text("Where tokens are obtained.", maxLength=2_048),
    "refreshUrl": text("Where they are renewed, if that is elsewhere.", maxLength=2_048),
    "scopes": array(
        {"type": "string", "minLength": 1, "maxLength": 255},
        "What to ask for besides what the operations need.",
        maxItems=100,
    ),
    "tokenAuthMethod": enum(
        "How the client identifies itself; basic with a secret and none without, where it is left out.",
        ["client_secret_basic", "client_secret_post", "none"],
    ),
    "resource": text("The resource tokens are meant for (RFC 8707).", maxLength=2_048),
    "grant": enum(
        "`client_credentials`: one account for every user.", ["authorization_code", "client_credentials"]
    ),
}
_CREATE: Final = request_object(
    "Asks for an integration, made from an OpenAPI document or an MCP server.",
    _changes(internal=flag("Its origin may lie in a private network. Needs scope `operator`.")),
    ["name"],
    oneOf=[{"required": [name], "title": f"{{name, {name}}}"} for name in ("openapi", "mcp")],
)
_UPDATE: Final = request_object(
    "Changes an integration, as a new revision. What is left out stays.",
    _changes(
        removeCredential=flag("Forget the stored credential."),
        removeOauthClient=flag("Forget the client. Connections made with it can no longer be renewed."),
        status=enum("Activate or deactivate.", ["ACTIVE", "INACTIVE"]),
    ),
)
_MEMBERS: Final[dict[str, Schema]] = {
    "id": text("Its id."),
    "name": text("Its name."),
    "kind": text("What describes it: `openapi` or `mcp`."),
    "status": enum("Whether it may be used.", ["ACTIVE", "INACTIVE"]),
    "baseUrl": text("Where its requests go: a URL, or `stdio:` and the name of a process."),
    "internal": flag("Whether its origin may lie in a private network."),
    "revision": whole("Its newest revision.", minimum=1),
    "toolCount": whole("How many tools it offers.", minimum=0),
    "auth": response_object(
        "How it authenticates.",
        {
            "type": text("`none`, `bearer`, `apiKey`, `apiKeys` or `basic`."),
            "shared": flag("True where one account serves every user."),
            "schemes": array({"type": "string"}, "What the service's description asks for."),
            "oauthClient": {
                "description": "The client by which users connect.",
                "allOf": [ref("OAuthClient")],
            },
        },
        ["type", "shared", "schemes"],
    ),
    "leftOut": array({"type": "string"}, "Operations or tools that cannot be called, each with the reason."),
    "createdAt": moment("When it was created."),
    "rateLimit": text("How often it may be called, such as `10/s`; left out where nothing limits it."),
    "maxConcurrency": whole("How many calls may be under way at once; left out where any.", minimum=1),
}
_REQUIRED: Final = (
    "id",
    "name",
    "kind",
    "status",
    "baseUrl",
    "internal",
    "revision",
    "toolCount",
    "auth",
    "createdAt",
)
_INTEGRATION: Final = response_object("A service that runs may call.", _MEMBERS, _REQUIRED)
_NAMES: Final[Schema] = {"type": "string"}
_CHANGES: Final[dict[str, Schema]] = {
    "toolsAdded": array(_NAMES, "Tools that came with a new document."),
    "toolsRemoved": array(_NAMES, "Tools that went with it."),
    "toolsChanged": array(_NAMES, "Tools it describes differently."),
}
_UPDATED: Final = response_object(
    "An integration that was changed.", {**_MEMBERS, **_CHANGES}, [*_REQUIRED, *_CHANGES]
)
_TOOL: Final = response_object(
    "One operation of an integration.",
    {
        "name": text("Its name, unique in the integration."),
        "title": text("What it does, in a few words."),
        "description": text("What it does, at length."),
        "readOnly": flag("True where it only reads."),
        "method": text("HTTP method; empty for a tool of an MCP server."),
        "path": text("Path template; empty for a tool of an MCP server."),
        "parameters": any_object("JSON Schema of its arguments."),
        "output": {"description": "JSON Schema of its answer; left out where it is not known."},
        "secured": flag("True where the service asks for credentials."),
        "deprecated": flag("True where the document calls it deprecated."),
    },
    ["name", "title", "description", "readOnly", "method", "path", "parameters"],
)


def _page(name: str, items: str) -> Schema:
    members = {
        name: array(ref(items), "The page, by name."),
        "nextPageToken": text("Leads to the next page; left out on the last."),
    }
    return response_object("A page.", members, [name])


COMPONENTS: Final = {
    "OAuthClientInput": request_object(
        "A client registered at the service's authorization server (RFC 6749). Its redirect address is "
        "PUBLIC_URL/connect/callback, exactly.",
        {**_CLIENT, "clientSecret": text("Its secret, write-only; left out for a public client.", **SECRET)},
        ["clientId"],
    ),
    "OAuthClient": response_object("A client, without its secret.", _CLIENT, ["clientId"]),
    "CreateIntegrationRequest": _CREATE,
    "UpdateIntegrationRequest": _UPDATE,
    "IntegrationAuthInput": _AUTH,
    "BearerAuth": request_object(
        "A bearer token (RFC 6750).",
        {"type": kind("bearer"), "token": text("The token.", **SECRET, **PRINTABLE)},
        ["type", "token"],
        title="{type: bearer, token}",
    ),
    "ApiKeyAuth": request_object(
        "An API key.",
        {"type": kind("apiKey"), **KEY},
        ["type", "in", "name", "value"],
        title="{type: apiKey, in, name, value}",
    ),
    "ApiKeysAuth": request_object(
        "API keys that are all sent with every request.",
        {
            "type": kind("apiKeys"),
            "keys": array(
                request_object("One of the keys.", KEY, ["in", "name", "value"]),
                "The keys.",
                minItems=1,
                maxItems=10,
            ),
        },
        ["type", "keys"],
        title="{type: apiKeys, keys}",
    ),
    "BasicAuth": request_object(
        "A user name and password (RFC 7617).",
        {
            "type": kind("basic"),
            "username": text("The user name.", maxLength=8_192, pattern="^[^:]*$", title="without a colon"),
            "password": text("The password.", **SECRET),
        },
        ["type", "username", "password"],
        title="{type: basic, username, password}",
    ),
    "Integration": _INTEGRATION,
    "UpdatedIntegration": _UPDATED,
    "IntegrationPage": _page("integrations", "Integration"),
    "Tool": _TOOL,
    "ToolPage": _page("tools", "Tool"),
}
