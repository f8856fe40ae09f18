"""Runs to store: what a creation and the appends behind it look like."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from errands_server.domain import events as e
from errands_server.domain.draft import Draft
from errands_server.domain.inputs import Inputs, Selected
from errands_server.domain.run import RULES_VERSION, Run
from errands_server.store.repositories.requests import RequestKey
from errands_server.store.store import Store
from errands_server.store.write_requests import Append, Creation, Repeated

OWNER = "acme"
STRANGER = "strangers"
NOW = 1_700_000_000_000  # milliseconds
HOUR = 3_600_000

SUCCEEDED = e.StatusChanged(status=e.RunStatus.SUCCESS)
FAILED = e.StatusChanged(status=e.RunStatus.FAILED)


def note(text: str = "hello") -> e.Noted:
    return e.Noted(text=text)


def ask(approval_id: str, expires_at: int = NOW + HOUR) -> e.ApprovalRequested:
    return e.ApprovalRequested(
        approval_id=approval_id, kind=e.ApprovalKind.PLAN, text="May I?", hash="h", expires_at=expires_at
    )


def answer(approval_id: str, *, expired: bool = False) -> e.ApprovalResolved:
    return e.ApprovalResolved(
        approval_id=approval_id, decision=e.Decision.APPROVE, actor="ada", expired=expired
    )


def request(request_id: str, body: bytes = b"body") -> RequestKey:
    return RequestKey("CreateRun", request_id, body)


def creation(run_id: str, *, now: int = NOW, integrations: Sequence[str] = (), **fields: Any) -> Creation:
    """A run of ada's that starts with one event, unless `fields` say otherwise."""
    user = fields.get("user_id", "ada")
    passed = fields.pop("passed", ())
    build: Callable[[Repeated | None], Draft] = fields.pop("build", None) or beginning(
        run_id, user, now, passed=passed
    )
    inputs = Inputs(
        intent=fields.pop("intent", "an intent"),
        context="{}",
        output_schema="",
        integrations=tuple(Selected(chosen, 1) for chosen in integrations),
    )
    given = {"tenant": OWNER, "user_id": user, "engine": "embedded", "repeat_key": "", "request": None}
    return Creation(run_id=run_id, inputs=inputs, now=now, build=build, **{**given, **fields})


def beginning(
    run_id: str, user: str = "ada", now: int = NOW, *, passed: Sequence[str] = ()
) -> Callable[[Repeated | None], Draft]:
    """What builds a new run. The plan of a repeated run is kept."""

    def build(repeated: Repeated | None) -> Draft:
        draft = Draft(Run(), now)
        draft.add(
            e.RunCreated(
                user_id=user,
                actor="key",
                strategy=e.Strategy.NONE,
                plan_id=f"plan of {run_id}" if repeated is None else repeated.plan_id,
                repeat_of="" if repeated is None else repeated.run_id,
                passed=tuple(passed),
                rules_version=RULES_VERSION,
            )
        )
        return draft

    return build


def append(run_id: str, run: Run, *events: e.AnyEvent, now: int = NOW, **fields: Any) -> Append:
    """These events behind `run`, by somebody who holds no epoch."""
    draft = Draft(run, now)
    draft.add(*events)
    given = {"tenant": OWNER, "epoch": None, "after": run.sequence}
    return Append(run_id=run_id, records=draft.records, run=draft.run, **{**given, **fields})


async def stored(store: Store, run_id: str, *events: e.AnyEvent, **fields: Any) -> Run:
    """A run in the store, with these events behind its first."""
    created = await store.journal.create(creation(run_id, **fields))
    assert created.run is not None
    if not events:
        return created.run
    tenant, now = fields.get("tenant", OWNER), fields.get("now", NOW)
    more = append(run_id, created.run, *events, tenant=tenant, now=now)
    await store.journal.append(more)
    return more.run


async def finished(store: Store, run_id: str, last: e.AnyEvent = SUCCEEDED, **fields: Any) -> Run:
    return await stored(store, run_id, e.Claimed(epoch=1), last, **fields)


async def texts(store: Store, run_id: str) -> list[str]:
    """What the notes in a run's log say, in order."""
    return [r.event.text for r in await store.journal.read(run_id) if isinstance(r.event, e.Noted)]
