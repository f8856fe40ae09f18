"""What the runs of a folder are to do: a plan for each intent, made without a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from errands_server.domain.errors import Reason
from errands_server.domain.plan import ContextBinding, Plan, Slot
from errands_server.ports import Brief, Refusal
from tests.contract.plans import chain, step, steps
from tests.scripted import Make, ScriptedPlanner


def _note(text: str) -> tuple[str, Mapping[str, Any]]:
    return "writeNote", {"body": {"text": text}}


def _from_context(brief: Brief) -> Plan:
    """Note what the context says under `text`."""
    said = brief.context.removeprefix("text=")
    binding = ContextBinding(target=("body", "text"), key="text")
    one = step(brief, 1, "writeNote", {"body": {"text": said}}, context=[binding])
    return Plan(description=brief.intent, steps=(one,))


def _behind_a_doubt(brief: Brief) -> Plan:
    """Read much, send what may be lost, then note something of what was read."""
    slot = Slot(target=("body", "text"), step="s1", source=("first",))
    return Plan(
        description=brief.intent,
        steps=(
            step(brief, 1, "readAll"),
            step(brief, 2, "loseNote", {"body": {"text": "eggs"}}, after=[1]),
            step(brief, 3, "writeNote", {"body": {}}, after=[1, 2], slots=[slot]),
        ),
    )


PLANS: Final[Mapping[str, Make]] = {
    # Of runs that have ended.
    "note what the context says": _from_context,
    "note it again": _from_context,
    "read much": steps(("readAll",)),
    "be delayed": steps(("delayNote", {"body": {"text": "tea"}})),
    "be refused": chain(("refuseNote", {"body": {"text": "ink"}}), _note("after ink")),
    "be half refused": steps(_note("bread"), ("refuseNote", {"body": {"text": "ink"}})),
    "be approved": steps(_note("corn")),
    "be denied": steps(_note("wine")),
    "be answered": steps(("paint", {"what": "wall"})),
    "be settled": steps(("loseNote", {"body": {"text": "jam"}})),
    "be authorized": steps(("readSecret",)),
    "be too late": steps(_note("rum")),
    "be cancelled": steps(_note("beer")),
    "read what is gone": steps(("readArchive",)),
    # Of runs that wait for a person.
    "wait for the plan": steps(_note("salt")),
    "wait for the call": steps(_note("pepper")),
    "wait in doubt": _behind_a_doubt,
    "wait for an answer": steps(("paint", {"what": "door"})),
    "wait to send what came with the run": steps(_note("rice")),
    "wait to send with the account of all": steps(("sendMail", {"body": {"to": "grace"}})),
    "wait to read with a connection": steps(("readSecret",)),
    "wait to read with what must be renewed": steps(("readCalendar",)),
    # Of runs that wait for an authorization.
    "wait for a connection": steps(("readSecret",)),
    "wait for a page": steps(("buy", {"what": "mug"})),
    # Of runs that were under way.
    "be lost with a key": steps(("holdEntry", {"body": {"amount": 5}})),
    "be lost without a key": steps(("holdNote", {"body": {"text": "sugar"}})),
    "be cancelled under way": steps(("holdNote", {"body": {"text": "gin"}})),
    "wait in the queue": steps(_note("flour")),
}


def planner() -> ScriptedPlanner:
    """Knows these intents, and refuses every other. What a run comes to is the output of its last step."""
    return ScriptedPlanner(_plan)


def _plan(brief: Brief) -> Plan | Refusal:
    if brief.intent not in PLANS:
        return Refusal(Reason.NO_FITTING_TOOL, "no tool fits the intent")
    return PLANS[brief.intent](brief)
