"""The interface's own OpenAPI 3.1 document, written from the table its routes come from."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from ..v1 import values
from ..v1.schemas import COMPONENTS
from .operation import STRING, Answer, Operation, Parameter, ref
from .problems import MEDIA_TYPE
from .routing import Answers, read_only

_INFO: Final = {
    "title": "Errands",
    "summary": "Intents carried out on behalf of users.",
    "description": "Create a run with an intent, follow its events, decide what it asks, read its result. "
    "Errors are problems of RFC 9457, with a `reason` for programs. Unknown members of bodies are "
    "refused; unknown query parameters are ignored. No text may hold a NUL character.",
    "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
}
_SECURITY: Final = {
    "apiKey": {"type": "apiKey", "in": "header", "name": "x-api-key"},
    "bearer": {"type": "http", "scheme": "bearer"},
}
_TAGS: Final = {
    "Run": "Intents being carried out: created, followed, stopped.",
    "Approval": "What people are asked before a run acts.",
    "Connection": "Users' own access to integrations.",
    "Integration": "The services that runs may call.",
    "Key": "What programs identify themselves with.",
    "Audit": "Who decided, cancelled and changed what.",
}
_PROBLEMS: Final = {
    400: "The request is wrong; `errors` names every field.",
    401: "The key is missing or not valid.",
    403: "The key lacks a scope.",
    404: "The caller's tenant has nothing of this name.",
    408: "The body did not come in time.",
    409: "The state does not allow it, or changed meanwhile.",
    413: "The body is too large.",
    415: "The body is of another type.",
    422: "The request is sound and cannot be carried out.",
    429: "A limit is reached; see Retry-After.",
    500: "A fault of the service.",
    503: "The service cannot answer now; see Retry-After.",
    504: "It took too long.",
}


_HEADERS: Final = {
    401: {"WWW-Authenticate": "The scheme to authenticate with."},
    429: {"Retry-After": "Seconds to wait."},
    503: {"Retry-After": "Seconds to wait."},
}


def document(operations: Iterable[Operation]) -> dict[str, Any]:
    """The document; a plain JSON value."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {**_INFO, "version": version("errands")},
        "tags": [{"name": name, "description": text} for name, text in _TAGS.items()],
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
        content: dict[str, Any] = {MEDIA_TYPE: {"schema": ref("Problem")}}
        if operation.refuse is not None:
            content["text/html"] = {"schema": STRING}
        problem = {"description": _PROBLEMS[status], "content": content, **_headers(_HEADERS.get(status, {}))}
        found.setdefault(str(status), problem)
    return found


def _answer(answer: Answer) -> dict[str, Any]:
    found: dict[str, Any] = {"description": answer.description}
    if answer.schema is not None:
        found["content"] = {answer.media_type: {"schema": answer.schema}}
        for media_type, schema in answer.more.items():
            found["content"][media_type] = {"schema": schema}
    if answer.links:
        found["links"] = dict(answer.links)
    return {**found, **_headers(answer.headers)}


def _headers(described: Mapping[str, str]) -> dict[str, Any]:
    """`headers` of an answer, where it has any."""
    found = {name: {"description": text, "schema": STRING} for name, text in described.items()}
    return {"headers": found} if found else {}


_PAGE: Final = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Errands API</title>
<link rel="stylesheet" href="docs/viewer/swagger-ui.css">
<link rel="icon" href="docs/viewer/favicon-32x32.png">
<div id="viewer"></div>
<script src="docs/viewer/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</html>
"""
_START: Final = """window.onload = () => SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#viewer",
  deepLinking: true,
  persistAuthorization: false,
  validatorUrl: null,
});
"""
# The viewer styles itself inline; scripts come from here alone.
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


# What the page asks for, out of the much that the package holds.
_FILES: Final = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "favicon-32x32.png": "image/png",
}
_KEPT: Final = {"Cache-Control": "public, max-age=3600", "X-Content-Type-Options": "nosniff"}


def routes(operations: Iterable[Operation]) -> list[Route]:
    """The document and its viewer."""
    description = Response(values.encoded(document(operations)), media_type="application/json")
    page = HTMLResponse(_PAGE, headers={"Content-Security-Policy": _POLICY})
    start = Response(_START, media_type="text/javascript")
    return [
        read_only("/openapi.json", _always(description)),
        read_only("/docs", _always(page)),
        read_only("/docs/", _always(RedirectResponse("../docs"))),
        read_only("/docs/start.js", _always(start)),
        *(read_only(f"/docs/viewer/{name}", _file(name, kind)) for name, kind in _FILES.items()),
    ]


def _always(answer: Response) -> Answers:
    async def answered(_: Request) -> Response:
        return answer

    return answered


def _file(name: str, kind: str) -> Answers:
    path = _folder() / name

    async def answered(_: Request) -> Response:
        return FileResponse(path, media_type=kind, headers=_KEPT)

    return answered


def _folder() -> Path:
    """The files of Swagger UI; the package is found and not imported, because only its files are wanted."""
    found = importlib.util.find_spec("swagger_ui")
    assert found is not None  # noqa: S101 (a dependency)
    assert found.origin is not None  # noqa: S101 (as above)
    return Path(found.origin).parent / "static"
