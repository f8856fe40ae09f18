"""Who did what."""

from __future__ import annotations

from typing import Final

from .builders import array, moment, ref, response_object, text

COMPONENTS: Final = {
    "AuditEntry": response_object(
        "Something that was done.",
        {
            "id": text("Its id; later ones are greater."),
            "createdAt": moment("When it was done."),
            "actor": text(
                "Who did it: `key:ID`; `link` for who opened an approval or connect link; `service` for the "
                "service that refused a connection; or `server`."
            ),
            "action": text("What was done, such as `approval.decide` or `key.revoke`."),
            "subject": text("Id of what it was done to."),
            "details": {"type": "object", "description": "More of it; holds no secret."},
        },
        ["id", "createdAt", "actor", "action", "subject", "details"],
    ),
    "AuditPage": response_object(
        "A page, newest first.",
        {
            "entries": array(ref("AuditEntry"), "What was done."),
            "nextPageToken": text("Leads to the next page; left out on the last."),
        },
        ["entries"],
    ),
}
