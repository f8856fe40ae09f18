"""The golden logs: small runs as an earlier release stored them, and what was to be done next.

`python -m tests.domain.golden` writes them anew. Do so only to add a log, or when what follows a
stored prefix is meant to change: a run that waits in somebody's database was promised the old.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from errands_server.domain import commands
from errands_server.domain import events as e
from errands_server.domain.effects import Effect, next_effects, wake_at
from errands_server.domain.errors import Reason
from errands_server.domain.events import Decision, Record, Strategy
from errands_server.domain.fold import apply
from errands_server.domain.run import Run
from errands_server.ports import Refusal
from tests.domain.histories import Simulation
from tests.domain.scenarios import KINDS, Answered, Scenario, scenario, tool

FOLDER: Final = Path(__file__).parent / "golden"
READ, _, KEYED, _, _, ONCE = KINDS
TWO: Final = {"s1.0": tool("s1.0", READ), "s2.0": tool("s2.0", KEYED)}
CHAIN: Final = {"s1": (), "s2": ("s1",)}


def entries(records: list[Record]) -> Iterator[dict[str, Any]]:
    """Each event with the status after it, and with what the fold of the prefix asks for."""
    run = Run()
    for record in records:
        run = apply(run, record)
        yield {
            "at": record.at,
            "status": record.status.value,
            "event": json.loads(e.encode(record.event)),
            "next": effects(run, record.at),
            "wake_at": wake_at(run),
        }


def effects(run: Run, now: int) -> list[dict[str, Any]]:
    """What may be done next, as JSON."""
    return [{"effect": type(effect).__name__, **_fields(effect)} for effect in next_effects(run, now)]


def _fields(effect: Effect) -> dict[str, Any]:
    fields: dict[str, Any] = json.loads(msgspec.json.encode(effect))
    return fields


def _histories() -> dict[str, Simulation]:
    played = {name: Simulation(wanted).play() for name, wanted in _undisturbed().items()}
    return played | {
        "on_tool_call_denied": _denied(),
        "cancelled_in_flight": _cancelled(),
        "resumed_after_crash": Simulation(scenario(CHAIN, TWO)).play(crash_at=7),
        "authorized": _authorized(),
    }


def _undisturbed() -> dict[str, Scenario]:
    once = {"s1.0": tool("s1.0", ONCE)}
    return {
        "success": scenario(CHAIN, TWO),
        "on_start_approved": scenario(CHAIN, TWO, strategy=Strategy.ON_START),
        "in_doubt_retried": scenario(
            {"s1": ()}, once, scripts={"s1.0": (Answered.LOST_BEFORE, Answered.DONE)}
        ),
        "partial_success": scenario(
            {**CHAIN, "s3": ("s2",)},
            {**TWO, "s3.0": tool("s3.0", READ)},
            scripts={"s1.0": (Answered.BUSY, Answered.DONE), "s2.0": (Answered.REFUSED,)},
        ),
        "refused_plan": Scenario(plan=Refusal(Reason.NO_FITTING_TOOL, "No tool sings.")),
    }


def _denied() -> Simulation:
    tools = {"s1.0": tool("s1.0", ONCE), "s1.1": tool("s1.1", READ), "s2.0": tool("s2.0", READ)}
    history = Simulation(scenario({"s1": (), "s2": ()}, tools, strategy=Strategy.ON_TOOL_CALL))
    history.until(lambda run: len(run.open_approvals()) == 2)
    history.decide(history.run.open_approvals()[0], Decision.DENY)
    return history.play()


def _cancelled() -> Simulation:
    history = Simulation(scenario({"s1": (), "s2": ()}, TWO))
    history.until(lambda run: run.calls)
    history.command(lambda draft: commands.cancel(draft.run, actor="key", now=draft.now))
    return history.play()


def _authorized() -> Simulation:
    return Simulation(scenario({"s1": ()}, {"s1.0": tool("s1.0", KEYED, secured=True)})).play()


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, history in _histories().items():
        text = json.dumps(list(entries(history.records)), indent=1)
        (FOLDER / f"{name}.json").write_text(text + "\n")
        print(f"{name}: {len(history.records)} events, {history.run.status}")


if __name__ == "__main__":
    main()
