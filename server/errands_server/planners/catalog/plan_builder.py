"""Builds a plan from drafts: its steps, and their descriptions for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, Final

from ...domain.plan import ContextBinding, Path, Plan, PlannedCall, Slot, Step
from .lookups import DraftCall, step_id
from .parameters import ToolParameter
from .tokens import spelled

_SHOWN: Final = 3  # arguments in a step's description
_LONG: Final = 40  # characters of one of them


def build_plan(drafts: Sequence[DraftCall]) -> Plan:
    """The plan of these calls. Drafts depend only on drafts before them."""
    steps = tuple(_step(number, draft, drafts) for number, draft in enumerate(drafts))
    return Plan(description=_sentence([draft.profile.title for draft in drafts]), steps=steps)


def _sentence(titles: Sequence[str]) -> str:
    first, *rest = dict.fromkeys(titles)
    return f"{_join([first, *map(_lower_first, rest)])}."


def _join(texts: Sequence[str]) -> str:
    *most, last = texts
    return f"{', '.join(most)} and {last}" if most else last


def _lower_first(text: str) -> str:
    acronym = text[1:2].isupper()
    return text if acronym else text[:1].lower() + text[1:]


def _step(number: int, draft: DraftCall, drafts: Sequence[DraftCall]) -> Step:
    read = {argument.slot.draft for argument in draft.arguments if argument.slot}
    return Step(
        id=step_id(number),
        description=_description(draft),
        depends_on=tuple(step_id(n) for n in sorted(read | set(draft.after))),
        calls=tuple(_call(draft, turn, drafts) for turn in range(draft.fan)),
    )


def _call(draft: DraftCall, turn: int, drafts: Sequence[DraftCall]) -> PlannedCall:
    arguments: dict[str, Any] = {}
    for argument in draft.arguments:
        if argument.values:
            _put(arguments, argument.parameter.path, argument.values[min(turn, len(argument.values) - 1)])
    return PlannedCall(
        tool=draft.profile.candidate.ref,
        arguments=arguments,
        slots=tuple(_slots(draft, turn, drafts)),
        context=tuple(ContextBinding(target=a.parameter.path, key=a.key) for a in draft.arguments if a.key),
    )


def _slots(draft: DraftCall, turn: int, drafts: Sequence[DraftCall]) -> Iterator[Slot]:
    for argument in draft.arguments:
        if argument.slot is None:
            continue
        # The output of a step with several calls is the list of their outputs.
        prefix: Path = (turn,) if drafts[argument.slot.draft].fan > 1 else ()
        source = (*prefix, *argument.slot.path)
        yield Slot(target=argument.parameter.path, step=step_id(argument.slot.draft), source=source)


def _put(document: Any, path: Path, value: Any) -> None:
    """Set `value` at `path`; elements of a list come in order."""
    for part, following in pairwise(path):
        empty: Any = [] if isinstance(following, int) else {}
        if isinstance(document, list):
            if part == len(document):
                document.append(empty)
        else:
            document.setdefault(part, empty)
        document = document[part]
    if isinstance(document, list):
        document.append(value)
    else:
        document[path[-1]] = value


def _description(draft: DraftCall) -> str:
    # Values of the context stay out: more people see descriptions than the context.
    values: dict[str, list[str]] = {}
    for argument in draft.arguments:
        if argument.mentions:
            values.setdefault(_label(argument.parameter), []).extend(map(_shorten, argument.values))
    arguments = ", ".join(f"{label} {_join(shown)}".strip() for label, shown in list(values.items())[:_SHOWN])
    title = draft.profile.title
    return f"{title}: {arguments}" if arguments else title


def _label(parameter: ToolParameter) -> str:
    return "" if parameter.searches else spelled(parameter.name)


def _shorten(value: Any) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= _LONG else f"{text[: _LONG - 1]}…"
