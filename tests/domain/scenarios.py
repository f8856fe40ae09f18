"""What a simulated run is given: a plan, its tools, and how the remote service behaves for each.

Random scenarios are read from a tape of bytes, which is much faster to draw than a tree of
choices. Where a tape has ended, 0 is read, which is always the simplest choice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Final, TypeAlias, TypeVar

from msgspec import Struct

from errands_server.domain.errors import Reason
from errands_server.domain.events import Decision, Strategy
from errands_server.domain.plan import Path, Plan, PlannedCall, Slot, Step, check
from errands_server.domain.tool import Effect, Repeat, Tool, ToolRef
from errands_server.ports import CallResult, Refusal

T = TypeVar("T")

ORIGIN: Final = "https://shop.example"
OPEN: Final = "shop"  # an integration without credentials
SECURED: Final = "vault"  # an integration that wants one


class Tape:
    """Choices made beforehand."""

    def __init__(self, choices: bytes = b"") -> None:
        self._choices = iter(choices)

    def next(self) -> int:
        return next(self._choices, 0)

    def choose(self, choices: Sequence[T]) -> T:
        return choices[self.next() % len(choices)]

    def seldom(self) -> bool:
        return self.next() % 5 == 4


class Answered(StrEnum):
    """What the service does with one request."""

    DONE = "done"
    BUSY = "busy"  # certainly no effect; try again
    REFUSED = "refused"  # certainly no effect, for good
    IN_PROGRESS = "in progress"  # the key of an earlier request is still being worked on
    LOST_BEFORE = "lost before"  # no effect, and no answer
    LOST_AFTER = "lost after"  # the effect, and no answer
    ASKS = "asks"  # no effect before a person has answered a question


Script: TypeAlias = tuple[Answered | CallResult, ...]


class Shape(StrEnum):
    """Whether the caller asked for a shape of the result, and whether one is found that fits."""

    FREE = "free"
    FITS = "fits"
    MISFIT = "misfit"


class Scenario(Struct, frozen=True, kw_only=True):
    """`scripts` holds, per tool, how its requests are answered; the last answer is repeated. An answer
    is spelled out where what it says matters. `strays` are tools whose calls differ from what the plan
    announced. `doubts` is what people say of calls in doubt, as long as they have no reason to say
    something else. `repeat_of`, `traceparent` and `passed` are what the run is created with.
    `max_concurrency` is how many calls an integration takes at a time, 0 for any."""

    plan: Plan | Refusal
    strategy: Strategy = Strategy.NONE
    tools: Mapping[str, Tool] = {}
    scripts: Mapping[str, Script] = {}
    strays: frozenset[str] = frozenset()
    shape: Shape = Shape.FREE
    doubts: Decision = Decision.RETRY
    repeat_of: str = ""
    traceparent: str = ""
    passed: tuple[str, ...] = ()
    max_concurrency: int = 0


KINDS: Final = (
    (Effect.READ, Repeat.FREELY, "GET"),
    (Effect.WRITE, Repeat.FREELY, "POST"),
    (Effect.WRITE, Repeat.KEYED, "POST"),
    (Effect.WRITE, Repeat.BRIEFLY, "PUT"),
    (Effect.WRITE, Repeat.BRIEFLY, "DELETE"),
    (Effect.WRITE, Repeat.NEVER, "POST"),
)


def tool(name: str, kind: tuple[Effect, Repeat, str], *, secured: bool = False) -> Tool:
    effect, repeat, method = kind
    return Tool(
        name=name,
        title=f"Tool {name}",
        effect=effect,
        repeat=repeat,
        method=method,
        path=f"/{name}",
        origin=ORIGIN,
        parameters={},
        secured=secured,
    )


def planned(of: Tool, slots: tuple[Slot, ...] = ()) -> PlannedCall:
    ref = ToolRef(SECURED if of.secured else OPEN, 1, of.name)
    return PlannedCall(tool=ref, arguments={"name": of.name, "body": {}}, slots=slots)


def scenario(
    steps: Mapping[str, tuple[str, ...]],
    tools: Mapping[str, Tool],
    *,
    strategy: Strategy = Strategy.NONE,
    scripts: Mapping[str, Script] | None = None,
    max_concurrency: int = 0,
) -> Scenario:
    """`steps` names what each depends on; the tool `s1.0` is the first call of step `s1`."""
    plan = Plan(
        description="What a person would read.",
        steps=tuple(
            Step(
                id=step_id,
                description=f"Do {step_id}",
                depends_on=depends_on,
                calls=tuple(planned(tool) for name, tool in tools.items() if name.startswith(f"{step_id}.")),
            )
            for step_id, depends_on in steps.items()
        ),
    )
    return Scenario(
        plan=plan,
        strategy=strategy,
        tools=tools,
        scripts=scripts or {},
        max_concurrency=max_concurrency,
    )


REFUSALS: Final = (
    Reason.NO_FITTING_TOOL,
    Reason.ARGUMENT_MISSING,
    Reason.PLAN_INVALID,
    Reason.PLANNER_FAILED,
)


class Limits(Struct, frozen=True):
    """How large a random scenario may be."""

    steps: int = 6
    calls: int = 3  # of one step
    script: int = 5


def read_scenario(tape: Tape, limits: Limits) -> Scenario:
    """The scenario a tape describes."""
    strategy = tape.choose(tuple(Strategy))
    shape = tape.choose((Shape.FREE, Shape.FREE, Shape.FITS, Shape.MISFIT))
    doubts = tape.choose((Decision.RETRY, Decision.DONE, Decision.FAIL))
    if tape.next() % 16 == 15:
        return Scenario(plan=Refusal(tape.choose(REFUSALS), "There is no plan."), strategy=strategy)
    tools: dict[str, Tool] = {}
    steps: list[Step] = []
    for number in range(1, tape.next() % limits.steps + 2):
        steps.append(_read_step(tape, f"s{number}", steps, tools, limits))
    plan = Plan(description="What a person would read.", steps=tuple(steps))
    check(plan)
    return Scenario(
        plan=plan,
        strategy=strategy,
        tools=tools,
        scripts={name: _read_script(tape, limits) for name in tools},
        strays=frozenset(name for name in tools if tape.seldom()),
        shape=shape,
        doubts=doubts,
    )


def _read_script(tape: Tape, limits: Limits) -> tuple[Answered, ...]:
    if tape.next() % 2 == 0:
        return (Answered.DONE,)
    return tuple(tape.choose(tuple(Answered)) for _ in range(tape.next() % limits.script + 1))


def _read_step(
    tape: Tape, name: str, earlier: Sequence[Step], tools: dict[str, Tool], limits: Limits
) -> Step:
    depends_on = [step for step in earlier if tape.next() % 3 == 1]
    calls = []
    for number in range(tape.next() % limits.calls + 1):
        of = tool(f"{name}.{number}", tape.choose(KINDS), secured=tape.seldom())
        tools[of.name] = of
        slots = [_slot(step) for step in depends_on if tape.next() % 2]
        calls.append(planned(of, tuple(slots)))
    return Step(
        id=name,
        description=f"Do {name}",
        depends_on=tuple(step.id for step in depends_on),
        calls=tuple(calls),
    )


def _slot(step: Step) -> Slot:
    """Reads the id an earlier step answered; it leads nowhere after a DELETE, which answers nothing."""
    source: Path = ("id",) if len(step.calls) == 1 else (0, "id")
    return Slot(target=("body", step.id), step=step.id, source=source)
