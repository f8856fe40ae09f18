"""A plan: what a run will do, as a graph of steps; its check, and the arguments of its calls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from msgspec import Struct

from .errors import PlanInvalid
from .tool import ToolRef

MAX_STEPS = 100

Path: TypeAlias = tuple[str | int, ...]
"""A place in a JSON document: names of members and indexes of items, from the root."""


class Slot(Struct, frozen=True, kw_only=True):
    """An argument that an earlier step's output fills: `output(step)[source] -> arguments[target]`."""

    target: Path  # in the arguments of the call
    step: str  # id of the step
    source: Path  # in the output of that step


class ContextBinding(Struct, frozen=True, kw_only=True):
    """A literal argument that was read from the run's context: a repetition reads it again."""

    target: Path  # in the arguments of the call
    key: str  # in the context


class PlannedCall(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One call of a step."""

    tool: ToolRef
    arguments: Mapping[str, Any]  # JSON; the literal ones
    slots: tuple[Slot, ...] = ()  # those that outputs of earlier steps fill
    context: tuple[ContextBinding, ...] = ()  # which of the literals came from the run's context


class Step(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One step. Its calls are independent of each other and are made together.

    The output of a step with one call is that call's output, of a step with several the
    list of their outputs in this order.
    """

    id: str
    description: str  # a sentence for people
    depends_on: tuple[str, ...] = ()  # ids of steps that must be done first
    calls: tuple[PlannedCall, ...] = ()  # at least one in a sound plan


class Plan(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a run will do; `check` raises unless it is a sound graph."""

    description: str  # for people
    steps: tuple[Step, ...]  # in the order in which people read them
    title: str = ""  # for people


def check(plan: Plan) -> None:
    """Raise PlanInvalid unless the plan is sound.

    Step ids are unique; dependencies are known and acyclic; each step has calls; each slot reads a
    dependency and has a place in the arguments.
    """
    if not 1 <= len(plan.steps) <= MAX_STEPS:
        raise PlanInvalid(f"a plan has 1 to {MAX_STEPS} steps, this one has {len(plan.steps)}")
    steps: dict[str, Step] = {}
    for step in plan.steps:
        if step.id in steps:
            raise PlanInvalid(f"step {step.id!r} appears twice")
        steps[step.id] = step
    for step in plan.steps:
        _check_references(step, steps)
    _check_acyclic(steps)
    for step in plan.steps:
        if not step.calls:
            raise PlanInvalid(f"step {step.id!r} has no calls")


def _check_references(step: Step, steps: Mapping[str, Step]) -> None:
    for dependency in step.depends_on:
        if dependency not in steps:
            raise PlanInvalid(f"step {step.id!r} depends on unknown step {dependency!r}")
    for call in step.calls:
        _check_slots(step, call)


def _check_slots(step: Step, call: PlannedCall) -> None:
    arguments = _copy(call.arguments)
    for slot in call.slots:
        if slot.step not in step.depends_on:
            raise PlanInvalid(f"step {step.id!r} reads step {slot.step!r} without depending on it")
        try:
            _write(arguments, slot.target, None)
        except (LookupError, TypeError, ValueError, AttributeError):
            message = f"step {step.id!r} cannot put an output at {slot.target!r} of its arguments"
            raise PlanInvalid(message) from None


def _check_acyclic(steps: Mapping[str, Step]) -> None:
    finished: set[str] = set()
    waiting = dict(steps)
    while waiting:
        ready = [step for step in waiting.values() if finished.issuperset(step.depends_on)]
        if not ready:
            raise PlanInvalid(f"steps depend on each other in a circle: {', '.join(sorted(waiting))}")
        for step in ready:
            finished.add(step.id)
            del waiting[step.id]


def read_path(document: Any, path: Path) -> Any:
    """Return the value at `path` of a JSON document. LookupError: the path up to the first missing part."""
    for depth, part in enumerate(path):
        try:
            document = _member(document, part)
        except (KeyError, IndexError):
            raise LookupError(format_path(path[: depth + 1])) from None
    return document


def _member(document: Any, part: str | int) -> Any:
    fits = isinstance(document, Mapping) if isinstance(part, str) else isinstance(document, list | tuple)
    if not fits:
        raise KeyError(part)
    return document[part]


def format_path(path: Path) -> str:
    """Return a path as people write it: `products[0].id`."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return "".join(parts).removeprefix(".")


def bind(call: PlannedCall, outputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the call's arguments with every slot filled from `outputs` (decoded JSON, by step id).

    LookupError: which output lacks which part.
    """
    arguments = _copy(call.arguments)
    for slot in call.slots:
        try:
            value = read_path(outputs[slot.step], slot.source)
        except LookupError as missing:
            raise LookupError(f"Step {slot.step} answered without {missing}") from None
        _write(arguments, slot.target, value)
    bound: dict[str, Any] = arguments
    return bound


def preview_arguments(call: PlannedCall) -> dict[str, Any]:
    """Return the call's arguments for people, with `{"$from": "s1: customers[0].id"}` for each slot."""
    arguments: dict[str, Any] = _copy(call.arguments)
    for slot in call.slots:
        _write(arguments, slot.target, {"$from": f"{slot.step}: {format_path(slot.source)}"})
    return arguments


def _copy(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _copy(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_copy(item) for item in value]
    return value


def _write(document: Any, path: Path, value: Any) -> None:
    """Set `value` at `path`, making objects and extending lists by one where needed."""
    *parents, last = path
    for part, following in zip(parents, path[1:], strict=True):
        empty: Any = [] if isinstance(following, int) else {}
        if isinstance(document, list):
            if part == len(document):
                document.append(empty)
        else:
            document.setdefault(part, empty)
        document = document[part]
    if isinstance(document, list) and last == len(document):
        document.append(value)
    else:
        document[last] = value
