"""Reuses a plan for a run that repeats another: the same steps, with arguments from the new context."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from .plan import Path, Plan, PlannedCall
from .tool import ToolRef


class DoesNotFit(Exception):
    """The plan cannot be reused; the message says why."""


def rebind(plan: Plan, context: Mapping[str, Any], available: Collection[ToolRef]) -> Plan:
    """Return the plan with values of the new context. DoesNotFit: a tool or a value is missing."""
    steps = tuple(
        msgspec.structs.replace(
            step, calls=tuple(_rebind_call(call, context, available) for call in step.calls)
        )
        for step in plan.steps
    )
    return msgspec.structs.replace(plan, steps=steps)


def _rebind_call(
    call: PlannedCall, context: Mapping[str, Any], available: Collection[ToolRef]
) -> PlannedCall:
    if call.tool not in available:
        raise DoesNotFit(
            f"revision {call.tool.revision} of {call.tool.integration_id} is not what this run uses"
        )
    if not call.context:
        return call
    arguments = msgspec.to_builtins(call.arguments)
    for binding in call.context:
        if binding.key not in context:
            raise DoesNotFit(f"the context has no {binding.key!r}")
        _replace(arguments, binding.target, context[binding.key])
    return msgspec.structs.replace(call, arguments=arguments)


def _replace(document: Any, path: Path, value: Any) -> None:
    *parents, last = path
    for part in parents:
        document = document[part]
    document[last] = _like(document[last], value)


def _like(old: Any, new: Any) -> Any:
    """Convert text of the context to the type of the value that it replaces."""
    if not isinstance(new, str) or isinstance(old, str):
        return new
    try:
        return msgspec.convert(new, type(old), strict=False)
    except msgspec.ValidationError as error:
        raise DoesNotFit(f"{new!r} is no {type(old).__name__}") from error
