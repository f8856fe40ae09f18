"""Golden files: what was asked and answered, with a stable word for everything that changes."""

from __future__ import annotations

import json
import os
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx2
from jsonschema import Draft202012Validator, FormatChecker

from errands_gateway.rest.openapi import document
from errands_gateway.v1.dialect import V1
from tests.gateway.approvals.parsed import Page

FOLDER = Path(__file__).parent / "golden"
WRITE = "ERRANDS_WRITE_GOLDEN"
SERVED: dict[str, Any] = json.loads(json.dumps(document(V1)))

_HEADERS = (
    "allow",
    "cache-control",
    "content-type",
    "link",
    "location",
    "preference-applied",
    "refresh",
    "retry-after",
    "www-authenticate",
    "x-accel-buffering",
    "x-request-id",
)
# What changes from run to run, and the word that stands for it.
_CHANGING = (
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"), "uuid"),
    (re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"), "time"),
    (re.compile(r"\bsha256:[0-9a-f]{64}\b"), "hash"),
    (re.compile(r"(?<=desk_)[a-z0-9]{8}\b"), "random"),
    (re.compile(r"(?<=127\.0\.0\.1:)\d+"), "port"),
    (re.compile(r"\bek_[A-Za-z0-9_-]{43}"), "secret"),
    (re.compile(r"(?<=/connect/)[A-Za-z0-9_.~-]{20,}"), "link"),
    (re.compile(r'(?<="flow": ")[^"]+'), "flow"),
    (re.compile(r"(?<=flow=)[A-Za-z0-9_.~%-]+"), "flow"),
    (re.compile(r"\b\d{1,2} [A-Z][a-z]+ \d{4}, \d\d:\d\d UTC"), "moment"),
    (re.compile(r'(?<=token=)[A-Za-z0-9_-]+(?=")'), "token"),
    (re.compile(r'(?<=ticket=)[A-Za-z0-9_.%-]+(?=[&"])'), "ticket"),
    (re.compile(r'(?<="ticket": ")[^"]+'), "ticket"),
    (re.compile(r'(?<="token": ")[A-Za-z0-9_-]{60,}'), "token"),
    (re.compile(r"(?<=pageToken=)[A-Za-z0-9_-]+"), "token"),
    (re.compile(r'(?<="nextPageToken": ")[^"]+'), "token"),
)
# Ids are told apart; times and the like are not, because two may be equal by chance.
_NUMBERED = {"uuid", "random"}


def stable(value: Any) -> Any:
    """A JSON value with everything that changes replaced: ids by number, in the order they appear."""
    text = json.dumps(value, ensure_ascii=False)
    for pattern, word in _CHANGING:
        seen: dict[str, str] = {}

        def named(found: re.Match[str], word: str = word, seen: dict[str, str] = seen) -> str:
            number = f"-{len(seen) + 1}" if word in _NUMBERED else ""
            return seen.setdefault(found[0], f"<{word}{number}>")

        text = pattern.sub(named, text)
    return json.loads(text)


def check(name: str, value: Any) -> None:
    """Compare with the golden file of this name, or write it where the environment asks for that."""
    made = stable(value)
    path = FOLDER / f"{name}.json"
    if os.environ.get(WRITE):
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(made, indent=2, ensure_ascii=False) + "\n")

    assert path.exists(), f"{path.name} is missing; {WRITE}=1 writes it"
    assert made == json.loads(path.read_text()), f"{path.name} differs; {WRITE}=1 writes it anew"


_FORMATS = FormatChecker(["uuid"])


@_FORMATS.checks("date-time", raises=ValueError)
def _is_moment(value: object) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


class Recorder:
    """Asks a gateway, holds each answer against the document, and compares the pair with a golden file."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self._client = client
        self.names: set[str] = set()

    async def __call__(
        self, name: str, method: str, path: str, body: Any = None, *, form: Any = None, **headers: str
    ) -> Any:
        """The JSON body of the answer, or its text. `name` is the operation's id, and what is special."""
        sent = {key.replace("_", "-"): value for key, value in headers.items()}
        numbered = {"x-request-id": name.replace(" ", "-"), **sent}
        if form is not None:
            answer = await self._client.request(method, path, data=form, headers=numbered)
        else:
            answer = await self._client.request(method, path, json=body, headers=numbered)
        found = _body(answer)
        conforms(name.partition(" ")[0], answer)
        request = {"method": method, "path": path, "headers": sent, "body": body if form is None else form}
        told = {key: answer.headers[key] for key in _HEADERS if key in answer.headers}
        response = {"status": answer.status_code, "headers": told, "body": found}
        check(name.replace(" ", "-"), {"request": _given(request), "response": _given(response)})
        self.names.add(name)
        return found


def _given(document: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in document.items() if value not in (None, {}, "")}


def _body(answer: httpx2.Response) -> Any:
    if answer.headers.get("content-type", "").partition(";")[0] == "text/event-stream":
        return [_frame(block) for block in answer.text.split("\n\n") if block]
    if answer.headers.get("content-type", "").startswith("text/html"):
        return Page.of(answer.text).words
    return answer.json() if answer.content else None


def _frame(block: str) -> Any:
    """A block of an event stream: its fields, with the data parsed."""
    fields = dict(line.split(": ", 1) for line in block.splitlines())
    return {**fields, "data": json.loads(fields["data"])} if "data" in fields else fields


def conforms(operation: str, answer: httpx2.Response) -> None:
    """Whether the document says that this operation answers like this."""
    described = next(
        one
        for methods in SERVED["paths"].values()
        for one in methods.values()
        if one["operationId"] == operation
    )
    assert str(answer.status_code) in described["responses"], f"{operation} {answer.status_code}"
    content = described["responses"][str(answer.status_code)].get("content", {})
    kind = answer.headers.get("content-type", "").partition(";")[0]
    if not content:
        assert not answer.content
        return
    assert kind in content, f"{operation} {answer.status_code} {kind}"
    if kind == "text/event-stream":
        for frame in _body(answer):
            if "data" in frame:
                fits({"$ref": "#/components/schemas/RunEvent"}, frame["data"])
                assert (frame["id"], frame["event"]) == (
                    str(frame["data"]["sequence"]),
                    frame["data"]["type"],
                )
    elif kind != "text/html":
        fits(content[kind]["schema"], answer.json())


def fits(schema: Any, value: Any) -> None:
    """Whether a value is as a schema of the document says."""
    whole = Draft202012Validator({**schema, "components": SERVED["components"]}, format_checker=_FORMATS)
    errors = [f"{error.json_path}: {error.message}" for error in whole.iter_errors(value)]

    assert errors == []
