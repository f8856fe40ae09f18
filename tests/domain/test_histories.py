"""What holds of every run, whatever crashes, answers, decisions and delays it met."""

from __future__ import annotations

from itertools import pairwise

import pytest

from errands_server.domain import events as e
from errands_server.domain.effects import next_effects, wake_at
from errands_server.domain.errors import Reason
from errands_server.domain.events import ApprovalKind, Decision, Outcome, Record, RunStatus
from errands_server.domain.fold import IllegalMove, advance, apply, fold
from errands_server.domain.run import ENDED, FINAL, MOVES, CallState
from errands_server.ports import Refusal
from tests.domain.histories import MOST_MOMENTS, Simulation
from tests.domain.promise import FAR, before, promise
from tests.domain.scenarios import Shape

WAITING = {RunStatus.PAUSED, RunStatus.AUTH_REQUIRED}


@promise
def test_the_table_of_moves_is_never_left(history: Simulation) -> None:
    statuses = [RunStatus.QUEUED, *(record.status for record in history.records)]

    assert all(new == old or new in MOVES[old] for old, new in pairwise(statuses))
    assert statuses[1] is RunStatus.QUEUED
    assert statuses[-1] in FINAL


@promise
def test_sequences_are_gapless_and_nothing_else_is_folded(history: Simulation) -> None:
    assert [record.sequence for record in history.records] == list(range(1, len(history.records) + 1))

    for run, record in zip(history.runs(), history.records, strict=False):
        for wrong in (record.sequence - 1, record.sequence + 1):
            with pytest.raises(IllegalMove):
                apply(run, Record(wrong, record.at, record.status, record.event))


@promise
def test_nothing_follows_a_final_status(history: Simulation) -> None:
    ended = history.run

    assert isinstance(history.records[-1].event, e.StatusChanged)
    assert all(record.status not in FINAL for record in history.records[:-1])
    assert next_effects(ended, FAR) == []
    assert wake_at(ended) is None
    assert not ended.open_approvals()
    for record in history.records:
        with pytest.raises(IllegalMove):
            advance(ended, record.event, history.now)


@promise
def test_folding_a_prefix_and_then_the_rest_is_folding_the_whole(history: Simulation) -> None:
    for cut in range(0, len(history.records), 5):
        rest = fold(history.records[cut:], fold(history.records[:cut]))

        assert rest == fold(history.records) == history.run


@promise
def test_every_record_holds_the_status_its_fold_has(history: Simulation) -> None:
    assert [record.status for record in history.records] == [run.status for run in history.runs()[1:]]


@promise
def test_the_status_is_told_whenever_a_commit_has_changed_it(history: Simulation) -> None:
    runs = history.runs()

    assert all(runs[sequence].announced == runs[sequence].status for sequence in history.journal.commits)


@promise
def test_an_encoded_log_decodes_to_equal_events(history: Simulation) -> None:
    events = [record.event for record in history.records]

    assert [e.decode(e.encode(event)) for event in events] == events


@promise
def test_a_run_is_running_exactly_while_something_can_be_done_or_is_being_done(history: Simulation) -> None:
    for run in history.runs():
        if run.epoch == 0 or run.ended:
            continue
        in_flight = any(call.state is CallState.SENT for call in run.calls.values())
        moving = bool(next_effects(run, FAR)) or in_flight or run.cancel is not None

        assert (run.status is RunStatus.RUNNING) == moving


@promise
def test_every_waiting_run_has_somebody_or_something_to_wake_it(history: Simulation) -> None:
    for run in history.runs():
        if run.status is RunStatus.PAUSED:
            assert run.open_approvals()
            assert not run.authorizations  # which would come first
        if run.status is RunStatus.AUTH_REQUIRED:
            assert run.authorizations
        if run.status in WAITING:
            assert wake_at(run) is not None  # nobody is waited for without end
    for now, run in history.looked:
        assert run.ended or run.open_approvals() or run.authorizations or (wake_at(run) or 0) > now


