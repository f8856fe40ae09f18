"""The OpenAPI 3.1 document of a dialect, from the operations that its routes come from, and its viewer."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from ..http.encoding import encode_json
from ..http.problems import ProblemFormat
from .dialect import STRING, Dialect, Operation, Parameter, ResponseSpec, ref
from .routing import Respond, read_only

_SECURITY: Final = {
    "apiKey": {"type": "apiKey", "in": "header", "name": "x-api-key"},
    "bearer": {"type": "http", "scheme": "bearer"},
}
_PROBLEMS: Final = {
    400: "The request is wrong.",
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


def document(dialect: Dialect) -> dict[str, Any]:
    """The document as a JSON value."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in dialect.operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(
            operation, dialect.problem
        )
    return {
        "openapi": "3.1.0",
        "info": {**dialect.info, "version": version("errands")},
        "tags": [{"name": name, "description": text} for name, text in dialect.tags.items()],
        "paths": paths,
        "security": [{name: []} for name in _SECURITY],
        "components": {"schemas": dict(dialect.components), "securitySchemes": _SECURITY},
    }


def _operation(operation: Operation, problems: ProblemFormat) -> dict[str, Any]:
    found: dict[str, Any] = {
        "operationId": operation.id,
        "tags": [operation.tag],
        "summary": operation.summary,
        "parameters": [_parameter(parameter) for parameter in operation.parameters],
        "responses": _responses(operation, problems),
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


def _responses(operation: Operation, problems: ProblemFormat) -> dict[str, Any]:
    found = {str(status): _response(response) for status, response in operation.responses.items()}
    statuses = {400, 401, 403, 500, 503, 504, *operation.problems}
    if operation.body is not None:
        statuses |= {408, 413, 415}
    texts = {**_PROBLEMS, **problems.statuses}
    for status in sorted(statuses):
        content: dict[str, Any] = {problems.media_type: {"schema": ref(problems.component)}}
        if operation.refuse is not None:
            content["text/html"] = {"schema": STRING}
        problem = {"description": texts[status], "content": content, **_headers(_HEADERS.get(status, {}))}
        found.setdefault(str(status), problem)
    return found


def _response(response: ResponseSpec) -> dict[str, Any]:
    found: dict[str, Any] = {"description": response.description}
    if response.schema is not None:
        found["content"] = {response.media_type: {"schema": response.schema}}
        for media_type, schema in response.more.items():
            found["content"][media_type] = {"schema": schema}
    if response.links:
        found["links"] = dict(response.links)
    return {**found, **_headers(response.headers)}


def _headers(descriptions: Mapping[str, str]) -> dict[str, Any]:
    """`headers` of a response, where it has any."""
    found = {name: {"description": text, "schema": STRING} for name, text in descriptions.items()}
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


# Files of Swagger UI that the page asks for.
_FILES: Final = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "favicon-32x32.png": "image/png",
}
_KEPT: Final = {"Cache-Control": "public, max-age=3600", "X-Content-Type-Options": "nosniff"}


def routes(dialect: Dialect) -> list[Route]:
    """The document and its viewer."""
    at, problems = dialect.docs, dialect.problem
    description = Response(encode_json(document(dialect)), media_type="application/json")
    page = HTMLResponse(_PAGE, headers={"Content-Security-Policy": _POLICY})
    start = Response(_START, media_type="text/javascript")
    return [
        read_only(f"{at}/openapi.json", problems, _always(description)),
        read_only(f"{at}/docs", problems, _always(page)),
        read_only(f"{at}/docs/", problems, _always(RedirectResponse("../docs"))),
        read_only(f"{at}/docs/start.js", problems, _always(start)),
        *(
            read_only(f"{at}/docs/viewer/{name}", problems, _file(name, kind))
            for name, kind in _FILES.items()
        ),
    ]


def _always(response: Response) -> Respond:
    async def respond(_: Request) -> Response:
        return response

    return respond


def _file(name: str, kind: str) -> Respond:
    # The package is found and not imported, because only its files are wanted.
    found = importlib.util.find_spec("swagger_ui")
    assert found is not None  # noqa: S101 (a dependency)
    assert found.origin is not None  # noqa: S101 (as above)
    path = Path(found.origin).parent / "static" / name

    async def respond(_: Request) -> Response:
        return FileResponse(path, media_type=kind, headers=_KEPT)

    return respond
