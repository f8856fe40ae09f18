"""What callers may ask of a run, in which state, and what they are told."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from errands_server.domain import commands
from errands_server.domain import events as e
from errands_server.domain.draft import Draft
from errands_server.domain.errors import Conflict, Invalid, Reason
from errands_server.domain.events import ApprovalKind, Decision, RunStatus, Strategy
from errands_server.domain.fold import advance
from errands_server.domain.policy import APPROVAL_TTL, AUTHORIZATION_TTL, CANCEL_GRACE
from errands_server.domain.run import CallState, Run
from tests.domain.histories import Simulation
from tests.domain.scenarios import KINDS, Answered, scenario, tool

READ, REPEATABLE, KEYED, PUT, _, ONCE = KINDS
STRATEGY = {ApprovalKind.PLAN: Strategy.ON_START, ApprovalKind.CALLS: Strategy.ON_TOOL_CALL}
KINDS_AND_CHOICES = [(kind, choice) for kind, choices in commands.CHOICES.items() for choice in choices]


def asked(kind: ApprovalKind) -> tuple[Simulation, str]:
    """A run that waits for a decision of this kind, and its approval's id."""
    wanted = scenario(
        {"s1": ()},
        {"s1.0": tool("s1.0", ONCE)},
        strategy=STRATEGY.get(kind, Strategy.NONE),
        scripts={"s1.0": (Answered.ASKS if kind is ApprovalKind.INPUT else Answered.LOST_BEFORE,)},
    )
    history = Simulation(wanted)
    history.until(lambda run: bool(run.open_approvals()))
    approval = history.run.open_approvals()[0]
    assert approval.request.kind is kind
    return history, approval.request.approval_id


def decide(history: Simulation, approval_id: str, decision: Decision, **options: Any) -> list[e.AnyEvent]:
    now = options.pop("now", history.now)
    return commands.decide(history.run, approval_id, decision, actor="ada", now=now, **options)


def store(history: Simulation, events: list[e.AnyEvent]) -> None:
    history.command(lambda draft: events)


def cancel(run: Run, now: int) -> list[e.AnyEvent]:
    return commands.cancel(run, actor="ada", now=now)


@pytest.mark.parametrize(("kind", "choice"), KINDS_AND_CHOICES)
def test_a_decision_that_fits_is_taken(kind: ApprovalKind, choice: Decision) -> None:
    history, approval_id = asked(kind)

    (event,) = decide(history, approval_id, choice, reason="because")

    assert event == e.ApprovalResolved(
        approval_id=approval_id, decision=choice, actor="ada", reason="because"
    )


@pytest.mark.parametrize(("kind", "choice"), KINDS_AND_CHOICES)
def test_the_same_decision_again_changes_nothing_and_another_is_refused(
    kind: ApprovalKind, choice: Decision
) -> None:
    history, approval_id = asked(kind)
    store(history, decide(history, approval_id, choice))

    assert decide(history, approval_id, choice, now=history.now + 2 * APPROVAL_TTL) == []
    for other in set(commands.CHOICES[kind]) - {choice}:
        with pytest.raises(Conflict) as refused:
            decide(history, approval_id, other)
        assert refused.value.reason is Reason.ALREADY_DECIDED


@pytest.mark.parametrize("kind", ApprovalKind)
def test_a_decision_of_another_kind_is_invalid(kind: ApprovalKind) -> None:
    history, approval_id = asked(kind)

    for decision in set(Decision) - set(commands.CHOICES[kind]):
        with pytest.raises(Invalid) as refused:
            decide(history, approval_id, decision)
        assert [violation.field for violation in refused.value.violations] == ["decision"]


@pytest.mark.parametrize(("kind", "choice"), KINDS_AND_CHOICES)
def test_an_approval_expires_at_its_very_millisecond(kind: ApprovalKind, choice: Decision) -> None:
    history, approval_id = asked(kind)
    expires_at = history.run.approvals[approval_id].request.expires_at

    assert decide(history, approval_id, choice, now=expires_at - 1)
    with pytest.raises(Conflict) as refused:
        decide(history, approval_id, choice, now=expires_at)
    assert refused.value.reason is Reason.APPROVAL_EXPIRED


