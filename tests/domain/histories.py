"""Random histories: a run, the processes that execute it, the people it waits for, and a service.

A tape of bytes decides what happens at every moment. Where it has ended, 0 is read, which is
always what brings the run forward: so every tape is a finished history, and a shorter tape a
simpler one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from itertools import accumulate
from typing import Any, Final

from hypothesis import strategies as st
from msgspec import Struct

from errands_server.domain import commands
from errands_server.domain.draft import Draft
from errands_server.domain.effects import wake_at
from errands_server.domain.errors import CommitUnknown, Conflict, RunChanged
from errands_server.domain.events import (
    AnyEvent,
    ApprovalKind,
    AuthResolved,
    Call,
    Claimed,
    Decision,
    Document,
    Record,
    RunCreated,
)
from errands_server.domain.fold import apply
from errands_server.domain.inputs import Inputs
from errands_server.domain.policy import HOUR, SECOND
from errands_server.domain.run import RULES_VERSION, ApprovalProgress, Run
from errands_server.domain.tool import ToolRef
from errands_server.executor.decider import Superseded
from errands_server.executor.work import DISPATCH_WINDOW
from errands_server.ports import CallRequest, CallResult
from errands_server.store.write_requests import Append

from .ports import SimulatedCatalog, inputs, now_or_never
from .process import RUN_ID, TENANT, Fate, Process
from .remote import Remote
from .scenarios import SECURED, Limits, Scenario, Tape, read_scenario

BEGINNING: Final = 1_800_000_000_000
MOST_MOMENTS: Final = 3_000  # more than any run needs once everybody answers

_CANCEL: Final = 252  # from here on
_FAULT: Final = 251
_WILD: Final = 170  # from here on a byte does not bring the run forward
_JUMPS: Final = (SECOND, 3 * SECOND, 61 * SECOND, HOUR, 23 * HOUR, 25 * HOUR)

Action = Callable[[], object]


class Journal:
    """The log, with the two checks of `store/batch.py`, and commits whose fate the history decides."""

    def __init__(self, given: Inputs) -> None:
        self.records: list[Record] = []
        self.run = Run()
        self.commits: list[int] = []  # the sequence after each
        self._given = given
        self._artifacts: dict[str, bytes] = {}
        self._fate = Fate.STORED
        self._writer: object = None  # a process, or None for a caller
        self._claimed_by: object = None  # the process that claimed the run last
        self.usurped = 0  # appends by processes that had lost the run to another

    @contextmanager
    def written_by(self, process: object, fate: Fate) -> Iterator[None]:
        """Who appends inside, and what becomes of the first append; those after it are stored."""
        self._writer, self._fate = process, fate
        try:
            yield
        finally:
            self._writer, self._fate = None, Fate.STORED

    async def append(self, append: Append) -> None:
        fate, self._fate = self._fate, Fate.STORED
        if fate is Fate.OVERTAKEN:
            raise RunChanged(append.run_id)
        if append.after != self.run.sequence or append.epoch not in {None, self.run.epoch}:
            raise RunChanged(append.run_id)
        if any(isinstance(record.event, Claimed) for record in append.records):
            self._claimed_by = self._writer
        self.usurped += self._writer not in {None, self._claimed_by}
        self.records += append.records
        self._artifacts |= append.artifacts
        self.run = append.run
        self.commits.append(append.run.sequence)
        if fate is Fate.UNANSWERED:
            raise CommitUnknown(append.run_id)

    def store(self, draft: Draft) -> None:
        """Append what a caller decided."""
        now_or_never(self.append(_by_caller(draft)))

    async def fold(self, run_id: str, run: Run | None = None) -> Run:
        return self.run

    async def inputs(self, run_id: str) -> Inputs:
        return self._given

    async def artifact(self, run_id: str, artifact: str) -> bytes:
        return self._artifacts[artifact]


def _by_caller(draft: Draft) -> Append:
    return Append(
        tenant=TENANT,
        run_id=RUN_ID,
        after=draft.base.sequence,
        epoch=None,
        records=draft.records,
        run=draft.run,
        artifacts=draft.artifacts,
    )


class Receipt(Struct, frozen=True, kw_only=True):
    """A request that the service received, and what was so outside of its sender at that moment."""

    request: CallRequest
    stored: Run  # the run as the log has it
    agreed: bool  # a person has agreed to this very call
    plan_agreed: bool  # a person has agreed to a plan that shows a call of this tool
    allowed: bool  # no caller has cancelled the run, or the call was on its way before


class Simulation:
    """Everything there is: the log, the clock, one process or none, the service, and the people."""

    def __init__(self, scenario: Scenario, tape: bytes = b"") -> None:
        self.scenario = scenario
        self.tape = Tape(tape)
        self.now = BEGINNING
        self.journal = Journal(inputs(scenario))
        self.catalog = SimulatedCatalog(scenario)
        self.remote = Remote(scenario.tools, scenario.scripts)
        self.process: Process | None = None
        self.stalled: list[Process] = []  # taken for dead; each may go on when another executes
        self.receipts: list[Receipt] = []
        self.retried: Counter[str] = Counter()  # by call: how often a person said RETRY
        self.looked: list[tuple[int, Run]] = []  # when a process had nothing left to do, and the run
        self.moments = 0
        self.stuck = False
        self._ids = 0
        self._agreed: list[Call] = []  # what people have agreed to, as it was shown to them
        self._plan_agreed: set[ToolRef] = set()
        self._cancelled: frozenset[str] | None = None  # what was on its way when a caller cancelled
        self._begin()

    def __repr__(self) -> str:
        log = "\n".join(f"  {r.sequence} {r.at - BEGINNING} {r.status} {r.event}" for r in self.records)
        return f"{self.scenario}\n{log}\n"

    @property
    def records(self) -> list[Record]:
        return self.journal.records

    @property
    def run(self) -> Run:
        return self.journal.run

    def runs(self) -> list[Run]:
        """The run after each record; the first is the run before all."""
        return list(accumulate(self.records, apply, initial=Run()))

    def new_id(self) -> str:
        self._ids += 1
        return f"id{self._ids}"

    def _begin(self) -> None:
        draft = Draft(Run(), self.now)
        draft.add(
            RunCreated(
                user_id="user",
                actor="key",
                strategy=self.scenario.strategy,
                plan_id=self.new_id(),
                repeat_of=self.scenario.repeat_of,
                traceparent=self.scenario.traceparent,
                passed=self.scenario.passed,
                rules_version=RULES_VERSION,
            )
        )
        self.journal.store(draft)

    def play(self, crash_at: int | None = None) -> Simulation:
        """Go on until the run ends. `crash_at` is the moment before which the process dies."""
        while not self.run.ended and not self.stuck and self.moments < MOST_MOMENTS:
            if self.moments == crash_at:
                self.crash()
            self.happen()
        return self

    def until(self, reached: Callable[[Run], object]) -> Simulation:
        """Go on until the run has come so far."""
        while not reached(self.run):
            assert not self.stuck
            assert self.moments < MOST_MOMENTS
            self.happen()
        return self

    def happen(self) -> None:
        """One moment."""
        self.moments += 1
        choice = self.tape.next()
        forward = self._forward()
        if not forward:
            self.stuck = True
        elif choice < _WILD:
            forward[choice % len(forward)]()
        else:
            self._wild(choice)

    def _forward(self) -> list[Action]:
        """What brings the run forward, most natural first."""
        process = self.process
        if process is None:
            return [self._start]
        actions: list[Action] = []
        if process.restless:
            actions.append(self._advance)
        actions += [partial(process.deliver, name) for name in process.tasks]
        actions += [partial(self._answer, approval) for approval in self.run.open_approvals()]
        if self.run.authorizations:
            actions.append(self._grant)
        due = wake_at(self.run)
        if due is not None and not process.restless:
            actions.append(partial(self.wait, max(0, due - self.now)))
        # A stalled process may come back to what it had under way at any moment.
        actions += [partial(stalled.deliver, name) for stalled in self.stalled for name in stalled.tasks]
        return actions

    def _wild(self, choice: int) -> None:
        if choice >= _CANCEL:
            self.cancel()
        elif choice == _FAULT:
            self._with_process(Process.fail)
        elif self.stalled and choice % 2:
            self._stir()  # what it does is only of interest while another executes
        else:
            actions: list[Action] = [
                self.crash,
                self._stall,
                partial(self._with_process, partial(self._let_advance, fate=Fate.OVERTAKEN)),
                partial(self._with_process, partial(self._let_advance, fate=Fate.UNANSWERED)),
                *(partial(self.wait, jump) for jump in _JUMPS),
                self._cut_off,
                self._decide_anything,
                self._change_access,
                self._change_activity,
                self._refuse_access,
            ]
            actions[choice % len(actions)]()

    def _start(self) -> None:
        """Another process goes on, behind the dispatch window of what the one before may still send."""
        if self.stalled:
            self.now += int(DISPATCH_WINDOW * SECOND) + 1
        self.process = Process(self)

    def crash(self) -> None:
        self.process = None

    def _stall(self) -> None:
        """The process stops where it is, and is taken for dead."""
        if self.process is not None:
            self.stalled.append(self.process)
            self.process = None

    def _stir(self) -> None:
        """A stalled process goes on, and hears that the log has more."""
        if self.stalled:
            process = self.stalled[-1]
            process.nudge()
            self._let_advance(process)

    def _let_advance(self, process: Process, fate: Fate = Fate.STORED) -> None:
        """It gives the run up where another process, perhaps a stalled one, has claimed it since."""
        try:
            process.advance(fate)
        except Superseded:
            if process is self.process:
                self.process = None
            else:
                self.stalled.remove(process)

    def cancel(self) -> None:
        """A caller cancels the run."""
        if self.command(lambda draft: commands.cancel(draft.run, actor="key", now=draft.now)):
            processes = [*self.stalled, *([self.process] if self.process else [])]
            self._cancelled = frozenset(name for process in processes for name in process.tasks)

    def _with_process(self, act: Callable[[Process], object]) -> None:
        if self.process is not None:
            act(self.process)

    def _advance(self) -> None:
        process = self.process
        assert process is not None
        self._let_advance(process)
        if process is self.process and not process.restless and not process.tasks:
            self.looked.append((self.now, process.run))

    def _cut_off(self) -> None:
        """A process is told to stop, and its calls are not waited for."""
        if self.process is not None:
            for name in list(self.process.tasks):
                self.process.cut_off(name)

    def wait(self, milliseconds: int) -> None:
        """Nothing happens for so long."""
        self.now += milliseconds
        if self.process is not None:
            self.process.restless = True

    def _answer(self, approval: ApprovalProgress) -> None:
        if approval.request.kind is not ApprovalKind.IN_DOUBT:
            self.decide(approval, Decision.DENY if self.tape.seldom() else Decision.APPROVE)
        elif self.tape.seldom():
            self.decide(approval, self.tape.choose(commands.CHOICES[ApprovalKind.IN_DOUBT]))
        else:
            # Nobody tries for ever.
            tired = self.retried[approval.request.calls[0].id] > 0
            self.decide(approval, Decision.FAIL if tired else self.scenario.doubts)

    def _decide_anything(self) -> None:
        """Somebody decides an approval that may be decided, expired or closed by now."""
        approvals = list(self.run.approvals.values())
        if approvals:
            approval = self.tape.choose(approvals)
            self.decide(approval, self.tape.choose(commands.CHOICES[approval.request.kind]))

    def decide(
        self,
        approval: ApprovalProgress,
        decision: Decision,
        *,
        reason: str = "",
        values: Mapping[str, Any] | None = None,
    ) -> None:
        """A person decides; too late, nothing changes."""
        output = Document(text='{"id":"said"}') if self.tape.next() % 2 == 0 else None
        decided = self.command(
            lambda draft: commands.decide(
                draft.run,
                approval.request.approval_id,
                decision,
                actor="person",
                now=draft.now,
                reason=reason,
                output=output if decision is Decision.DONE else None,
                values=values,
            )
        )
        if decided and decision is Decision.RETRY:
            self.retried[approval.request.calls[0].id] += 1
        if decided and decision is Decision.APPROVE:
            self._agreed += approval.request.calls
            self._plan_agreed |= {call.tool for call in approval.request.preview}

    def _grant(self) -> None:
        self.catalog.credential = "token"
        self._resolve_access(granted=True)

    def _refuse_access(self) -> None:
        self._resolve_access(granted=False)

    def _resolve_access(self, *, granted: bool) -> None:
        self.command(
            lambda draft: [
                AuthResolved(authorization_id=key, granted=granted) for key in draft.run.authorizations
            ]
        )

    def _change_access(self) -> None:
        self.catalog.credential = None if self.catalog.credential else "token"

    def _change_activity(self) -> None:
        self.catalog.inactive ^= {SECURED}

    def command(self, decide: Callable[[Draft], list[AnyEvent]]) -> bool:
        """What a caller asks for; whether it changed anything."""
        draft = Draft(self.run, self.now)
        try:
            draft.add(*decide(draft))
        except Conflict:
            return False
        draft.announce()
        if draft.records:
            self.journal.store(draft)
            self._with_process(Process.nudge)
        return bool(draft.records)

    def receive(self, request: CallRequest) -> CallResult:
        """A request reaches the service."""
        self.receipts.append(
            Receipt(
                request=request,
                stored=self.run,
                agreed=any(_is_same(call, request) for call in self._agreed),
                plan_agreed=request.ref in self._plan_agreed,
                allowed=self._cancelled is None or request.idempotency_key in self._cancelled,
            )
        )
        return self.remote.receive(request, self.now)


def _is_same(call: Call, request: CallRequest) -> bool:
    """Whether a request is the call that was shown."""
    shown = (call.key, call.tool, call.arguments)
    return shown == (request.idempotency_key, request.ref, request.arguments)


_TAPES: Final = st.binary(min_size=96, max_size=96)  # of one size, which is fast to draw


def scenarios(limits: Limits | None = None) -> st.SearchStrategy[Scenario]:
    return _TAPES.map(lambda tape: read_scenario(Tape(tape), limits or Limits()))


def histories(limits: Limits | None = None) -> st.SearchStrategy[Simulation]:
    """Finished histories of random scenarios, each with a random course."""
    return st.builds(
        lambda scenario, tape: Simulation(scenario, tape[: tape[-1] % len(tape)]).play(),
        scenarios(limits),
        _TAPES,
    )
