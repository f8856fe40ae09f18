"""API keys."""

from __future__ import annotations

from typing import Final

from .builders import SCOPES, WORDS, array, enum, moment, ref, request_object, response_object, text

_MEMBERS: Final = {
    "id": text("Its id; the actor in events and logs."),
    "name": text("Its name."),
    "tenant": text("The tenant it acts in."),
    "scopes": array({"type": "string"}, "What it may do."),
    "createdAt": moment("When it was created."),
    "expiresAt": moment("When it stops working; left out where never."),
}
_REQUIRED: Final = ("id", "name", "tenant", "scopes", "createdAt")

COMPONENTS: Final = {
    "CreateKeyRequest": request_object(
        "Asks for a key.",
        {
            "name": text("A name to know it by.", maxLength=100, **WORDS),
            "scopes": array(enum("A scope.", SCOPES), "None the caller lacks.", minItems=1, maxItems=7),
            "expiresAt": moment("When it stops working."),
            "tenant": text(
                "The tenant it acts in; the caller's where it is left out.",
                pattern="^[a-z0-9][a-z0-9_-]{0,62}$",
                title="1 to 63 of a-z, 0-9, - and _, not beginning with - or _",
            ),
        },
        ["name", "scopes"],
    ),
    "Key": response_object("An API key.", _MEMBERS, _REQUIRED),
    "CreatedKey": response_object(
        "A new key. Its secret is here and nowhere else.",
        {**_MEMBERS, "secret": text("What to send as `x-api-key`.")},
        [*_REQUIRED, "secret"],
    ),
    "KeyPage": response_object(
        "A page of keys, newest first.",
        {
            "keys": array(ref("Key"), "The keys."),
            "nextPageToken": text("Leads to the next page; left out on the last."),
        },
        ["keys"],
    ),
}
