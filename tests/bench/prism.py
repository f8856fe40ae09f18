"""Sends our requests to a mock server that judges each by the document it was made from.

`python -m tests.bench.prism [asana.com slack.com ...] [--list]`. The judge is npm's
@stoplight/prism-cli, installed once into the cache folder of `tests.bench.documents`; the
documents come from there too. For every operation two calls are made, with all arguments
and with the required ones only. A request that breaks the document is answered 4xx by the
judge or comes back with the header `sl-violations`. Exits 1 where one of ours did.
"""

from __future__ import annotations

import argparse
import json
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx2
from msgspec import Struct

from errands_server.credentials.credential import Credential
from errands_server.domain.tool import ToolRef
from errands_server.ports import Request
from errands_server.tools.arguments import ArgumentChecker
from errands_server.tools.document import Operation, read
from errands_server.tools.operation import Location
from errands_server.tools.outgoing import Unsendable, compose

from .documents import CACHE, DIRECTORY, text_file
from .examples import example

JUDGE: Final = "@stoplight/prism-cli"
PATIENCE: Final = 120.0  # seconds for the judge to start
DOCUMENTS: Final = ("asana.com", "slack.com")
NOBODY_S: Final = Credential(headers={"Authorization": "Bearer token-of-the-test"})


class Verdict(Struct, kw_only=True):
    """What became of one request."""

    operation: str
    kinds: frozenset[str]
    request: str
    status: int = 0
    violations: Sequence[str] = ()
    unsent: str = ""


def judge() -> Path:
    """The judge's program, from the cache or installed into it."""
    folder = CACHE / "prism"
    program = folder / "node_modules" / ".bin" / "prism"
    if not program.exists():
        folder.mkdir(parents=True, exist_ok=True)
        command = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"]
        subprocess.run([*command, "--prefix", str(folder), JUDGE], check=True)
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


def verdicts(document: Path) -> Iterator[Verdict]:
    """Two requests for each operation, judged."""
    checker = ArgumentChecker()
    with mocked(document) as origin, httpx2.Client(timeout=60, trust_env=False) as client:
        for operation in read(document.read_text(), base_url=origin).operations:
            for full in (True, False):
                yield _verdict(client, checker, operation, full=full)


def _verdict(client: httpx2.Client, checker: ArgumentChecker, operation: Operation, *, full: bool) -> Verdict:
    arguments = _arguments(operation, full=full)
    ref = ToolRef("bench", 1, operation.tool.name)
    verdict = Verdict(
        operation=f"{operation.tool.name} ({'all' if full else 'required'})",
        kinds=frozenset(_kinds(operation, arguments)),
        request="",
    )
    verdict.unsent = checker.problem(ref, operation.tool, arguments)
    if verdict.unsent:
        return verdict
    request = Request(ref=ref, arguments=arguments, idempotency_key="key", user_id="user")
    try:
        outgoing = compose(operation, request, NOBODY_S)
    except Unsendable as refusal:
        verdict.unsent = refusal.message
        return verdict
    verdict.request = (
        f"{outgoing.method} {outgoing.url.raw_path.decode()} {(outgoing.content or b'')[:200]!r}"
    )
    answer = client.request(outgoing.method, outgoing.url, headers=outgoing.headers, content=outgoing.content)
    verdict.status = answer.status_code
    verdict.violations = list(_violations(answer))
    return verdict


def _arguments(operation: Operation, *, full: bool) -> dict[str, Any]:
    arguments: dict[str, Any] = example(operation.tool.parameters, full=full)
    for parameter in operation.parameters:
        value = arguments.get(parameter.argument)
        if parameter.location is Location.HEADER and isinstance(value, str) and not value.isascii():
            arguments[parameter.argument] = "a header holds ASCII"
    return arguments


def _violations(answer: httpx2.Response) -> Iterator[str]:
    for found in json.loads(answer.headers.get("sl-violations", "[]")):
        if found["location"][0] == "request":
            yield f"{'.'.join(map(str, found['location']))}: {found['message']}"
    judged = answer.headers.get("content-type", "").startswith("application/problem+json")
    if answer.status_code >= 400 and judged:
        problem: dict[str, Any] = answer.json()
        said = problem.get("validation") or [{"location": [], "message": problem.get("title")}]
        yield from (f"{'.'.join(map(str, v['location']))}: {v['message']}" for v in said)
    elif answer.status_code in (400, 401, 415, 422):
        yield f"answered {answer.status_code}: {answer.text[:200]}"


def _kinds(operation: Operation, arguments: dict[str, Any]) -> Iterator[str]:
    """What the request is made of: each place, style and shape of a parameter, and the body."""
    for parameter in operation.parameters:
        if parameter.argument in arguments:
            value = arguments[parameter.argument]
            shape = {list: "list", dict: "object"}.get(type(value), "value")
            explode = "*" if parameter.explode and shape != "value" else ""
            yield f"{parameter.location} {parameter.style}{explode} {shape}"
    if "body" in arguments:
        yield f"body {operation.body_type}"
        if any(part.file for part in operation.body_parts.values()):
            yield "body with a file"


def report(name: str, found: Sequence[Verdict], *, everything: bool) -> int:
    """Print what was judged; how many requests broke the document."""
    broken = [verdict for verdict in found if verdict.violations]
    unsent = [verdict for verdict in found if verdict.unsent]
    operations = {verdict.operation.partition(" ")[0] for verdict in found if not verdict.unsent}
    print(
        f"\n{name}: {len(found)} requests for {len(operations)} operations, {len(broken)} with violations,",
        end=" ",
    )
    print(f"{len(unsent)} not sent; statuses {dict(Counter(v.status for v in found if not v.unsent))}")
    for kind, count in sorted(Counter(kind for v in found for kind in v.kinds).items()):
        print(f"  {count:>5}  {kind}")
    for verdict in found if everything else [*broken, *unsent]:
        print(f"  {verdict.operation}: {verdict.status or 'unsent'} {verdict.request[:300]}")
        for problem in [*verdict.violations, *filter(None, [verdict.unsent])]:
            print("     ", " ".join(problem.split())[:300])
    return len(broken)


def main() -> int:
    """Judge the documents named; 1 where a request of ours broke one."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", default=DOCUMENTS, help="documents of the directory")
    parser.add_argument("--list", action="store_true", help="show every request")
    given = parser.parse_args()
    broken = 0
    for name in given.names:
        found = list(verdicts(text_file(f"{DIRECTORY}/api/{name}.json")))
        broken += report(name, found, everything=given.list)
    return int(broken > 0)


if __name__ == "__main__":
    sys.exit(main())
