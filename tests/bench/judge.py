"""A judge of requests: npm's @stoplight/prism-cli, a mock server made from an OpenAPI document.

It is installed once, into the cache folder of `tests.bench.documents`. A request that breaks
the document is answered with an RFC 9457 problem or comes back with the header `sl-violations`.
"""

from __future__ import annotations

import json
import re
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

import httpx2

from errands_server.tools.openapi.request import OutgoingRequest
from tests.bench.documents import CACHE

RELEASE: Final = "@stoplight/prism-cli@5.12.0"
PATIENCE: Final = 120.0  # seconds for the judge to start
METHODS: Final = ("get", "put", "post", "delete", "options", "head", "patch")

_LACKS: Final = re.compile(r"(?:query|body)\.([\w.]+): .*must have required property '(.*)'")
_REFERENCE: Final = re.compile(r'"\$ref": ?"(#/[^"]+)"')


def judge() -> Path:
    """The judge's program, from the cache or installed into it."""
    folder = CACHE / "prism"
    program = folder / "node_modules" / ".bin" / "prism"
    if not program.exists():
        folder.mkdir(parents=True, exist_ok=True)
        command = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"]
        subprocess.run([*command, "--prefix", str(folder), RELEASE], check=True)
    return program


@contextmanager
def mocked(document: Path) -> Iterator[str]:
    """A mock of the document; its origin."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    command = [str(judge()), "mock", "--host", "127.0.0.1", "--port", str(port), str(document)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            _await(process)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()


def _await(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    too_late = threading.Timer(PATIENCE, process.kill)
    too_late.start()
    listening = any("Prism is listening" in line for line in process.stdout)
    too_late.cancel()
    if not listening:
        raise SystemExit(f"the judge did not start within {PATIENCE:.0f} s")
    # Whatever it goes on saying has to go somewhere, or it stops.
    subprocess.Popen(["cat"], stdin=process.stdout, stdout=subprocess.DEVNULL)


def violations(answer: httpx2.Response) -> Iterator[str]:
    """What the judge says is wrong with the request that led to an answer."""
    listed = json.loads(answer.headers.get("sl-violations", "[]"))
    yield from (_told(one) for one in listed if one["location"][0] == "request")
    judged = answer.headers.get("content-type", "").startswith("application/problem+json")
    if answer.status_code >= 400 and judged:
        problem: dict[str, Any] = answer.json()
        yield from map(_told, problem.get("validation") or [{"message": problem.get("title")}])
    elif not listed and answer.status_code in (400, 401, 415, 422):
        yield f"answered {answer.status_code}: {answer.text[:200]}"


def _told(violation: dict[str, Any]) -> str:
    return f"{'.'.join(map(str, violation.get('location', ())))}: {violation['message']}"


def fault(violation: str, outgoing: OutgoingRequest) -> str:
    """Which known fault of the judge's a violation comes from; "" where the request is at fault."""
    content = outgoing.content or b""
    sent = unquote((content or outgoing.url.query).decode("utf-8", "replace"))
    nested = _LACKS.match(violation)
    if nested:
        return _fault_inside(nested[1], nested[2], sent)
    if violation == ": Invalid content type" and "[0][" in sent:
        return "cannot read objects in a list of a form"
    if "Reserved characters" in violation and content.startswith(b"--"):
        return "looks for reserved characters in multipart forms, which have none"
    if violation == ": Body parameter is required" and not sent:
        return "takes an empty form for none"
    text = outgoing.headers.get("content-type", "").startswith("text/plain")
    return "reads no JSON in a text" if text else ""


def _fault_inside(path: str, required: str, sent: str) -> str:
    """What the judge overlooks where it says that an object lacks a member."""
    name, *members = path.split(".")
    prefix = f"{name}{''.join(f'[{member}]' for member in members)}["
    if f"{prefix}{required}]" in sent:
        return "does not look into alternatives"
    return "" if prefix in sent else "takes an absent object for an empty one"


def requests_only(document: dict[str, Any]) -> dict[str, Any]:
    """A document without its answers and what only they refer to.

    The judge writes out every reference when it starts, which for answers that all hold each
    other (Stripe's) takes it hours.
    """
    for item in document["paths"].values():
        for method in METHODS:
            if method in item:
                item[method]["responses"] = {"200": {"description": "ok"}}
    components = document.pop("components", {})
    kept: dict[str, dict[str, Any]] = {"securitySchemes": components.get("securitySchemes", {})}
    waiting = set(_REFERENCE.findall(json.dumps(document)))
    while waiting:
        _, _, kind, name = waiting.pop().split("/")[:4]
        if name not in kept.setdefault(kind, {}):
            kept[kind][name] = components[kind][name]
            waiting |= set(_REFERENCE.findall(json.dumps(kept[kind][name])))
    return document | {"components": kept}
