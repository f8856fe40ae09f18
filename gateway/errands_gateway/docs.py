"""`/openapi.json`, and `/docs`: a viewer for it that is part of the package and works offline."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from . import openapi, values
from .operation import Operation
from .routing import Answers, read_only

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
    document = Response(values.encoded(openapi.document(operations)), media_type="application/json")
    page = HTMLResponse(_PAGE, headers={"Content-Security-Policy": _POLICY})
    start = Response(_START, media_type="text/javascript")
    return [
        read_only("/openapi.json", _always(document)),
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
