"""`/openapi.json`, and `/docs`: a viewer for it that is part of the package and works offline."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from . import openapi, values
from .operation import Operation

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
  validatorUrl: null,
});
"""
# The viewer styles itself inline; scripts come from here alone.
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def routes(operations: Iterable[Operation]) -> list[Route | Mount]:
    """The document and its viewer."""
    document = values.encoded(openapi.document(operations))

    async def described(_: Request) -> Response:
        return Response(document, media_type="application/json")

    return [
        Route("/openapi.json", described),
        Route("/docs", _page),
        Route("/docs/start.js", _start),
        Mount("/docs/viewer", _viewer()),
    ]


async def _page(_: Request) -> Response:
    return HTMLResponse(_PAGE, headers={"Content-Security-Policy": _POLICY})


async def _start(_: Request) -> Response:
    return Response(_START, media_type="text/javascript")


def _viewer() -> ASGIApp:
    """The files of Swagger UI; the package is found and not imported, because only its files are wanted."""
    found = importlib.util.find_spec("swagger_ui")
    assert found is not None  # noqa: S101 (a dependency)
    assert found.origin is not None  # noqa: S101 (as above)
    return StaticFiles(directory=Path(found.origin).parent / "static")
