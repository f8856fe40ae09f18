"""Users' access to integrations."""

from __future__ import annotations

from typing import Final

from ...pages.connect_page import KEY_FIELDS
from .builders import MAX_ID, Schema, array, enum, moment, ref, request_object, response_object, text, uuid
from .integrations import KEY, PRINTABLE, SECRET, kind

_INTEGRATION: Final = text("The integration it opens.", minLength=1, maxLength=MAX_ID)
_USER: Final = text("Whose it is: the `userId` of the runs that use it.", minLength=1, maxLength=MAX_ID)
_SCOPE: Final[Schema] = {"type": "string", "minLength": 1, "maxLength": MAX_ID}
_MEMBERS: Final = {
    "id": uuid("Its id."),
    "integrationId": text("The integration it opens."),
    "userId": text("Whose it is."),
    "type": text("`oauth2`, `clientCredentials`, `bearer`, `apiKey`, `apiKeys` or `basic`."),
    "status": enum("BROKEN: the service refused it, and the user must connect anew.", ["ACTIVE", "BROKEN"]),
    "scopes": array({"type": "string"}, "What the user granted, where the service tells."),
    "expiresAt": moment("When its access token runs out, where it does. It is renewed by itself."),
    "createdAt": moment("When the user first connected."),
    "updatedAt": moment("When its secrets last changed."),
}
_REQUIRED: Final = ("id", "integrationId", "userId", "type", "status", "scopes", "createdAt", "updatedAt")
_AUTH: Final[Schema] = {
    "description": "What opens the integration for this user, write-only.",
    "oneOf": [
        *(ref("BearerAuth"), ref("UserApiKeyAuth"), ref("UserApiKeysAuth"), ref("BasicAuth")),
        ref("TokensAuth"),
    ],
    "discriminator": {
        "propertyName": "type",
        "mapping": {
            "bearer": "#/components/schemas/BearerAuth",
            "apiKey": "#/components/schemas/UserApiKeyAuth",
            "apiKeys": "#/components/schemas/UserApiKeysAuth",
            "basic": "#/components/schemas/BasicAuth",
            "oauth2": "#/components/schemas/TokensAuth",
        },
    },
}
_API_KEY: Final = request_object(
    "An API key. Where it is sent is in the service's description, unless it is said here.",
    {
        "type": kind("apiKey"),
        "value": text("The key.", **SECRET, **PRINTABLE),
        "in": KEY["in"],
        "name": KEY["name"],
    },
    ["type", "value"],
    title="{type: apiKey, value}",
)
_API_KEYS: Final = request_object(
    "API keys that operations ask for together. Each operation gets those it asks for.",
    {
        "type": kind("apiKeys"),
        "keys": array(
            request_object(
                "One of the keys.",
                {
                    "scheme": text(
                        "Name of the scheme in the description's `securitySchemes`.",
                        minLength=1,
                        maxLength=100,
                    ),
                    "value": text("The key.", **SECRET, **PRINTABLE),
                },
                ["scheme", "value"],
            ),
            "The keys, one for each scheme.",
            minItems=1,
            maxItems=10,
        ),
    },
    ["type", "keys"],
    title="{type: apiKeys, keys}",
)
_TOKENS: Final = request_object(
    "OAuth 2 tokens that the application has of its user; renewed here from now on.",
    {
        "type": kind("oauth2"),
        "accessToken": text("The access token.", **SECRET, **PRINTABLE),
        "refreshToken": text("Renews it; left out where it cannot be.", **SECRET, **PRINTABLE),
        "expiresAt": moment("When the access token runs out, where that is known."),
        "scopes": array(_SCOPE, "What was granted.", maxItems=100),
    },
    ["type", "accessToken"],
    title="{type: oauth2, accessToken}",
)
_LINK: Final = request_object(
    "Asks for a link at which one user connects one integration.",
    {
        "integrationId": _INTEGRATION,
        "userId": text("The user who is to connect it.", minLength=1, maxLength=MAX_ID),
        "scopes": array(_SCOPE, "What to ask for; left out: what the integration asks for.", maxItems=100),
        "returnUrl": text(
            "Where the browser goes at the end; left out: to a page that says how it went.",
            maxLength=2_048,
            pattern="^[Hh][Tt][Tt][Pp][Ss]?://",
            title="an http or https URL",
        ),
    },
    ["integrationId", "userId"],
)
_CONFIRM: Final = request_object(
    "Says which user sits at the browser that finished a flow.",
    {
        "flow": text("The parameter `flow` that the browser brought.", minLength=1, maxLength=4_096),
        "userId": text("The user who is logged in there.", minLength=1, maxLength=MAX_ID),
    },
    ["flow", "userId"],
)
_VERIFIER: Final = text(
    "Where browsers go that finished a flow, with the flow as parameter `flow`: the application, which knows "
    "who is logged in there and confirms it. Empty: the link alone proves the user.",
    maxLength=2_048,
    pattern="^([Hh][Tt][Tt][Pp][Ss]?://.*)?$",
    title="an http or https URL, or empty",
)
_FORM: Final = request_object(
    "What the page of a connect link sends.",
    {
        "form": text("What the page holds and its cookie vouches for; otherwise FORM_INVALID."),
        "username": text("The user name, where the page asks for one.", maxLength=8_192),
        "refuse": enum("The user wants none of it.", ["yes"]),
        "secret": text("The key, token or password, where the page asks for one.", maxLength=8_192),
        **{
            name: text("A further key, where the page asks for several.", maxLength=8_192)
            for name in KEY_FIELDS[1:]
        },
    },
)

COMPONENTS: Final = {
    "Connection": response_object(
        "One user's access to an integration; its secrets are not shown.", _MEMBERS, _REQUIRED
    ),
    "ConnectionPage": response_object(
        "A page of connections, newest first.",
        {
            "connections": array(ref("Connection"), "The connections."),
            "nextPageToken": text("Leads to the next page; left out on the last."),
        },
        ["connections"],
    ),
    "CreateConnectionRequest": request_object(
        "Stores a credential that the application has of its user. It replaces the one before.",
        {"integrationId": _INTEGRATION, "userId": _USER, "auth": ref("ConnectionAuthInput")},
        ["integrationId", "userId", "auth"],
    ),
    "ConnectionAuthInput": _AUTH,
    "UserApiKeyAuth": _API_KEY,
    "UserApiKeysAuth": _API_KEYS,
    "TokensAuth": _TOKENS,
    "CreateConnectLinkRequest": _LINK,
    "ConnectLink": response_object(
        "A link for one user, and for nobody else.",
        {"url": text("Where the user connects."), "expiresAt": moment("When it stops being good.")},
        ["url", "expiresAt"],
    ),
    "ConfirmConnectionRequest": _CONFIRM,
    "ConfirmedConnection": response_object(
        "The connection that was made.",
        {
            "connection": {"description": "The connection.", "allOf": [ref("Connection")]},
            "returnUrl": text("Where to send the browser; left out where nothing was asked for."),
        },
        ["connection"],
    ),
    "ConnectSettings": response_object(
        "How users of the tenant connect.",
        {"verifierUrl": text("The application's verifier, or empty.")},
        ["verifierUrl"],
    ),
    "UpdateConnectSettingsRequest": request_object(
        "Changes how users of the tenant connect. What is left out stays.", {"verifierUrl": _VERIFIER}
    ),
    "ConnectForm": _FORM,
}
