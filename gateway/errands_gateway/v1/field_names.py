"""Names of the contract's fields and enum values in /v1: camelCase, with a few exceptions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from errands.v1 import approval_pb2, audit_pb2, connection_pb2, integration_pb2, key_pb2, run_pb2

# Fields whose REST name is not the camelCase of the proto name.
_OTHER: Final = {
    "request_id": "Idempotency-Key",
    "plan_wait_ms": "Prefer",
    "after_sequence": "after",
    "skip": "page",
    "error_description": "error_description",  # as OAuth has it (RFC 6749)
    "openapi_url": "openapi.url",
    "openapi_document": "openapi.document",
    "mcp_url": "mcp.url",
    "mcp_server": "mcp.server",
}
_CREDENTIAL: Final = re.compile(
    r"^(credential(\.(bearer|api_keys?|basic))?|bearer|api_keys?|basic|tokens)(?=\.|$)"
)
_INPUT: Final = "input_json."
_WORD: Final = re.compile(r"_([a-z0-9])")
# Prefixes of enum values that /v1 writes in lower case, and of those that it writes as they are.
_SMALL: Final = ("DECISION_", "APPROVAL_STATUS_", "CALL_EFFECT_", "OUTCOME_")
_LARGE: Final = (
    "RUN_STATUS_",
    "APPROVAL_STRATEGY_",
    "APPROVAL_KIND_",
    "INTEGRATION_STATUS_",
    "CONNECTION_STATUS_",
)


def rest_path(field: str) -> str:
    """The path of a field in a REST request, from its path in the gRPC request."""
    if field in _OTHER:
        return _OTHER[field]
    if _INPUT in field:  # the rest is a path in the form of a service
        before, _, own = field.partition(_INPUT)
        return f"{rest_path(before)}.input.{own}" if before else f"input.{own}"
    path = _CREDENTIAL.sub("auth", field)
    return ".".join(_camel(part) for part in path.split("."))


def rest_text(message: str) -> str:
    """A message of the server with the names of /v1 for fields and enum values; quoted text stays."""
    return _NAMED.sub(_rest_word, message)


def _camel(part: str) -> str:
    name, bracket, index = part.partition("[")
    return _WORD.sub(lambda found: found[1].upper(), name.removesuffix("_json")) + bracket + index


def _fields() -> Iterator[str]:
    """Names of fields with an underscore: no other word of a message is spelt like them."""
    for module in (approval_pb2, audit_pb2, connection_pb2, integration_pb2, key_pb2, run_pb2):
        for message in module.DESCRIPTOR.message_types_by_name.values():
            yield from (field.name for field in message.fields if "_" in field.name)


def _rest_word(found: re.Match[str]) -> str:
    word = found[0]
    if found["quoted"]:
        return word
    if found["decision"]:
        return word.lower()
    if found["credential"]:
        return word.replace("credential", "auth")
    if found["small"]:
        return word.removeprefix(found["small"]).lower()
    return word.removeprefix(found["large"]) if found["large"] else rest_path(word)


_NAMED: Final = re.compile(
    r"(?P<quoted>'[^']*'|\"[^\"]*\")"
    rf"|\b(?P<small>{'|'.join(_SMALL)})[A-Z_]+\b"
    r"|\b(?P<decision>APPROVE|DENY|RETRY|DONE|FAIL)\b"
    rf"|\b(?P<large>{'|'.join(_LARGE)})[A-Z_]+\b"
    r"|(?P<credential>\bwith credential\b)"
    rf"|\b(?:{'|'.join(sorted(set(_fields()), key=len, reverse=True))})\b"
)
