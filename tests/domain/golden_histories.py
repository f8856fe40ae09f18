"""The histories that golden logs tell, each played by the simulation and named for what is special in it.

A history is only played while its log is missing. For an event, field or value that no log has yet,
add a history; what an earlier one does may change, its log stays.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from msgspec.structs import replace

from errands_server.domain import commands
from errands_server.domain.approval import digest
from errands_server.domain.errors import Reason
from errands_server.domain.events import Decision, Noted, Strategy
from errands_server.domain.plan import ContextBinding, Plan, PlannedCall, Slot, Step
from errands_server.domain.policy import APPROVAL_TTL, AUTHORIZATION_TTL, SECOND
from errands_server.domain.question import Question
from errands_server.domain.run import CallState, Run
from errands_server.domain.tool import ToolRef
from errands_server.executor.documents import INLINE
from errands_server.executor.work import DISPATCH_WINDOW
from errands_server.ports import AuthorizationRequired, CallSucceeded, InputRequired, Refusal

from .histories import Simulation
from .scenarios import KINDS, OPEN, Answered, Scenario, Shape, scenario, tool

READ, _, KEYED, PUT, _, ONCE = KINDS
TWO: Final = {"s1.0": tool("s1.0", READ), "s2.0": tool("s2.0", KEYED)}
ONE: Final = {"s1.0": tool("s1.0", ONCE)}
CHAIN: Final = {"s1": (), "s2": ("s1",)}
SINGLE: Final = {"s1": ()}
TRACEPARENT: Final = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

_MESSAGE: Final = "Which seat?"
_FORM: Final = {
    "type": "object",
    "properties": {"seat": {"type": "string", "enum": ["window", "aisle"]}},
    "required": ["seat"],
}
QUESTION: Final = InputRequired(
    question=Question(message=_MESSAGE, schema=_FORM, digest=digest([_MESSAGE, _FORM, ["seat"]])),
    message="Nobody chose a seat.",
    resume='{"booking":"b1"}',
)


def _play(wanted: Scenario) -> Simulation:
    return Simulation(wanted).play()


def _partial_success() -> Simulation:
    steps = {**CHAIN, "s3": ("s2",)}
    tools = {**TWO, "s3.0": tool("s3.0", READ)}
    scripts = {"s1.0": (Answered.BUSY, Answered.DONE), "s2.0": (Answered.REFUSED,)}
    return _play(scenario(steps, tools, scripts=scripts))


def _on_tool_call_denied() -> Simulation:
    tools = {"s1.0": tool("s1.0", ONCE), "s1.1": tool("s1.1", READ), "s2.0": tool("s2.0", READ)}
    history = Simulation(scenario({"s1": (), "s2": ()}, tools, strategy=Strategy.ON_TOOL_CALL))
    history.until(lambda run: len(run.open_approvals()) == 2)
    history.decide(history.run.open_approvals()[0], Decision.DENY)
    return history.play()


def _cancelled_in_flight() -> Simulation:
    history = Simulation(scenario({"s1": (), "s2": ()}, TWO))
    history.until(lambda run: run.calls)
    history.command(lambda draft: commands.cancel(draft.run, actor="key", now=draft.now))
    return history.play()


def _slots_context_and_artifacts() -> Simulation:
    """A person approves a plan whose second step reads an output too large for the log."""
    found = json.dumps({"customers": [{"id": f"c{number}"} for number in range(INLINE // 12)]})
    bill = PlannedCall(
        tool=ToolRef(OPEN, 1, "s2.0"),
        arguments={"name": "s2.0", "body": {"lines": [{"amount": 12}]}},
        slots=(Slot(target=("body", "customer"), step="s1", source=("customers", 0, "id")),),
        context=(ContextBinding(target=("body", "lines", 0, "amount"), key="amount"),),
    )
    find = PlannedCall(tool=ToolRef(OPEN, 1, "s1.0"), arguments={"name": "s1.0", "body": {}})
    steps = (
        Step(id="s1", description="Find the customers", calls=(find,)),
        Step(id="s2", description="Bill the first of them", depends_on=("s1",), calls=(bill,)),
    )
    plan = Plan(title="Bill", description="Bill the first customer.", steps=steps)
    scripts = {"s1.0": (CallSucceeded(output=found.encode(), status=200),)}
    return _play(Scenario(plan=plan, strategy=Strategy.ON_START, tools=TWO, scripts=scripts))


def _question_answered() -> Simulation:
    history = Simulation(scenario(SINGLE, ONE, scripts={"s1.0": (QUESTION, Answered.DONE)}))
    history.until(Run.open_approvals)
    history.decide(history.run.open_approvals()[0], Decision.APPROVE, values={"seat": "aisle"})
    return history.play()


def _question_denied() -> Simulation:
    history = Simulation(scenario(SINGLE, ONE, scripts={"s1.0": (QUESTION,)}))
    history.until(Run.open_approvals)
    history.decide(history.run.open_approvals()[0], Decision.DENY, reason="We take the train.")
    return history.play()


def _page_of_the_service() -> Simulation:
    """The service sends the user to a page of its own, and then wants more access than was given."""
    page = AuthorizationRequired(
        message="the tool wants the user to open https://shop.example/terms: accept the terms",
        url="https://shop.example/terms",
        resume='{"terms":"t1"}',
    )
    scopes = AuthorizationRequired(
        message="the service wants another scope", scopes=("orders:write",), lasting=True
    )
    wanted = scenario(
        SINGLE,
        {"s1.0": tool("s1.0", KEYED, secured=True)},
        scripts={"s1.0": (page, scopes, Answered.DONE)},
    )
    return _play(wanted)


def _authorization_expired() -> Simulation:
    history = Simulation(scenario(SINGLE, {"s1.0": tool("s1.0", KEYED, secured=True)}))
    history.until(lambda run: run.authorizations)
    history.wait(AUTHORIZATION_TTL)
    return history.play()


def _approval_expired() -> Simulation:
    history = Simulation(scenario(SINGLE, ONE, strategy=Strategy.ON_TOOL_CALL))
    history.until(Run.open_approvals)
    history.wait(APPROVAL_TTL)
    return history.play()


def _call_abandoned() -> Simulation:
    """An approved call waits for its place, and then for a commit that takes too long."""
    history = Simulation(scenario(SINGLE, ONE, strategy=Strategy.ON_TOOL_CALL))
    history.until(Run.open_approvals)
    history.decide(history.run.open_approvals()[0], Decision.APPROVE)
    text = "Tool s1.0 (shop) waits: no more than 1 at a time are allowed."
    history.command(lambda _: [Noted(text=text, step_id="s1")])
    history.until(lambda run: any(call.state is CallState.SENT for call in run.calls.values()))
    history.wait(int(DISPATCH_WINDOW * SECOND) + 1)
    return history.play()


def _repeated_with_another_plan() -> Simulation:
    """It repeats a run whose plan no longer fits, and acts with the shared account of one service."""
    tools = {"s1.0": tool("s1.0", READ), "s2.0": tool("s2.0", KEYED, secured=True)}
    wanted = scenario(CHAIN, tools)
    history = Simulation(replace(wanted, repeat_of="earlier", traceparent=TRACEPARENT, passed=(OPEN,)))
    history.catalog.credential = "token"
    history.until(lambda run: run.epoch)
    text = "The plan of run earlier was not reused: the context has no 'amount'."
    history.command(lambda _: [Noted(text=text)])
    return history.play()


def _in_doubt(answered: Answered, said: Decision) -> Simulation:
    """Every attempt is lost, and a person says what became of the call."""
    tools = {"s1.0": tool("s1.0", PUT), "s2.0": tool("s2.0", READ)}
    return _play(replace(scenario(CHAIN, tools, scripts={"s1.0": (answered,)}), doubts=said))


def _unfit_result() -> Simulation:
    return _play(replace(scenario(SINGLE, ONE), shape=Shape.MISFIT))


HISTORIES: Final[Mapping[str, Callable[[], Simulation]]] = {
    "success": partial(_play, scenario(CHAIN, TWO)),
    "on_start_approved": partial(_play, scenario(CHAIN, TWO, strategy=Strategy.ON_START)),
    "in_doubt_retried": partial(
        _play, scenario(SINGLE, ONE, scripts={"s1.0": (Answered.LOST_BEFORE, Answered.DONE)})
    ),
    "partial_success": _partial_success,
    "refused_plan": partial(_play, Scenario(plan=Refusal(Reason.NO_FITTING_TOOL, "No tool sings."))),
    "on_tool_call_denied": _on_tool_call_denied,
    "cancelled_in_flight": _cancelled_in_flight,
    "resumed_after_crash": lambda: Simulation(scenario(CHAIN, TWO)).play(crash_at=7),
    "authorized": partial(_play, scenario(SINGLE, {"s1.0": tool("s1.0", KEYED, secured=True)})),
    "slots_context_and_artifacts": _slots_context_and_artifacts,
    "question_answered": _question_answered,
    "question_denied": _question_denied,
    "page_of_the_service": _page_of_the_service,
    "authorization_expired": _authorization_expired,
    "approval_expired": _approval_expired,
    "call_abandoned": _call_abandoned,
    "repeated_with_another_plan": _repeated_with_another_plan,
    "in_doubt_said_done": partial(_in_doubt, Answered.LOST_AFTER, Decision.DONE),
    "in_doubt_said_failed": partial(_in_doubt, Answered.LOST_BEFORE, Decision.FAIL),
    "unfit_result": _unfit_result,
}
