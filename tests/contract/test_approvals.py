"""Approvals: what each covers, who decides, and what a decision does once and for ever."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from grpc import StatusCode, aio

from errands.v1 import approval_pb2 as pb
from errands.v1 import event_pb2, key_pb2, run_pb2
from errands_server.domain.plan import Plan, Slot
from errands_server.ports import Brief
from tests.contract.conftest import Clock, Serve
from tests.contract.plans import LOST, READ, WRITE, chain, step, steps
from tests.contract.refusals import refused
from tests.contract.target import Target
from tests.service import PATIENCE, Service, info, reason, violations

pytestmark = pytest.mark.execution

ON_START, ON_TOOL_CALL = 2, 3
APPROVE, DENY = pb.DECISION_APPROVE, pb.DECISION_DENY
DAY = 24 * 3_600_000
TWO_CALLS = ("writeThing", {"body": {"n": 1}}, {"body": {"n": 2}})


async def pending(service: Service, run_id: str, count: int) -> list[pb.Approval]:
    """The approvals a run waits for, once there are so many."""
    after = 0
    async with asyncio.timeout(PATIENCE):
        while True:
            run = await service.get(run_id)
            if len(run.pending_approvals) >= count:
                return list(run.pending_approvals)
            after = (await service.until(run_id, "approval_required", after)).sequence


async def shown(service: Service, approval_id: str) -> pb.Approval:
    listed = await service.approvals.ListApprovals(pb.ListApprovalsRequest())
    return next(one for one in listed.approvals if one.approval_id == approval_id)


def deciding(service: Service, approval_id: str, decision: int = APPROVE, **fields: Any) -> Any:
    return service.approvals.DecideApproval(
        pb.DecideApprovalRequest(approval_id=approval_id, decision=decision, **fields)
    )


def batch(service: Service, *approval_ids: str, decision: int = APPROVE) -> Any:
    return service.approvals.BatchDecideApprovals(
        pb.BatchDecideApprovalsRequest(
            decisions=[pb.DecideApprovalRequest(approval_id=one, decision=decision) for one in approval_ids]
        )
    )


async def test_a_plan_is_approved_once_for_all_its_calls(serve: Serve, target: Target) -> None:
    async with serve(chain(WRITE, READ)) as service:
        created = await service.create("do", approval_strategy=ON_START)
        asked = (await pending(service, created.run_id, 1))[0]
        assert not target.received
        decided = await service.decide(asked.approval_id, APPROVE, reason="fine")
        run = await service.finished(created.run_id)

        assert (asked.kind, asked.step_id) == (pb.APPROVAL_KIND_PLAN, "")
        assert [(call.tool, call.call_id) for call in asked.calls] == [("writeThing", ""), ("readThings", "")]
        assert json.loads(asked.calls[0].arguments_json) == WRITE[1]
        assert list(asked.choices) == [APPROVE, DENY]
        assert (decided.status, decided.decision, decided.reason) == (
            pb.APPROVAL_STATUS_DECIDED,
            APPROVE,
            "fine",
        )
        assert decided.actor == "key:process"
        assert run.status == event_pb2.RUN_STATUS_SUCCESS
        assert len(target.received) == 2


async def test_a_denied_plan_cancels_the_run(serve: Serve, target: Target) -> None:
    async with serve(steps(WRITE)) as service:
        created = await service.create("do", approval_strategy=ON_START)
        await service.decide((await pending(service, created.run_id, 1))[0].approval_id, DENY)
        run = await service.finished(created.run_id)

        assert (run.status, run.error.reason) == (event_pb2.RUN_STATUS_CANCELED, "APPROVAL_DENIED")
        assert not target.received


async def test_calls_of_one_step_share_an_approval_and_those_of_two_steps_never_do(
    serve: Serve, target: Target
) -> None:
    async with serve(steps(TWO_CALLS, WRITE)) as service:
        created = await service.create("do", approval_strategy=ON_TOOL_CALL)
        both, one = await pending(service, created.run_id, 2)
        await service.decide(both.approval_id, APPROVE)
        await service.until(created.run_id, "step_completed")

        assert [len(both.calls), len(one.calls)] == [2, 1]
        assert (both.step_id, one.step_id) == ("s1", "s2")
        assert both.hash != one.hash
        assert target.bodies() in ([{"n": 1}, {"n": 2}], [{"n": 2}, {"n": 1}])


async def test_a_denied_call_denies_its_step_and_the_run_goes_on(serve: Serve, target: Target) -> None:
    async with serve(steps(TWO_CALLS, READ)) as service:
        created = await service.create("do", approval_strategy=ON_TOOL_CALL)
        writes, read = await pending(service, created.run_id, 2)
        await service.decide(writes.approval_id, DENY)
        await service.decide(read.approval_id, APPROVE)
        run = await service.finished(created.run_id)

        assert run.status == event_pb2.RUN_STATUS_PARTIAL_SUCCESS
        assert {step.step_id: step.outcome for step in run.steps_finished} == {
            "s1": event_pb2.OUTCOME_DENIED,
            "s2": event_pb2.OUTCOME_DONE,
        }
        assert not target.bodies()


async def test_a_run_whose_every_call_is_denied_has_no_success(serve: Serve) -> None:
    async with serve(steps(WRITE)) as service:
        created = await service.create("do", approval_strategy=ON_TOOL_CALL)
        await service.decide((await pending(service, created.run_id, 1))[0].approval_id, DENY)
        run = await service.finished(created.run_id)

        assert (run.status, run.error.reason) == (event_pb2.RUN_STATUS_NO_SUCCESS, "APPROVAL_DENIED")


async def test_what_is_shown_is_exactly_what_is_sent(serve: Serve, target: Target) -> None:
    given = {"ünï": "\U0001f600", "big": 2**60, "deep": [{"a": [1.5, None, True]}], "empty": ""}

    def make(brief: Brief) -> Plan:
        slot = Slot(target=("body", "of"), step="s1", source=("id",))
        first = step(brief, 1, "writeThing", {"body": given})
        second = step(brief, 2, "writeThing", {"body": {}}, after=[1], slots=[slot])
        return Plan(description="d", steps=(first, second))

    async with serve(make) as service:
        created = await service.create("do", approval_strategy=ON_TOOL_CALL)
        arguments = []
        for _ in range(2):
            asked = (await pending(service, created.run_id, 1))[0]
            arguments.append(json.loads(asked.calls[0].arguments_json)["body"])
            await service.decide(asked.approval_id, APPROVE)
            await service.until(created.run_id, "step_completed", after=0)
            if len(arguments) == 1:
                await _next_approval(service, created.run_id, asked.approval_id)
        await service.finished(created.run_id)

        assert arguments == target.bodies()
        assert arguments[0] == given
        assert arguments[1] == {"of": "t1"}


async def _next_approval(service: Service, run_id: str, before: str) -> None:
    first = await service.until(run_id, "approval_required")
    assert first.approval_required.approval_id == before
    await service.until(run_id, "approval_required", first.sequence)


async def test_the_same_decision_again_changes_nothing_and_the_opposite_is_refused(serve: Serve) -> None:
    async with serve(steps(WRITE)) as service:
        created = await service.create("do", approval_strategy=ON_TOOL_CALL)
        asked = (await pending(service, created.run_id, 1))[0]
        first = await service.decide(asked.approval_id, APPROVE)
        run = await service.finished(created.run_id)
        again = await service.decide(asked.approval_id, APPROVE, reason="another")
        error = await refused(deciding(service, asked.approval_id, DENY))

        assert again == first
        assert (reason(error), error.code()) == ("ALREADY_DECIDED", StatusCode.FAILED_PRECONDITION)
        assert (await service.get(created.run_id)) == run


async def test_of_many_decisions_at_once_one_is_taken(serve: Serve, target: Target) -> None:
    async with serve(steps(WRITE)) as service:
        created = await service.create("do", approval_strategy=ON_TOOL_CALL)
        asked = (await pending(service, created.run_id, 1))[0]
        answers = await asyncio.gather(
            *(deciding(service, asked.approval_id, APPROVE if n % 2 else DENY) for n in range(20)),
            return_exceptions=True,
        )
        run = await service.finished(created.run_id)
        taken = {one.approval.decision for one in answers if not isinstance(one, BaseException)}
        errors = [one for one in answers if isinstance(one, aio.AioRpcError)]
        events = await service.events(created.run_id)

        assert len(taken) == 1
        assert {reason(error) for error in errors} == {"ALREADY_DECIDED"}
        assert len(errors) == 10
        assert [event.WhichOneof("event") for event in events].count("approval_resolved") == 1
        assert len(target.bodies()) == (1 if taken == {APPROVE} else 0)
        assert run.status in {event_pb2.RUN_STATUS_SUCCESS, event_pb2.RUN_STATUS_NO_SUCCESS}


async def test_an_approval_past_its_time_is_refused(serve: Serve, clock: Clock, target: Target) -> None:
    async with serve(steps(WRITE)) as service:
        created = await service.create("do", approval_strategy=ON_TOOL_CALL)
        asked = (await pending(service, created.run_id, 1))[0]
        clock.moved += DAY - 60_000
        in_time = asked.expires_at.ToMilliseconds() > clock.now()
        clock.moved += 60_001
        error = await refused(deciding(service, asked.approval_id))

        assert in_time
        assert reason(error) == "APPROVAL_EXPIRED"
        assert not target.received


@pytest.mark.parametrize("strategy", [ON_START, ON_TOOL_CALL])
async def test_expiry_is_a_denial(serve: Serve, clock: Clock, strategy: int) -> None:
    async with serve(steps(WRITE)) as service:
        created = await service.create("do", approval_strategy=strategy)
        asked = (await pending(service, created.run_id, 1))[0]
    clock.moved += DAY + 1
    async with serve(steps(WRITE), fresh=False) as service:
        run = await service.finished(created.run_id)
        decided = await shown(service, asked.approval_id)
        error = await refused(deciding(service, asked.approval_id, DENY))

        assert run.error.reason == "APPROVAL_DENIED"
        assert (decided.status, decided.decision, decided.actor) == (
            pb.APPROVAL_STATUS_EXPIRED,
            DENY,
            "expiry",
        )
        assert reason(error) == "APPROVAL_EXPIRED"


async def test_a_decision_that_does_not_fit_is_refused(serve: Serve) -> None:
    async with serve(steps(WRITE)) as service:
        created = await service.create("do", approval_strategy=ON_TOOL_CALL)
        asked = (await pending(service, created.run_id, 1))[0]
        error = await refused(deciding(service, asked.approval_id, pb.DECISION_RETRY))
        many = await refused(batch(service, asked.approval_id, decision=pb.DECISION_FAIL))

        assert set(violations(error)) == {"decision"}
        assert set(violations(many)) == {"decisions[0].decision"}


async def doubted(service: Service) -> tuple[str, pb.Approval]:
    """A run that asks about a call nobody knows the outcome of."""
    created = await service.create("do")
    return created.run_id, (await pending(service, created.run_id, 1))[0]


@pytest.mark.parametrize(
    ("decision", "fields", "status", "sent"),
    [
        (pb.DECISION_FAIL, {}, event_pb2.RUN_STATUS_NO_SUCCESS, 1),
        (pb.DECISION_DONE, {"output_json": '{"id": "by hand"}'}, event_pb2.RUN_STATUS_SUCCESS, 1),
    ],
)
async def test_a_call_in_doubt_is_decided_by_a_person(
    serve: Serve, target: Target, decision: int, fields: dict[str, str], status: int, sent: int
) -> None:
    async with serve(steps(LOST)) as service:
        run_id, asked = await doubted(service)
        await service.decide(asked.approval_id, decision, **fields)
        run = await service.finished(run_id)

        assert asked.kind == pb.APPROVAL_KIND_IN_DOUBT
        assert list(asked.choices) == [pb.DECISION_RETRY, pb.DECISION_DONE, pb.DECISION_FAIL]
        assert not asked.actions
        assert run.status == status
        assert len(target.bodies()) == sent
        if status == event_pb2.RUN_STATUS_SUCCESS:
            assert json.loads(run.result_json)["output"] == {"id": "by hand"}
        else:
            assert run.error.reason == "OUTCOME_UNKNOWN"


async def test_a_retried_call_is_sent_again_and_asked_about_again(serve: Serve, target: Target) -> None:
    async with serve(steps(LOST)) as service:
        run_id, asked = await doubted(service)
        first = await service.until(run_id, "approval_required")
        await service.decide(asked.approval_id, pb.DECISION_RETRY)
        second = await service.until(run_id, "approval_required", first.sequence)

        assert second.approval_required.approval_id != asked.approval_id
        assert len(target.bodies()) == 2
        assert (await service.get(run_id)).status == event_pb2.RUN_STATUS_PAUSED


async def test_a_batch_decides_all_or_none(serve: Serve, target: Target) -> None:
    async with serve(steps(WRITE, READ, WRITE)) as service:
        created = await service.create("do", approval_strategy=ON_TOOL_CALL)
        other = await service.create("do", approval_strategy=ON_TOOL_CALL)
        first, second, third = await pending(service, created.run_id, 3)
        elsewhere = (await pending(service, other.run_id, 3))[0]
        stranger = await service.stranger()
        await service.decide(third.approval_id, DENY)
        ids = [first.approval_id, second.approval_id, elsewhere.approval_id]
        for last, expected in (
            (third.approval_id, "ALREADY_DECIDED"),
            ("00000000-0000-7000-8000-000000000000", "APPROVAL_NOT_FOUND"),
            ("nonsense", "APPROVAL_NOT_FOUND"),
            (ids[0], "FIELD_INVALID"),
        ):
            error = await refused(batch(service, *ids, last))

            assert reason(error) == expected
        assert reason(await refused(batch(stranger, *ids))) == "APPROVAL_NOT_FOUND"
        assert len((await service.get(created.run_id)).pending_approvals) == 2
        assert len((await service.get(other.run_id)).pending_approvals) == 3
        assert not target.received
        answer = await batch(service, *ids)

        assert [one.approval_id for one in answer.approvals] == ids
        assert {one.status for one in answer.approvals} == {pb.APPROVAL_STATUS_DECIDED}
        assert (await service.finished(created.run_id)).status == event_pb2.RUN_STATUS_PARTIAL_SUCCESS


async def test_a_call_in_doubt_is_never_decided_in_a_batch(serve: Serve) -> None:
    async with serve(steps(LOST)) as service:
        run_id, asked = await doubted(service)
        error = await refused(batch(service, asked.approval_id, decision=pb.DECISION_FAIL))

        assert set(violations(error)) == {"decisions[0].approval_id"}
        assert (await service.get(run_id)).pending_approvals


async def test_the_inbox_is_filtered_and_paged(serve: Serve) -> None:
    async with serve(steps(WRITE, WRITE, WRITE)) as service:
        created = await service.create("do", approval_strategy=ON_TOOL_CALL)
        other = await service.create("do", approval_strategy=ON_TOOL_CALL)
        mine = await pending(service, created.run_id, 3)
        theirs = await pending(service, other.run_id, 3)
        await service.decide(mine[0].approval_id, APPROVE)
        seen: list[str] = []
        token = ""
        while True:
            page = await service.approvals.ListApprovals(
                pb.ListApprovalsRequest(status=pb.APPROVAL_STATUS_PENDING, page_size=2, page_token=token)
            )
            seen += [one.approval_id for one in page.approvals]
            token = page.next_page_token
            if not token:
                break
        of_run = await service.approvals.ListApprovals(pb.ListApprovalsRequest(run_id=created.run_id))

        assert sorted(seen) == sorted(one.approval_id for one in (*mine[1:], *theirs))
        assert len(seen) == len(set(seen))
        assert {one.approval_id for one in of_run.approvals} == {one.approval_id for one in mine}
        assert {one.user_id for one in of_run.approvals} == {"user-1"}


def token(approval: pb.Approval, decision: int) -> str:
    return next(one.url for one in approval.actions if one.action == decision).partition("?token=")[2]


def by_token(service: Service, text: str, decision: int = 0) -> Any:
    return service.approvals.DecideByToken(
        pb.DecideByTokenRequest(token=text, decision=decision), metadata=()
    )


async def test_a_link_is_shown_without_deciding_and_decides_without_a_key(
    serve: Serve, target: Target
) -> None:
    async with serve(steps(WRITE), public_url="https://errands.example/base/") as service:
        created = await service.create("do", approval_strategy=ON_TOOL_CALL)
        asked = (await pending(service, created.run_id, 1))[0]
        approving, denying = token(asked, APPROVE), token(asked, DENY)
        for text, meant, allowed in (
            (approving, APPROVE, [APPROVE, DENY]),
            (denying, DENY, [DENY]),
        ):
            seen = await service.approvals.GetApprovalByToken(
                pb.GetApprovalByTokenRequest(token=text), metadata=()
            )

            assert (seen.action, list(seen.allowed)) == (meant, allowed)
            assert seen.approval.approval_id == asked.approval_id
            assert seen.approval.status == pb.APPROVAL_STATUS_PENDING
            assert not seen.approval.actions
        assert not target.received
        decided = (await by_token(service, approving)).approval
        run = await service.finished(created.run_id)

        assert (decided.decision, decided.actor) == (APPROVE, "link")
        assert run.status == event_pb2.RUN_STATUS_SUCCESS
        assert asked.actions[0].url.startswith("https://errands.example/base/v1/runs/approval?token=")
        assert (await by_token(service, approving)).approval == decided
        assert reason(await refused(by_token(service, denying))) == "ALREADY_DECIDED"


async def test_an_approving_link_may_deny_and_a_denying_one_may_not_approve(serve: Serve) -> None:
    async with serve(steps(WRITE)) as service:
        created = await service.create("do", approval_strategy=ON_TOOL_CALL)
        asked = (await pending(service, created.run_id, 1))[0]
        error = await refused(by_token(service, token(asked, DENY), APPROVE))
        doubt = await refused(by_token(service, token(asked, APPROVE), pb.DECISION_RETRY))
        denied = (await by_token(service, token(asked, APPROVE), DENY)).approval

        assert (error.code(), info(error).reason) == (StatusCode.PERMISSION_DENIED, "SCOPE_MISSING")
        assert doubt.code() is StatusCode.PERMISSION_DENIED
        assert denied.decision == DENY


async def test_no_changed_token_is_taken(serve: Serve) -> None:
    async with serve(steps(WRITE, READ)) as service:
        created = await service.create("do", approval_strategy=ON_TOOL_CALL)
        asked, other = await pending(service, created.run_id, 2)
        good, another = token(asked, APPROVE), token(other, APPROVE)
        head = 43  # characters that hold the code alone
        changed = [
            good[:at] + ("A" if good[at] != "A" else "B") + good[at + 1 :] for at in range(len(good) - 1)
        ]
        for text in [
            *changed[:: len(changed) // 40],
            "",
            "A",
            good[: len(good) // 2],
            good[:-4],
            good + "AAAA",
            another[:head] + good[head:],
            "A" * 200,
        ]:
            error = await refused(by_token(service, text))

            assert (reason(error), error.code()) == ("TOKEN_INVALID", StatusCode.INVALID_ARGUMENT), text
        assert len((await service.get(created.run_id)).pending_approvals) == 2


async def test_a_token_of_a_server_with_another_secret_is_not_taken(serve: Serve, tmp_path: Any) -> None:
    async with serve(steps(WRITE)) as service:
        created = await service.create("do", approval_strategy=ON_TOOL_CALL)
        text = token((await pending(service, created.run_id, 1))[0], APPROVE)
    (tmp_path / "data" / "secret.key").unlink()
    async with serve(steps(WRITE), fresh=False, forget_secrets=True) as service:
        assert reason(await refused(by_token(service, text))) == "TOKEN_INVALID"


async def test_a_link_dies_with_its_run_and_with_its_time(serve: Serve, clock: Clock) -> None:
    async with serve(steps(WRITE)) as service:
        late = await service.create("do", approval_strategy=ON_TOOL_CALL)
        stopped = await service.create("do", approval_strategy=ON_TOOL_CALL)
        first = token((await pending(service, late.run_id, 1))[0], APPROVE)
        second = token((await pending(service, stopped.run_id, 1))[0], APPROVE)
        await service.runs.CancelRun(run_pb2.CancelRunRequest(run_id=stopped.run_id))
        closed = await refused(by_token(service, second))
        clock.moved += DAY
        expired = await refused(by_token(service, first))

        assert (reason(closed), reason(expired)) == ("APPROVAL_CLOSED", "APPROVAL_EXPIRED")


async def shown_by_token(service: Service, text: str, metadata: Any = ()) -> pb.GetApprovalByTokenResponse:
    request = pb.GetApprovalByTokenRequest(token=text)
    answer: pb.GetApprovalByTokenResponse = await service.approvals.GetApprovalByToken(
        request, metadata=metadata
    )
    return answer


def by_token_and_key(service: Service, text: str) -> Any:
    return service.approvals.DecideByToken(pb.DecideByTokenRequest(token=text))


async def test_a_key_beside_a_link_is_the_one_who_decides(serve: Serve) -> None:
    async with serve(steps(WRITE)) as service:
        created = await service.create("do", approval_strategy=ON_TOOL_CALL)
        text = token((await pending(service, created.run_id, 1))[0], APPROVE)
        made = await service.keys.CreateKey(key_pb2.CreateKeyRequest(name="approver", scopes=["approvals"]))
        decided = (await by_token_and_key(service.speaking_as(made.secret), text)).approval

        assert (decided.decision, decided.actor) == (APPROVE, f"key:{made.key.id}")
        assert (await by_token(service, text)).approval == decided


async def test_a_key_of_another_tenant_opens_no_link(serve: Serve) -> None:
    async with serve(steps(WRITE)) as service:
        created = await service.create("do", approval_strategy=ON_TOOL_CALL)
        text = token((await pending(service, created.run_id, 1))[0], APPROVE)
        stranger = await service.stranger()
        for call in (
            service.approvals.GetApprovalByToken(
                pb.GetApprovalByTokenRequest(token=text), metadata=stranger.metadata
            ),
            by_token_and_key(stranger, text),
            by_token_and_key(service.speaking_as("no key"), text),
        ):
            error = await refused(call)

            assert (reason(error), error.code()) == ("CREDENTIALS_INVALID", StatusCode.UNAUTHENTICATED)
        assert reason(await refused(by_token_and_key(stranger, "A" * 60))) == "TOKEN_INVALID"
        assert (await service.get(created.run_id)).pending_approvals


async def test_a_key_without_its_scope_sees_a_link_and_does_not_decide(serve: Serve) -> None:
    async with serve(steps(WRITE)) as service:
        created = await service.create("do", approval_strategy=ON_TOOL_CALL)
        asked = (await pending(service, created.run_id, 1))[0]
        text = token(asked, APPROVE)
        reader = await service.with_scopes("runs:read", "runs:write", "integrations")
        seen = await shown_by_token(service, text, reader.metadata)
        error = await refused(by_token_and_key(reader, text))

        assert seen.approval.approval_id == asked.approval_id
        assert (reason(error), error.code()) == ("SCOPE_MISSING", StatusCode.PERMISSION_DENIED)
        assert (await service.get(created.run_id)).pending_approvals


async def test_a_link_shows_that_its_time_is_over(serve: Serve, clock: Clock) -> None:
    async with serve(steps(WRITE)) as service:
        created = await service.create("do", approval_strategy=ON_TOOL_CALL)
        text = token((await pending(service, created.run_id, 1))[0], APPROVE)
        before = await shown_by_token(service, text)
        clock.moved += DAY
        after = await shown_by_token(service, text)

        assert before.approval.status == pb.APPROVAL_STATUS_PENDING
        assert after.approval.status == pb.APPROVAL_STATUS_EXPIRED