@promise
def test_nothing_is_overdue_once_everything_due_was_handled(history: Simulation) -> None:
    for now, run in history.looked:
        due = wake_at(run)

        assert due is None or due > now
        assert next_effects(run, now) == []


@promise
def test_a_cancelled_run_reports_what_was_done_and_what_is_not_known(history: Simulation) -> None:
    if history.run.cancel is None or history.run.status is not RunStatus.CANCELED:
        return
    last = history.records[-1].event
    assert isinstance(last, e.StatusChanged)
    progress = history.run.calls.values()
    in_doubt = {c.call.id for c in progress if c.doubt or c.state is CallState.SENT}
    settled = {c.call.id for c in progress if c.state in {CallState.DONE, CallState.FAILED, CallState.DENIED}}

    assert set(last.completed) == {c.call.id for c in progress if c.state is CallState.DONE}
    assert set(last.unknown) == in_doubt - settled


@promise
def test_every_run_ends_once_everybody_answers(history: Simulation) -> None:
    assert history.run.ended
    assert not history.stuck
    assert history.moments < MOST_MOMENTS


@promise
def test_the_final_status_says_what_became_of_the_steps(history: Simulation) -> None:
    assert history.run.status is _expected_status(history)


def _expected_status(history: Simulation) -> RunStatus:
    """Contract §2.1, told once more."""
    run = history.run
    outcomes = [step.outcome for step in run.steps.values()]
    if run.error is not None and run.error.reason is Reason.ENGINE_FAILED:
        return RunStatus.FAILED
    if run.cancel is not None or any(
        a.request.kind is ApprovalKind.PLAN and a.resolution and a.resolution.decision is Decision.DENY
        for a in run.approvals.values()
    ):
        return RunStatus.CANCELED
    if isinstance(history.scenario.plan, Refusal):
        none_fits = history.scenario.plan.reason in {Reason.NO_FITTING_TOOL, Reason.ARGUMENT_MISSING}
        return RunStatus.NO_SUCCESS if none_fits else RunStatus.FAILED
    assert None not in outcomes
    if Outcome.DONE not in outcomes:
        return RunStatus.NO_SUCCESS
    if set(outcomes) == {Outcome.DONE}:
        return RunStatus.FAILED if history.scenario.shape is Shape.MISFIT else RunStatus.SUCCESS
    return RunStatus.PARTIAL_SUCCESS


@promise
def test_every_final_status_but_success_has_an_error(history: Simulation) -> None:
    assert (history.run.error is None) == (history.run.status is RunStatus.SUCCESS)


@promise
def test_only_runs_with_success_have_a_result(history: Simulation) -> None:
    run = history.run
    incomplete = run.error is not None and run.error.reason is Reason.OUTPUT_INCOMPLETE

    assert (run.result is not None) == (
        run.status is RunStatus.SUCCESS or (run.status is RunStatus.PARTIAL_SUCCESS and not incomplete)
    )
    if run.error is not None and "does not fit" in run.error.message:
        assert run.error.reason in {Reason.OUTPUT_INCOMPLETE, Reason.OUTPUT_SCHEMA_MISMATCH}


@promise
def test_a_step_starts_when_all_it_depends_on_is_done_and_is_skipped_when_that_cannot_be(
    history: Simulation,
) -> None:
    for run, record in before(history, e.StepStarted):
        needs = run.steps[record.event.step_id].step.depends_on
        assert all(run.steps[step_id].outcome is Outcome.DONE for step_id in needs)
    for run, record in before(history, e.StepFinished):
        step = run.steps[record.event.step_id]
        failed = {run.steps[step_id].outcome for step_id in step.step.depends_on} - {None, Outcome.DONE}
        assert step.outcome is None
        assert step.started != bool(failed)


@promise
def test_a_step_ends_as_its_calls_did(history: Simulation) -> None:
    for run, record in before(history, e.StepFinished):
        states = {call.state for call in run.steps_calls(record.event.step_id)}
        if states:
            assert states <= ENDED
            assert (record.event.outcome is Outcome.DONE) == (states == {CallState.DONE})
            assert (record.event.outcome is Outcome.DENIED) == (CallState.DENIED in states)
