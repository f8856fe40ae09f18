"""Repeats a plan for a new run: the same steps, with what came from the context bound anew."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from .plan import Path, Plan, PlannedCall
from .tool import ToolRef


class DoesNotFit(Exception):
    """The plan cannot be repeated; the message says why."""


def rebind(plan: Plan, context: Mapping[str, Any], available: Collection[ToolRef]) -> Plan:
    """The plan over the new context. DoesNotFit: a tool is not available, or a value is missing."""
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
    """Context values are often text; the tool was given a number or a boolean before."""
    if not isinstance(new, str) or isinstance(old, str):
        return new
    try:
        return msgspec.convert(new, type(old), strict=False)
    except msgspec.ValidationError as error:
        raise DoesNotFit(f"{new!r} is no {type(old).__name__}") from error
