"""The interface's own OpenAPI 3.1 document, written from the table its routes come from."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import version
from typing import Any, Final

from .operation import Answer, Operation, Parameter, ref
from .problems import MEDIA_TYPE
from .schemas import COMPONENTS

_INFO: Final = {
    "title": "Errands",
    "summary": "Intents carried out on behalf of users.",
    "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
}
_SECURITY: Final = {
    "apiKey": {"type": "apiKey", "in": "header", "name": "x-api-key"},
    "bearer": {"type": "http", "scheme": "bearer"},
}
_PROBLEMS: Final = {
    400: "The request is wrong; `errors` names every field.",
    401: "The key is missing or not valid.",
    403: "The key lacks a scope.",
    404: "The caller's tenant has nothing of this name.",
    408: "The body did not come in time.",
    409: "The state does not allow it, or changed meanwhile.",
    413: "The body is too large.",
    415: "The body is no JSON.",
    422: "The request is sound and cannot be carried out.",
    429: "A limit is reached; see Retry-After.",
    500: "A fault of the service.",
    503: "The service cannot answer now; see Retry-After.",
    504: "It took too long.",
}


def document(operations: Iterable[Operation]) -> dict[str, Any]:
    """The document; a plain JSON value."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {**_INFO, "version": version("errands")},
        "paths": paths,
        "security": [{name: []} for name in _SECURITY],
        "components": {"schemas": dict(COMPONENTS), "securitySchemes": _SECURITY},
    }


def _operation(operation: Operation) -> dict[str, Any]:
    found: dict[str, Any] = {
        "operationId": operation.id,
        "tags": [operation.tag],
        "summary": operation.summary,
        "parameters": [_parameter(parameter) for parameter in operation.parameters],
        "responses": _responses(operation),
    }
    if operation.description:
        found["description"] = operation.description
    if operation.body is not None:
        found["requestBody"] = {
            "required": operation.body.required,
            "content": {operation.body.media_type: {"schema": ref(operation.body.component)}},
        }
    if operation.public:
        found["security"] = [{}, *({name: []} for name in _SECURITY)]
    return found


def _parameter(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "in": parameter.where,
        "required": parameter.required,
        "description": parameter.description,
        "schema": parameter.schema,
    }


def _responses(operation: Operation) -> dict[str, Any]:
    found = {str(status): _answer(answer) for status, answer in operation.answers.items()}
    statuses = {400, 401, 403, 500, 503, 504, *operation.problems}
    if operation.body is not None:
        statuses |= {408, 413, 415}
    for status in sorted(statuses):
        content = {MEDIA_TYPE: {"schema": ref("Problem")}}
        found.setdefault(str(status), {"description": _PROBLEMS[status], "content": content})
    return found


def _answer(answer: Answer) -> dict[str, Any]:
    found: dict[str, Any] = {"description": answer.description}
    if answer.schema is not None:
        found["content"] = {answer.media_type: {"schema": answer.schema}}
        for media_type, schema in answer.more.items():
            found["content"][media_type] = {"schema": schema}
    if answer.headers:
        found["headers"] = {
            name: {"description": text, "schema": {"type": "string"}} for name, text in answer.headers.items()
        }
    if answer.links:
        found["links"] = dict(answer.links)
    return found
