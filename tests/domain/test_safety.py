"""What never happens outside: nothing without approval, behind a cancellation, or twice in silence."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from errands_server.domain import approval
from errands_server.domain import events as e
from errands_server.domain.approval import calls_hash, plan_hash
from errands_server.domain.effects import next_effects
from errands_server.domain.errors import Reason
from errands_server.domain.events import ApprovalKind, Decision, Outcome, RunStatus, Strategy
from errands_server.domain.fold import IllegalMove, advance
from errands_server.domain.policy import BRIEF, KEY_TTL, MAX_ATTEMPTS
from errands_server.domain.run import ApprovalProgress, CallState, Run
from errands_server.domain.tool import Effect, Repeat
from tests.domain.histories import Simulation
from tests.domain.process import RUN_ID
from tests.domain.promise import FAR, before, promise
from tests.domain.scenarios import ORIGIN


@promise
def test_no_call_starts_without_its_approval(history: Simulation) -> None:
    for run, record in before(history, e.CallStarted):
        call = record.event.call
        assert call == run.calls[call.id].call
        if run.strategy is Strategy.ON_TOOL_CALL:
            assert _approved(run, call)
        if run.strategy is Strategy.ON_START:
            assert _plan_approved(run)
            assert call.tool.name not in history.scenario.strays or _approved(run, call)


def _approved(run: Run, call: e.Call) -> bool:
    """Whether a person agreed to exactly this call."""
    return any(
        approved.request.kind is ApprovalKind.CALLS
        and call in approved.request.calls
        and approved.request.hash == calls_hash(approved.request.calls)
        and call.hash == _hash(run, call)
        for approved in _agreed(run)
    )


def _plan_approved(run: Run) -> bool:
    assert run.plan is not None
    agreed = {
        approved.request.hash for approved in _agreed(run) if approved.request.kind is ApprovalKind.PLAN
    }
    return plan_hash(run.plan) in agreed


def _agreed(run: Run) -> list[ApprovalProgress]:
    return [
        one
        for one in run.approvals.values()
        if one.resolution is not None and one.resolution.decision is Decision.APPROVE
    ]


def _hash(run: Run, call: e.Call) -> str:
    return approval.call_hash(
        run_id=RUN_ID,
        call_id=call.id,
        tool=call.tool,
        origin=ORIGIN,
        arguments=call.arguments,
        user_id=run.user_id,
    )


@promise
def test_the_service_receives_no_call_that_a_person_was_to_agree_to_and_did_not(history: Simulation) -> None:
    strategy, strays = history.scenario.strategy, history.scenario.strays
    for receipt in history.receipts:
        if strategy is Strategy.ON_TOOL_CALL:
            assert receipt.agreed
        if strategy is Strategy.ON_START:
            assert receipt.agreed if receipt.request.ref.name in strays else receipt.plan_agreed


@promise
def test_the_service_receives_nothing_that_is_not_stored_as_started_before(history: Simulation) -> None:
    for receipt in history.receipts:
        progress = receipt.stored.calls[receipt.request.idempotency_key]
        assert progress.attempts > 0 or progress.doubt
        assert progress.sent_at > 0


@promise
def test_the_service_receives_nothing_new_behind_a_cancellation(history: Simulation) -> None:
    assert all(receipt.allowed for receipt in history.receipts)


@promise
def test_what_the_service_answered_to_a_call_that_ended_is_what_is_stored_of_it(history: Simulation) -> None:
    """A call that is done had its effect, and one that had it is done, in doubt or asked about."""
    for progress in history.run.calls.values():
        had_effect = history.remote.effects[progress.call.key] > 0
        said_by_a_person = history.retried[progress.call.id] or any(
            a.request.kind is ApprovalKind.IN_DOUBT and progress.call in a.request.calls
            for a in history.run.approvals.values()
        )
        if progress.state is CallState.DONE and not said_by_a_person:
            assert had_effect
        if had_effect and progress.state in {CallState.FAILED, CallState.DENIED}:
            assert progress.doubt or said_by_a_person


@promise
def test_calls_of_different_steps_never_share_an_approval(history: Simulation) -> None:
    for _, record in before(history, e.ApprovalRequested):
        assert {call.step_id for call in record.event.calls} <= {record.event.step_id}
        assert record.event.kind is not ApprovalKind.IN_DOUBT or len(record.event.calls) == 1


@promise
def test_no_call_starts_and_no_approval_opens_behind_a_cancellation(history: Simulation) -> None:
    for run in history.runs():
        if run.cancel is not None:
            assert not run.open_approvals()
            assert not run.authorizations
            for progress in run.calls.values():
                started = e.CallStarted(call=progress.call, epoch=run.epoch, attempt=1)
                with pytest.raises(IllegalMove):
                    advance(run, started, history.now)
    assert not any(run.cancel for run, _ in before(history, e.CallStarted))


@promise
def test_of_two_epochs_only_the_newest_acts(history: Simulation) -> None:
    for run, record in before(history, e.CallStarted):
        assert record.event.epoch == run.epoch
        for other in (run.epoch - 1, run.epoch + 1):
            with pytest.raises(IllegalMove):
                advance(run, replace(record.event, epoch=other), record.at)
    for run, record in before(history, e.Claimed):
        assert record.event.epoch == run.epoch + 1
        with pytest.raises(IllegalMove):
            advance(run, e.Claimed(epoch=run.epoch), record.at)


@promise
def test_a_process_that_has_lost_the_run_to_another_stores_nothing(history: Simulation) -> None:
    assert history.journal.usurped == 0


@promise
def test_calls_of_the_newest_epoch_are_left_alone_until_their_answer_comes(history: Simulation) -> None:
    for run in history.runs():
        in_flight = {key for key, call in run.calls.items() if call.state is CallState.SENT}
        touched = {getattr(effect, "call_id", "") for effect in next_effects(run, FAR)}

        assert not in_flight & touched


@promise
def test_a_side_effect_of_a_tool_that_must_not_repeat_happens_once_unless_a_person_says_so(
    history: Simulation,
) -> None:
    for call_id, progress in history.run.calls.items():
        if progress.call.repeat in {Repeat.NEVER, Repeat.KEYED}:
            assert history.remote.effects[progress.call.key] <= 1 + history.retried[call_id]


@promise
def test_a_call_with_a_key_that_is_done_had_its_effect_exactly_once(history: Simulation) -> None:
    for _, record in before(history, e.CallFinished):
        call = history.run.calls[record.event.call_id].call
        done = record.event.outcome is Outcome.DONE
        if call.repeat is Repeat.KEYED and done and not history.retried[call.id]:
            assert history.remote.effects[call.key] == 1


@promise
def test_an_attempt_in_doubt_is_repeated_only_while_that_is_safe(history: Simulation) -> None:
    lost: dict[str, int] = {}  # by call: when the first of its attempts in doubt was made
    for run, record in zip(history.runs(), history.records, strict=False):
        match record.event:
            case e.ApprovalResolved(decision=Decision.RETRY, approval_id=approval_id):
                lost.pop(run.approvals[approval_id].request.calls[0].id, None)
            case e.CallStarted(call=call) if call.id in lost:
                age = record.at - lost[call.id]
                within = {Repeat.FREELY: FAR, Repeat.KEYED: KEY_TTL, Repeat.BRIEFLY: BRIEF, Repeat.NEVER: 0}
                assert age < within[call.repeat]
            case e.CallStarted(call=call):
                lost[call.id] = record.at
            case e.CallAbandoned(call_id=call_id) | e.CallDelayed(call_id=call_id):
                if not run.calls[call_id].doubt:
                    lost.pop(call_id)
            case e.ApprovalRequested(kind=ApprovalKind.INPUT, calls=(call,)):
                if not run.calls[call.id].doubt:
                    lost.pop(call.id)


@promise
def test_a_call_is_tried_a_bounded_number_of_times_between_crashes_and_decisions(history: Simulation) -> None:
    for run in history.runs():
        assert all(0 <= call.attempts <= MAX_ATTEMPTS for call in run.calls.values())


@promise
def test_a_person_is_asked_about_every_effect_nobody_knows_of(history: Simulation) -> None:
    """Not for reads; and a cancelled or failed run only reports them."""
    unsure = set(history.run.calls)
    for _, record in before(history, e.ApprovalRequested):
        if record.event.kind is ApprovalKind.IN_DOUBT:
            unsure.difference_update(call.id for call in record.event.calls)
    if history.run.status in {RunStatus.CANCELED, RunStatus.FAILED}:
        return
    for call_id in unsure:
        progress = history.run.calls[call_id]
        if progress.call.effect is Effect.WRITE and progress.state is not CallState.DONE:
            refused_for_good = (
                progress.call.repeat is Repeat.KEYED and progress.reason is Reason.SERVICE_REFUSED
            )
            assert not progress.doubt or refused_for_good
