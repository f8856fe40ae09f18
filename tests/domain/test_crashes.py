"""A process may die at any moment: the run goes on and comes to the same end, or a person is asked."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings

from errands_server.domain.events import ApprovalKind
from errands_server.domain.run import CallState
from errands_server.executor.decider import Superseded
from tests.domain.histories import Simulation, scenarios
from tests.domain.promise import steady
from tests.domain.scenarios import KINDS, Answered, Limits, Scenario, scenario, tool

READ, REPEATABLE, KEYED, PUT, DELETE, ONCE = KINDS
SMALL = Limits(steps=3, calls=2, script=2)  # fewer bad answers than attempts, which a crash counts anew


def ending(history: Simulation) -> Any:
    run = history.run
    outcomes = {step_id: step.outcome for step_id, step in run.steps.items()}
    # Its output is that of the step which ended last, and who is asked decides which that is.
    steps = json.loads(run.result.text)["steps"] if run.result else None
    return run.status, outcomes, steps, run.error and run.error.reason


def answers_alike(wanted: Scenario) -> bool:
    """Whether one request more, which a crash costs, meets a service of the same mind."""
    minds = {Answered.DONE, Answered.REFUSED}
    return all(
        len(script) == 1 or (script[-1] is Answered.DONE and minds.isdisjoint(script[:-1]))
        for script in wanted.scripts.values()
    )


def asked_in_doubt(history: Simulation) -> bool:
    return any(a.request.kind is ApprovalKind.IN_DOUBT for a in history.run.approvals.values())


@settings(steady, max_examples=steady.max_examples // 4)
@given(scenarios(SMALL).filter(answers_alike))
def test_a_crash_at_any_moment_ends_as_without_it_or_asks_a_person(wanted: Scenario) -> None:
    undisturbed = Simulation(wanted).play()

    for moment in range(undisturbed.moments):
        crashed = Simulation(wanted).play(crash_at=moment)

        assert crashed.run.ended
        assert asked_in_doubt(crashed) or ending(crashed) == ending(undisturbed)


@pytest.mark.parametrize(
    ("kind", "asks"),
    [(READ, False), (REPEATABLE, False), (KEYED, False), (PUT, False), (DELETE, False), (ONCE, True)],
    ids=["read", "repeatable", "keyed", "put", "delete", "once"],
)
@pytest.mark.parametrize("sent", [False, True])
def test_a_crash_while_a_call_is_in_flight_asks_a_person_only_where_repeating_is_not_safe(
    kind: Any, asks: bool, sent: bool
) -> None:
    wanted = scenario({"s1": ()}, {"s1.0": tool("s1.0", kind)})

    history = Simulation(wanted)
    history.until(lambda run: any(call.state is CallState.SENT for call in run.calls.values()))
    if sent:
        history.happen()  # the service works; its answer is not stored yet
    history.crash()
    history.play()

    assert sum(history.remote.effects.values()) == (
        2 if kind in {REPEATABLE, PUT, READ} and sent else 1 + (asks and sent)
    )
    assert asked_in_doubt(history) == asks


def test_a_process_that_was_overtaken_stores_nothing_more() -> None:
    history = Simulation(scenario({"s1": ()}, {"s1.0": tool("s1.0", ONCE)}))
    history.until(lambda run: run.calls)
    old = history.process
    assert old is not None
    history.crash()
    history.happen()
    history.happen()  # the successor claims the run

    stored = len(history.records)
    old.fail()
    with pytest.raises(Superseded):
        old.advance()
    assert len(history.records) == stored


def test_a_failure_after_a_lost_attempt_is_no_answer_for_both() -> None:
    script = {"s1.0": (Answered.LOST_AFTER, Answered.REFUSED)}
    for kind, asks in ((READ, False), (KEYED, False), (REPEATABLE, True), (PUT, True)):
        history = Simulation(scenario({"s1": ()}, {"s1.0": tool("s1.0", kind)}, scripts=script)).play()

        assert asked_in_doubt(history) == asks
