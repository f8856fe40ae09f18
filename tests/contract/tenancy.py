"""What a tenant has that another one might name, and which fields of requests name it."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

from google.protobuf.descriptor import Descriptor
from msgspec import Struct

from errands.v1 import key_pb2, run_pb2
from errands.v1.connection_pb2 import ConnectionBearer
from tests.contract import administration
from tests.service import Service

NOBODY = "00000000-0000-7000-8000-000000000000"
SERVER = "lent"  # a process the operator configured

# Fields that name something a tenant has, by what they name. A name that means several
# things has its message before it.
NAMING = {
    "run_id": "run",
    "execution_plan_id": "plan",
    "approval_id": "approval",
    "integration_id": "integration",
    "customer_integration_id": "integration",
    "customer_integration_ids": "integration",
    "selected_customer_integration_ids": "integration",
    "GetIntegrationRequest.id": "integration",
    "UpdateIntegrationRequest.id": "integration",
    "DeleteIntegrationRequest.id": "integration",
    "ListToolsRequest.id": "integration",
    "RevokeKeyRequest.id": "key",
    "mcp_server": "server",
    "server": "server",  # as REST has it
    "flow": "flow",
    "GetConnectionRequest.id": "connection",
    "DeleteConnectionRequest.id": "connection",
    "ListRunsRequest.user_id": "user",
    "ListConnectionsRequest.user_id": "user",
    "ListAuditRequest.actor": "actor",
    "ListAuditRequest.subject": "run",
    "page_token": "page",
}
# Texts that name nothing of anybody: what is said, where something lies, and credentials, which
# open what they open to whoever holds them and have tests of their own.
SAYING = {
    *("intent", "context", "output_schema_json", "name", "openapi_url", "openapi_document", "base_url"),
    *("reason", "output_json", "input_json", "rate_limit", "scopes", "tenant", "action", "in", "traceparent"),
    *("access_token", "refresh_token", "client_id", "client_secret", "issuer", "authorization_url"),
    *(
        "scheme",
        "token_url",
        "refresh_url",
        "token_auth_method",
        "resource",
        "grant",
        "username",
        "password",
        "value",
    ),
    *("browser", "code", "error", "error_description", "iss", "return_url", "state", "token"),
    *("verifier_url", "mcp_url", "scheme"),
    # A user, a label or a request of the caller's own tenant, whatever others call theirs.
    *("user_id", "repeat_key", "request_id"),
}


class Named(Struct, frozen=True):
    """A field of a request that names something: how to get there, and what it is."""

    path: tuple[str, ...]
    kind: str


def named(descriptor: Descriptor, path: tuple[str, ...] = ()) -> Iterator[Named]:
    """Every naming field of a request. KeyError: a text nobody has said what it is."""
    for field in descriptor.fields:
        here = (*path, field.name)
        inner = field.message_type
        if inner is not None:
            if inner.file.package == "errands.v1" and not inner.GetOptions().map_entry:
                yield from named(inner, here)
        elif field.cpp_type == field.CPPTYPE_STRING:
            kind = NAMING.get(f"{descriptor.name}.{field.name}") or NAMING.get(field.name)
            if kind is not None:
                yield Named(here, kind)
            elif field.name not in SAYING:
                raise KeyError(f"say in NAMING or SAYING what {descriptor.name}.{field.name} is")


def set_at(message: Any, path: tuple[str, ...], value: str) -> Any:
    """A copy of the message that names `value` there."""
    copied = type(message)()
    copied.CopyFrom(message)
    part = copied
    for name in path[:-1]:
        part = getattr(part, name)
        if part.__class__.__name__.startswith("Repeated"):
            part = part[0] if len(part) else part.add()
    if part.DESCRIPTOR.fields_by_name[path[-1]].is_repeated:
        part.ClearField(path[-1])
        getattr(part, path[-1]).append(value)
    else:
        setattr(part, path[-1], value)
    return copied


async def belongings(service: Service, integration_id: str) -> dict[str, tuple[str, str]]:
    """What the owner has of each kind, and a name of the same kind that nobody has."""
    waiting = await service.create("do", approval_strategy=3, user_id="ada")
    asked = (await service.until(waiting.run_id, "approval_required")).approval_required
    await service.create("do", approval_strategy=3, user_id="ada")
    admin = await service.keys.CreateKey(key_pb2.CreateKeyRequest(name="a", scopes=["admin"]))
    making = key_pb2.CreateKeyRequest(name="k", scopes=["runs:read"])
    key = await service.speaking_as(admin.secret).keys.CreateKey(making)
    held = await service.connect(integration_id, "ada", bearer=ConnectionBearer(token="t"))
    flow = await administration.awaiting(service, integration_id, "cleo")
    page = await service.runs.ListRuns(run_pb2.ListRunsRequest(page_size=1))
    return {
        "run": (waiting.run_id, NOBODY),
        "plan": (waiting.execution_plan_id, NOBODY),
        "approval": (asked.approval_id, NOBODY),
        "integration": (integration_id, "desk_aaaaaaaa"),
        "key": (key.key.id, NOBODY),
        "connection": (held.id, NOBODY),
        "flow": (flow, "a" * 43),
        "server": (SERVER, "nobodys"),
        "user": ("ada", "eve"),
        "actor": (f"key:{admin.key.id}", f"key:{NOBODY}"),
        "page": (page.next_page_token, _behind(page.next_page_token, NOBODY)),
    }


def _behind(token: str, key: str) -> str:
    """The page token that leads behind another key, with the same filters."""
    mark = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).partition(b":")[0]
    return base64.urlsafe_b64encode(mark + b":" + key.encode()).decode().rstrip("=")
