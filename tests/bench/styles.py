"""A document with every way to send a parameter or a body, for what real documents rarely use.

Cookies are only here as a key: the judge reads no other.
"""

from __future__ import annotations

from itertools import product
from typing import Any, Final

_TEXT: Final = {"type": "string"}
_LIST: Final = {"type": "array", "items": _TEXT, "minItems": 2}  # so that something stands between
_OBJECT: Final = {"type": "object", "properties": {"a": _TEXT, "b": _TEXT}, "required": ["a", "b"]}
_DEEP: Final = {
    "type": "object",
    "properties": {"a": _TEXT, "b": {"type": "object", "properties": {"c": _TEXT}}},
    "required": ["a"],
}
_FILE: Final = {"type": "string", "format": "binary"}
_SHAPES: Final = {"value": _TEXT, "list": _LIST, "object": _OBJECT}
_FORM: Final = {
    "type": "object",
    "properties": {"name": _TEXT, "count": {"type": "integer"}, "on": {"type": "boolean"}, "tags": _LIST},
    "required": ["name", "tags"],
}
_UPLOAD: Final = {
    "type": "object",
    "properties": {"title": _TEXT, "file": _FILE},
    "required": ["title", "file"],
}

STYLES: Final[dict[str, tuple[str, ...]]] = {
    "path": ("simple", "label", "matrix"),
    "query": ("form", "pipeDelimited"),
    "header": ("simple",),
}
BODIES: Final[dict[str, dict[str, Any]]] = {
    "application/json": _FORM,
    "application/x-www-form-urlencoded": _FORM,
    "multipart/form-data": _UPLOAD,
    "text/plain": _TEXT,
    "application/octet-stream": _FILE,
}


def document() -> dict[str, Any]:
    """One operation for each place, style and shape, and for each kind of body."""
    return {
        "openapi": "3.0.3",
        "info": {"title": "styles", "version": "1"},
        "servers": [{"url": "https://styles.invalid"}],
        "paths": {**_styled(), **_further(), **_bodied()},
        "components": {"securitySchemes": {"key": {"type": "apiKey", "in": "cookie", "name": "session"}}},
    }


def _styled() -> dict[str, Any]:
    found = {}
    for where, styles in STYLES.items():
        for style, (shape, schema), explode in product(styles, _SHAPES.items(), (False, True)):
            if _can_be_judged(where, style, shape, explode=explode):
                name = f"{where}-{style}-{shape}{'-exploded' * explode}"
                found |= _taking(name, where, {"style": style, "explode": explode, "schema": schema})
    return found


def _can_be_judged(where: str, style: str, shape: str, *, explode: bool) -> bool:
    """Whether the combination means something, and the judge survives it.

    One value has nothing to explode. Commas in a path kill the judge, an exploded label it
    splits at commas, and a list that spaces delimit it splits at `%20` after decoding; those
    are held against the table of OAS 3.1 §4.8.12 in `tests/tools/test_styles.py`.
    """
    if shape == "value":
        return not explode and not style.endswith("Delimited")
    if where == "path":
        return explode and (style, shape) in (("label", "list"), ("matrix", "list"), ("matrix", "object"))
    return style != "pipeDelimited" or (shape == "list" and not explode)


def _further() -> dict[str, Any]:
    nested = {"content": {"application/json": {"schema": _OBJECT}}}
    return {
        **_taking("query-deep", "query", {"style": "deepObject", "explode": True, "schema": _DEEP}),
        **_taking("query-json", "query", nested),
        **_taking("query-reserved", "query", {"allowReserved": True, "schema": _TEXT}),
        "/cookie-key": {"get": {**_operation("cookie-key"), "security": [{"key": []}]}},
    }


def _taking(name: str, where: str, how: dict[str, Any]) -> dict[str, Any]:
    parameter = {"name": "p", "in": where, "required": True, **how}
    path = f"/{name}/{{p}}" if where == "path" else f"/{name}"
    return {path: {"get": {**_operation(name), "parameters": [parameter]}}}


def _bodied() -> dict[str, Any]:
    return {
        f"/body/{media_type}": {
            "post": {
                **_operation(f"body-{media_type}"),
                "requestBody": {"required": True, "content": {media_type: _media(schema)}},
            }
        }
        for media_type, schema in BODIES.items()
    }


def _media(schema: dict[str, Any]) -> dict[str, Any]:
    """The judge reads the last of several pairs with one name, and takes a comma for a mistake."""
    lists = [name for name, member in schema.get("properties", {}).items() if member is _LIST]
    encoding = {name: {"style": "pipeDelimited", "explode": False} for name in lists}
    return {"schema": schema, "encoding": encoding} if encoding else {"schema": schema}


def _operation(name: str) -> dict[str, Any]:
    return {"operationId": name, "responses": {"204": {"description": "ok"}}}
