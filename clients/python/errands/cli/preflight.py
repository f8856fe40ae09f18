"""What a run would need and ask for, in words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from errands.v1.approval_pb2 import APPROVAL_KIND_PLAN
from errands.v1.preflight_pb2 import ExpectedApproval, MissingConnection, Preflight, PreflightCall

from .documents import bare
from .text import clean, columns, line

_ACCESS: Final = {
    "NONE": "no account",
    "PASS_THROUGH": "what is passed through",
    "USER": "the user's own account",
    "SHARED": "the integration's shared account",
    "MISSING": "the user's account, not connected yet",
}


def foreseen(found: Preflight) -> str:
    """Calls, what is missing for them, and who is asked; empty where there is no plan."""
    return clean("\n".join(_lines(found)))


def _lines(found: Preflight) -> Iterator[str]:
    if found.calls:
        yield columns(("STEP", "EFFECT", "INTEGRATION", "TOOL", "ACCOUNT"), map(_call, found.calls))
    for missing in found.missing:
        yield _missing(missing)
    if found.calls:
        yield f"asks before acting: {', '.join(map(_approval, found.approvals)) or 'nobody'}"


def _call(call: PreflightCall) -> tuple[str, ...]:
    access = bare(call, "access")
    return call.step_id, bare(call, "effect"), call.integration_name, call.tool, _ACCESS.get(access, access)


def _missing(missing: MissingConnection) -> str:
    scopes = f" ({line(', '.join(missing.scopes))})" if missing.scopes else ""
    where = f" at {line(missing.url)}" if missing.url else ""
    return f"{line(missing.user_id)} must connect {line(missing.integration_name)}{scopes}{where}"


def _approval(asked: ExpectedApproval) -> str:
    calls = "1 call" if asked.calls == 1 else f"{asked.calls} calls"
    what = "the plan" if asked.kind == APPROVAL_KIND_PLAN else f"step {line(asked.step_id)}"
    return f"{what} ({calls})"
