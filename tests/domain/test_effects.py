"""What is to be done next, and what is not."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from errands_server.domain import events as e
from errands_server.domain.draft import Draft
from errands_server.domain.effects import AskApproval, GiveUp, SendCall, next_effects, wake_at
from errands_server.domain.events import ApprovalKind, Strategy
from errands_server.domain.fold import IllegalMove
from errands_server.domain.policy import KEY_TTL, MAX_ATTEMPTS
from errands_server.domain.run import CallState, Run
from errands_server.domain.tool import Effect, Repeat
from tests.domain.histories import Simulation
from tests.domain.scenarios import KINDS, scenario, tool

READ, _, KEYED, _, _, ONCE = KINDS


def proposed(kind: tuple[Effect, Repeat, str], strategy: Strategy, *, stray: bool = False) -> Simulation:
    """A run whose only call was just proposed."""
    wanted = scenario({"s1": ()}, {"s1.0": tool("s1.0", kind)}, strategy=strategy)
    history = Simulation(replace(wanted, strays=frozenset({"s1.0"} if stray else ())))
    return history.until(lambda run: run.calls)


@pytest.mark.parametrize(
    ("strategy", "stray", "asks"),
    [
        (Strategy.NONE, False, False),
        (Strategy.NONE, True, False),
        (Strategy.ON_START, False, False),
        (Strategy.ON_START, True, True),
        (Strategy.ON_TOOL_CALL, False, True),
        (Strategy.ON_TOOL_CALL, True, True),
    ],
)
def test_a_call_needs_approval_by_strategy_and_where_the_plan_did_not_announce_it(
    strategy: Strategy, stray: bool, asks: bool
) -> None:
    run = proposed(ONCE, strategy, stray=stray).run

    assert any(a.request.kind is ApprovalKind.CALLS for a in run.open_approvals()) == asks
    assert all((call.state is CallState.PROPOSED) == asks for call in run.calls.values())


def lost(history: Simulation, until: int, *, attempts: int = 1) -> Run:
    """The run after so many attempts nobody heard of."""
    draft = Draft(history.run, history.now)
    (progress,) = draft.run.calls.values()
    gone = e.CallLost(call_id=progress.call.id, step_id="s1", until=until, message="gone")
    draft.add(gone)
    for attempt in range(2, attempts + 1):
        draft.add(e.CallStarted(call=progress.call, epoch=draft.run.epoch, attempt=attempt), gone)
    return draft.run


def test_a_lost_call_waits_for_its_moment_and_is_sent_again() -> None:
    history = proposed(KEYED, Strategy.NONE)
    run = lost(history, history.now + 500)
    (call_id,) = run.calls

    assert wake_at(run) == history.now + 500
    assert next_effects(run, history.now + 499) == []
    assert next_effects(run, history.now + 500) == [SendCall(call_id)]


def test_a_lost_call_that_must_not_repeat_is_put_before_a_person() -> None:
    history = proposed(ONCE, Strategy.NONE)
    run = lost(history, history.now)
    (call_id,) = run.calls

    assert next_effects(run, history.now) == [AskApproval(ApprovalKind.IN_DOUBT, "s1", (call_id,))]


def test_the_life_of_a_key_begins_with_the_first_attempt() -> None:
    history = proposed(KEYED, Strategy.NONE)
    draft = Draft(lost(history, history.now), history.now + KEY_TTL - 1)
    (progress,) = draft.run.calls.values()
    draft.add(
        e.CallStarted(call=progress.call, epoch=draft.run.epoch, attempt=2),
        e.CallLost(call_id=progress.call.id, step_id="s1", until=draft.now, message="gone"),
    )

    assert next_effects(draft.run, draft.now) == [SendCall(progress.call.id)]
    (asked,) = next_effects(draft.run, draft.now + 1)
    assert isinstance(asked, AskApproval)


def test_a_read_that_is_lost_too_often_is_given_up() -> None:
    history = proposed(READ, Strategy.NONE)
    run = lost(history, history.now, attempts=MAX_ATTEMPTS)
    (call_id,) = run.calls

    assert next_effects(run, history.now) == [GiveUp(call_id)]


def test_a_call_that_was_not_sent_after_all_is_as_if_it_had_not_started() -> None:
    history = proposed(ONCE, Strategy.NONE)
    draft = Draft(history.run, history.now)
    (before,) = draft.run.calls.values()
    assert before.state is CallState.SENT
    draft.add(e.CallAbandoned(call_id=before.call.id, reason="late"))
    (after,) = draft.run.calls.values()

    assert (after.state, after.attempts, after.sent_at, after.doubt) == (CallState.READY, 0, 0, False)
    assert next_effects(draft.run, history.now) == [SendCall(before.call.id)]


def test_a_run_before_its_first_event_has_nothing_to_do() -> None:
    assert next_effects(Run(), 0) == []
    assert wake_at(Run()) is None


def test_a_status_that_is_not_true_cannot_be_announced() -> None:
    history = proposed(ONCE, Strategy.NONE)

    with pytest.raises(IllegalMove):
        Draft(history.run, history.now).add(e.StatusChanged(status=e.RunStatus.PAUSED))