@pytest.mark.parametrize(("kind", "choice"), KINDS_AND_CHOICES)
def test_nothing_is_decided_once_expiry_was_stored(kind: ApprovalKind, choice: Decision) -> None:
    history, approval_id = asked(kind)
    expires_at = history.run.approvals[approval_id].request.expires_at
    store(history, commands.expire(history.run, expires_at))

    with pytest.raises(Conflict) as refused:
        decide(history, approval_id, choice)
    assert refused.value.reason is Reason.APPROVAL_EXPIRED


@pytest.mark.parametrize(("kind", "choice"), KINDS_AND_CHOICES)
def test_a_cancelled_run_has_no_open_approvals(kind: ApprovalKind, choice: Decision) -> None:
    history, approval_id = asked(kind)
    store(history, cancel(history.run, history.now))

    with pytest.raises(Conflict) as refused:
        decide(history, approval_id, choice)
    assert refused.value.reason is Reason.APPROVAL_CLOSED


def test_a_failed_run_has_no_open_approvals() -> None:
    history, approval_id = asked(ApprovalKind.CALLS)
    store(history, commands.fail(Reason.ENGINE_FAILED, "A fault."))

    assert history.run.open_approvals() == []
    with pytest.raises(Conflict) as refused:
        decide(history, approval_id, Decision.APPROVE)
    assert refused.value.reason is Reason.APPROVAL_CLOSED


def test_an_approval_asked_for_behind_a_cancellation_is_closed() -> None:
    history = Simulation(scenario({"s1": ()}, {"s1.0": tool("s1.0", ONCE)})).until(in_flight)
    draft = Draft(history.run, history.now)
    draft.add(*cancel(draft.run, draft.now))
    request = e.ApprovalRequested(
        approval_id="late", kind=ApprovalKind.IN_DOUBT, text="?", hash="h", expires_at=draft.now + 1
    )
    draft.add(request)

    assert draft.run.open_approvals() == []


@pytest.mark.parametrize(
    ("kind", "decision"),
    [
        (ApprovalKind.PLAN, Decision.DENY),
        (ApprovalKind.CALLS, Decision.DENY),
        (ApprovalKind.IN_DOUBT, Decision.FAIL),
    ],
)
def test_expiry_is_a_denial_and_for_a_call_in_doubt_a_failure(kind: ApprovalKind, decision: Decision) -> None:
    history, approval_id = asked(kind)
    expires_at = history.run.approvals[approval_id].request.expires_at

    assert commands.expire(history.run, expires_at - 1) == []
    assert commands.expire(history.run, expires_at) == [
        e.ApprovalResolved(approval_id=approval_id, decision=decision, actor="expiry", expired=True)
    ]


def test_nobody_waits_for_an_authorization_for_ever() -> None:
    history = waiting_for_access(KEYED, (Answered.DONE,))
    (request,) = history.run.authorizations.values()
    assert request.expires_at == history.now + AUTHORIZATION_TTL

    store(history, commands.expire(history.run, request.expires_at))
    history.play()

    assert history.run.status is RunStatus.NO_SUCCESS
    assert history.run.error == e.ErrorRaised(
        reason=Reason.AUTHORIZATION_EXPIRED, message="Step s1 failed: Tool s1.0 was failed."
    )


def waiting_for_access(kind: Any, script: tuple[Answered, ...]) -> Simulation:
    """A run whose only call waits for authorization; where the script has a lost attempt, after it."""
    wanted = scenario({"s1": ()}, {"s1.0": tool("s1.0", kind, secured=True)}, scripts={"s1.0": script})
    history = Simulation(wanted)
    if script[0] is not Answered.DONE:
        history.catalog.credential = "token"
        history.until(lambda run: any(call.doubt for call in run.calls.values()))
        history.catalog.credential = None
    return history.until(lambda run: bool(run.authorizations))


