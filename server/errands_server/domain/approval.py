"""The hashes that bind an approval to what it covers, over canonical JSON (RFC 8785)."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec
import rfc8785

from .events import Call
from .plan import Plan, PlannedCall, Step
from .question import Question
from .tool import ToolRef


def digest(document: Any) -> str:
    """Return `sha256:` and the hex digest of the document's canonical form."""
    if _is_plain(document):
        # The standard encoder writes the same bytes, thirty times faster.
        return "sha256:" + hashlib.sha256(_encode(document).encode()).hexdigest()
    try:
        canonical = rfc8785.dumps(document)
    except rfc8785.IntegerDomainError:
        # RFC 8785 stops at 2**53; documents with larger integers keep every digit of them.
        canonical = json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
    return "sha256:" + hashlib.sha256(canonical).hexdigest()


_encode: Final = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode


def _is_plain(value: Any) -> bool:
    """Whether the standard encoder writes the canonical form of a document: it holds no floats, no large
    integers, no keys that UTF-16 orders differently and no lone surrogates.
    """
    kind = type(value)
    if kind is str:
        return value.isascii() or not _SURROGATE.search(value)
    if kind is int:
        return bool(-_EXACT < value < _EXACT)
    if kind is dict:
        return all(type(key) is str and key.isascii() for key in value) and all(
            map(_is_plain, value.values())
        )
    if kind is list or kind is tuple:
        return all(map(_is_plain, value))
    return value is None or kind is bool


_EXACT: Final = 1 << 53
_SURROGATE: Final = re.compile(r"[\ud800-\udfff]")


def call_hash(
    *, run_id: str, call_id: str, tool: ToolRef, origin: str, arguments: Mapping[str, Any], user_id: str
) -> str:
    """Return the hash of one call. A call with another hash needs another approval."""
    return digest(
        {
            "run": run_id,
            "call": call_id,
            "integration": tool.integration_id,
            "revision": tool.revision,
            "origin": origin,
            "operation": tool.name,
            "arguments": arguments,
            "user": user_id,
        }
    )


def calls_hash(calls: tuple[Call, ...]) -> str:
    """Return the hash of an approval: the call's own for one call, else the hash over all their hashes."""
    return calls[0].hash if len(calls) == 1 else digest([call.hash for call in calls])


def question_hash(call: Call, question: Question) -> str:
    """Return the hash over a call and the question that its service asks."""
    return digest({"call": call.hash, "question": question.digest})


def plan_hash(plan: Plan) -> str:
    """Return the hash of a plan: for each call its revision, operation, literal arguments and slots."""
    return digest([[_hash_input(call) for call in step.calls] for step in plan.steps])


def _hash_input(call: PlannedCall) -> dict[str, Any]:
    slots = msgspec.to_builtins([(slot.target, slot.step, slot.source) for slot in call.slots])
    return {
        "integration": call.tool.integration_id,
        "revision": call.tool.revision,
        "operation": call.tool.name,
        "arguments": call.arguments,
        "slots": slots,
    }


_ABSENT: Final = object()


def covers(step: Step, tool: ToolRef, arguments: Mapping[str, Any]) -> bool:
    """Whether the plan's `step` holds this call: same tool and literals, other values only in its slots."""
    return any(planned.tool == tool and _agree(planned, arguments) for planned in step.calls)


def _agree(planned: PlannedCall, arguments: Mapping[str, Any]) -> bool:
    open_at = {slot.target for slot in planned.slots}
    return _same(planned.arguments, arguments, (), open_at)


def _same(literal: Any, actual: Any, at: tuple[str | int, ...], open_at: set[tuple[str | int, ...]]) -> bool:
    if at in open_at:
        return True
    if any(target[: len(at)] == at for target in open_at):
        return _same_container(literal, actual, at, open_at)
    return literal is not _ABSENT and actual is not _ABSENT and _text(literal) == _text(actual)


def _text(value: Any) -> bytes:
    """JSON has three values where Python has one: `true`, 1 and 1.0."""
    return msgspec.json.encode(value, order="sorted")


def _same_container(
    literal: Any, actual: Any, at: tuple[str | int, ...], open_at: set[tuple[str | int, ...]]
) -> bool:
    if isinstance(actual, Mapping):
        known = literal if isinstance(literal, Mapping) else {}
        keys = set(known) | set(actual)
        return all(_same(known.get(k, _ABSENT), actual.get(k, _ABSENT), (*at, k), open_at) for k in keys)
    if isinstance(actual, list):
        items = literal if isinstance(literal, list | tuple) else []
        padded = [*items, *[_ABSENT] * (len(actual) - len(items))]
        return len(items) <= len(actual) and all(
            _same(one, other, (*at, i), open_at)
            for i, (one, other) in enumerate(zip(padded, actual, strict=True))
        )
    return False
