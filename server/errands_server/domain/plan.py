"""Plans: what a run intends to do, as a graph of steps that is known to be sound."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from msgspec import Struct

from .errors import PlanInvalid
from .tool import ToolRef

MAX_STEPS = 100

Path: TypeAlias = tuple[str | int, ...]


class Slot(Struct, frozen=True, kw_only=True):
    """An argument that an earlier step's output fills: `output(step)[source] -> arguments[target]`."""

    target: Path
    step: str
    source: Path


class ContextBinding(Struct, frozen=True, kw_only=True):
    """Says that the literal at `target` was read from the run's context under `key`."""

    target: Path
    key: str


class PlannedCall(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One call of a step: literal arguments, and the slots earlier outputs fill."""

    tool: ToolRef
    arguments: Mapping[str, Any]
    slots: tuple[Slot, ...] = ()
    context: tuple[ContextBinding, ...] = ()


class Step(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One step. Its calls are independent of each other and are made together.

    The output of a step with one call is that call's output, of a step with several the
    list of their outputs in this order.
    """

    id: str
    description: str
    depends_on: tuple[str, ...] = ()
    calls: tuple[PlannedCall, ...] = ()


class Plan(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An ordered list of steps; `check` says whether it is a sound graph."""

    description: str
    steps: tuple[Step, ...]
    title: str = ""


def check(plan: Plan) -> None:
    """Raise PlanInvalid unless steps are unique, known and acyclic, each has calls, and slots read
    dependencies and have a place in the arguments."""
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
    """The value at `path` inside a JSON document. LookupError names the first part that is missing."""
    for depth, part in enumerate(path):
        try:
            document = _member(document, part)
        except (KeyError, IndexError):
            raise LookupError(written(path[: depth + 1])) from None
    return document


def _member(document: Any, part: str | int) -> Any:
    fits = isinstance(document, Mapping) if isinstance(part, str) else isinstance(document, list | tuple)
    if not fits:
        raise KeyError(part)
    return document[part]


def written(path: Path) -> str:
    """A path as people write it: `products[0].id`."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return "".join(parts).removeprefix(".")


def bind(call: PlannedCall, outputs: Mapping[str, Any]) -> dict[str, Any]:
    """The call's arguments with every slot filled. LookupError says which output lacks what."""
    arguments = _copy(call.arguments)
    for slot in call.slots:
        try:
            value = read_path(outputs[slot.step], slot.source)
        except LookupError as missing:
            raise LookupError(f"Step {slot.step} answered without {missing}") from None
        _write(arguments, slot.target, value)
    bound: dict[str, Any] = arguments
    return bound


def shown(call: PlannedCall) -> dict[str, Any]:
    """The call's arguments for a person: where a slot is open, `{"$from": "s1: customers[0].id"}`."""
    arguments: dict[str, Any] = _copy(call.arguments)
    for slot in call.slots:
        _write(arguments, slot.target, {"$from": f"{slot.step}: {written(slot.source)}"})
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
