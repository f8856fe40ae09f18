"""What the decider does with work under way, shown by histories in which nothing ends by itself."""

from __future__ import annotations

from errands_server.domain.events import Decision, RunStatus, Strategy
from errands_server.domain.policy import CANCEL_GRACE
from errands_server.domain.run import CallState, Run
from tests.domain.histories import Simulation
from tests.domain.process import Fate
from tests.domain.scenarios import KINDS, scenario, tool

READ, WRITE = KINDS[0], KINDS[5]


def sent(kind: tuple[object, ...]) -> Simulation:
    """A history in which one call is under way, and its answer does not come."""
    one = tool("s1.0", kind)  # type: ignore[arg-type]
    return Simulation(scenario({"s1": ()}, {"s1.0": one})).until(is_sent)


def is_sent(run: Run) -> bool:
    return any(call.state is CallState.SENT for call in run.calls.values())


def advance(simulation: Simulation) -> None:
    """Let the process decide until it has nothing left to decide."""
    process = simulation.process
    assert process is not None
    while process.restless and not process.run.ended:
        process.advance()


def test_a_read_is_cut_off_at_the_cancellation() -> None:
    simulation = sent(READ)
    simulation.cancel()
    advance(simulation)

    assert simulation.run.status is RunStatus.CANCELED
    assert simulation.run.ended


def test_a_write_is_waited_for_no_longer_than_the_grace() -> None:
    simulation = sent(WRITE)
    simulation.cancel()
    advance(simulation)
    assert not simulation.run.ended

    simulation.wait(CANCEL_GRACE - 1)
    advance(simulation)
    assert not simulation.run.ended

    simulation.wait(1)
    advance(simulation)
    assert simulation.run.status is RunStatus.CANCELED


def test_a_call_whose_commit_was_refused_gives_its_place_back() -> None:
    one = tool("s1.0", WRITE)
    asking = scenario({"s1": ()}, {"s1.0": one}, strategy=Strategy.ON_TOOL_CALL, max_concurrency=1)
    simulation = Simulation(asking).until(Run.open_approvals)
    (approval,) = simulation.run.open_approvals()
    simulation.decide(approval, Decision.APPROVE)
    process = simulation.process
    assert process is not None
    process.advance(Fate.OVERTAKEN)
    advance(simulation)

    assert is_sent(simulation.run)