@pytest.mark.parametrize(("kind", "asks"), [(KEYED, False), (REPEATABLE, False), (PUT, True)])
def test_access_granted_late_does_not_make_an_old_attempt_repeatable(kind: Any, asks: bool) -> None:
    history = waiting_for_access(kind, (Answered.LOST_AFTER, Answered.DONE))
    history.now += AUTHORIZATION_TTL - 1
    history.catalog.credential = "token"
    (authorization_id,) = history.run.authorizations
    store(history, [e.AuthResolved(authorization_id=authorization_id, granted=True)])
    history.play()

    asked_about = [a for a in history.run.approvals.values() if a.request.kind is ApprovalKind.IN_DOUBT]
    assert bool(asked_about) == asks


@pytest.mark.parametrize("expired", [False, True])
def test_access_refused_after_a_lost_attempt_asks_what_became_of_it(expired: bool) -> None:
    history = waiting_for_access(KEYED, (Answered.LOST_AFTER, Answered.DONE))
    (authorization_id,) = history.run.authorizations
    refused = e.AuthResolved(authorization_id=authorization_id, granted=False, expired=expired)
    store(history, [refused])
    history.until(lambda run: bool(run.open_approvals()) or run.ended)

    assert [a.request.kind for a in history.run.open_approvals()] == [ApprovalKind.IN_DOUBT]


def test_access_refused_after_a_lost_read_just_fails() -> None:
    history = waiting_for_access(READ, (Answered.LOST_AFTER, Answered.DONE))
    (authorization_id,) = history.run.authorizations
    store(history, [e.AuthResolved(authorization_id=authorization_id, granted=False)])
    history.play()

    assert history.run.error is not None
    assert history.run.error.reason is Reason.AUTHORIZATION_REFUSED
    assert not history.run.approvals


def test_cancelling_a_finished_run_changes_nothing() -> None:
    history = Simulation(scenario({"s1": ()}, {"s1.0": tool("s1.0", READ)})).play()

    with pytest.raises(Conflict) as refused:
        cancel(history.run, history.now)
    assert refused.value.reason is Reason.RUN_FINISHED


def test_cancelling_ends_a_run_at_once_where_nothing_is_in_flight() -> None:
    queued = Simulation(scenario({"s1": ()}, {"s1.0": tool("s1.0", READ)}))
    waiting, _ = asked(ApprovalKind.CALLS)
    for history in (queued, waiting):
        store(history, cancel(history.run, history.now))

        assert history.run.status is RunStatus.CANCELED


def in_flight(run: Run) -> bool:
    return any(call.state is CallState.SENT for call in run.calls.values())


def test_cancelling_leaves_calls_in_flight_their_grace_and_asked_again_changes_nothing() -> None:
    history = Simulation(scenario({"s1": ()}, {"s1.0": tool("s1.0", ONCE)})).until(in_flight)

    events = cancel(history.run, history.now)
    store(history, events)

    assert events == [e.CancelRequested(actor="ada", until=history.now + CANCEL_GRACE)]
    assert history.run.status is RunStatus.RUNNING
    assert cancel(history.run, history.now + 1) == []


def test_a_cancelled_run_reports_calls_in_doubt_that_wait_for_access_as_unknown() -> None:
    history = waiting_for_access(KEYED, (Answered.LOST_AFTER, Answered.DONE))
    (call_id,) = history.run.calls

    *_, last = cancel(history.run, history.now)

    assert last == e.StatusChanged(status=RunStatus.CANCELED, unknown=(call_id,))


