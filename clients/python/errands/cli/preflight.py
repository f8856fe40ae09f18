"""A preflight in words: the calls a run would make, and what it would need and ask for."""

from __future__ import annotations

from typing import Final

from errands.v1.approval_pb2 import APPROVAL_KIND_PLAN
from errands.v1.preflight_pb2 import ExpectedApproval, Preflight, PreflightCall

from .documents import enum_word
from .text import clean, format_table, one_line

_ACCESS: Final = {
    "NONE": "no account",
    "PASS_THROUGH": "what is passed through",
    "USER": "the user's own account",
    "SHARED": "the integration's shared account",
    "MISSING": "the user's account, not connected yet",
}


def describe_preflight(found: Preflight) -> str:
    """Describe calls, missing connections and expected approvals; empty where there is no plan."""
    lines = []
    if found.calls:
        lines.append(
            format_table(("STEP", "EFFECT", "INTEGRATION", "TOOL", "ACCOUNT"), map(_call_row, found.calls))
        )
    for missing in found.missing:
        scopes = f" ({one_line(', '.join(missing.scopes))})" if missing.scopes else ""
        where = f" at {one_line(missing.url)}" if missing.url else ""
        lines.append(
            f"{one_line(missing.user_id)} must connect {one_line(missing.integration_name)}{scopes}{where}"
        )
    if found.calls:
        lines.append(f"asks before acting: {', '.join(map(_describe_approval, found.approvals)) or 'nobody'}")
    return clean("\n".join(lines))


def _call_row(call: PreflightCall) -> tuple[str, ...]:
    access = enum_word(call, "access")
    return (
        call.step_id,
        enum_word(call, "effect"),
        call.integration_name,
        call.tool,
        _ACCESS.get(access, access),
    )


def _describe_approval(expected: ExpectedApproval) -> str:
    calls = "1 call" if expected.calls == 1 else f"{expected.calls} calls"
    what = "the plan" if expected.kind == APPROVAL_KIND_PLAN else f"step {one_line(expected.step_id)}"
    return f"{what} ({calls})"