def questioned(kind: Any, *script: Answered) -> tuple[Simulation, str]:
    """A run whose only call has asked a question, as the script says, and its approval's id."""
    history = Simulation(scenario({"s1": ()}, {"s1.0": tool("s1.0", kind)}, scripts={"s1.0": script}))
    history.until(lambda run: bool(run.open_approvals()))
    (asked,) = history.run.open_approvals()
    assert asked.request.kind is ApprovalKind.INPUT
    return history, asked.request.approval_id


def test_an_answer_begins_the_attempts_and_the_life_of_the_key_anew() -> None:
    history, approval_id = questioned(KEYED, Answered.BUSY, Answered.BUSY, Answered.ASKS, Answered.DONE)
    (before,) = history.run.calls.values()
    history.now += APPROVAL_TTL - 1
    values = {"colour": "red"}
    store(
        history,
        commands.decide(
            history.run, approval_id, Decision.APPROVE, actor="ada", now=history.now, values=values
        ),
    )
    (after,) = history.run.calls.values()

    assert (before.state, before.attempts) == (CallState.ASKED, 3)
    assert (after.state, after.attempts, after.sent_at) == (CallState.READY, 0, 0)
    assert [dict(given.values) for given in after.inputs] == [values]
    assert history.play().run.status is RunStatus.SUCCESS


@pytest.mark.parametrize("decide_it", [True, False], ids=["denied", "expired"])
def test_a_question_nobody_answers_after_a_lost_attempt_asks_what_became_of_it(decide_it: bool) -> None:
    history, approval_id = questioned(KEYED, Answered.LOST_AFTER, Answered.ASKS)
    expires_at = history.run.approvals[approval_id].request.expires_at
    denied = decide(history, approval_id, Decision.DENY)
    store(history, denied if decide_it else commands.expire(history.run, expires_at))
    history.until(lambda run: bool(run.open_approvals()) or run.ended)

    assert [a.request.kind for a in history.run.open_approvals()] == [ApprovalKind.IN_DOUBT]


def test_a_service_that_is_at_it_until_the_last_attempt_leaves_the_effect_for_a_person_to_settle() -> None:
    script = {"s1.0": (Answered.LOST_AFTER, Answered.IN_PROGRESS)}
    history = Simulation(scenario({"s1": ()}, {"s1.0": tool("s1.0", KEYED)}, scripts=script))
    history.until(lambda run: bool(run.open_approvals()) or run.ended)

    assert [a.request.kind for a in history.run.open_approvals()] == [ApprovalKind.IN_DOUBT]


def test_what_a_service_wants_back_behind_a_page_is_kept_with_the_grant() -> None:
    history = waiting_for_access(KEYED, (Answered.DONE,))
    (authorization_id, request), *_ = history.run.authorizations.items()
    stated = replace(history.run, authorizations={authorization_id: replace(request, resume="halfway")})
    granted = advance(stated, e.AuthResolved(authorization_id=authorization_id, granted=True), history.now)

    assert [call.resume for call in granted.calls.values()] == ["halfway"]


def test_what_a_service_wants_back_with_an_answer_is_kept_with_it() -> None:
    history, approval_id = questioned(KEYED, Answered.ASKS)
    asked = history.run.approvals[approval_id]
    stating = replace(asked, request=replace(asked.request, resume="halfway"))
    stated = replace(history.run, approvals={approval_id: stating})
    answer = e.ApprovalResolved(approval_id=approval_id, decision=Decision.APPROVE, actor="ada", input={})

    assert [call.resume for call in advance(stated, answer, history.now).calls.values()] == ["halfway"]


def test_nobody_is_asked_a_question_behind_a_cancellation() -> None:
    scripts = {"s1.0": (Answered.ASKS,)}
    history = Simulation(scenario({"s1": ()}, {"s1.0": tool("s1.0", ONCE)}, scripts=scripts))
    history.until(lambda run: any(call.state is CallState.SENT for call in run.calls.values()))
    history.command(lambda draft: cancel(draft.run, draft.now))
    history.play()

    assert not history.run.approvals
    assert history.run.status is RunStatus.CANCELED
