"""RunService."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final

from msgspec.structs import replace

from errands.v1 import run_pb2 as pb
from errands.v1 import run_pb2_grpc

from ..domain.errors import Reason, Unauthenticated
from ..domain.events import RunStatus
from ..domain.run import FINAL
from ..services.principal import Principal, Scope
from ..services.run_creation import RunCreation, RunPreview
from ..services.runs import MAX_EVENTS, MAX_EVENTS_IN_LISTS, Runs, RunView
from ..services.tokens import Ticket, Tickets
from ..store.repositories.runs import RunFilter
from ..streams import View
from . import create_run, enums, messages
from .enums import STATUS_OF
from .interceptor import caller, principal
from .messages import Messages
from .response_cache import ResponseCache
from .validation import MAX_ID, Checks, identifier, next_token

DEFAULT_RUNS: Final = 10
MAX_SKIP: Final = 100_000
DEFAULT_EVENTS: Final = 100
_AT_END: Final = (("errands-end", "1"),)


class RunServicer(run_pb2_grpc.RunServiceServicer):
    def __init__(self, creation: RunCreation, runs: Runs, tickets: Tickets, made: Messages) -> None:
        self._creation = creation
        self._runs = runs
        self._tickets = tickets
        self._messages = made
        self._shown = ResponseCache()

    async def CreateRun(self, request: pb.CreateRunRequest, context: Any) -> pb.CreateRunResponse:
        who = principal()
        wanted, malformed = create_run.read(request, context.time_remaining())
        if request.validate_only:
            preview = await self._creation.validate(who, wanted, malformed, explain=request.explain)
            return _validated(preview, explain=request.explain)
        return self._created(who, await self._creation.create(who, wanted, malformed))

    def _created(self, who: Principal, seen: RunView) -> pb.CreateRunResponse:
        view = _view(who)
        events = self._messages.events(who.tenant, seen.head.run_id, seen.records, view)
        return pb.CreateRunResponse(
            run_id=seen.head.run_id,
            repeat_key=seen.head.repeat_key,
            status=enums.STATUS[seen.run.status],
            events=enums.within(events[:MAX_EVENTS]),
            execution_plan_id=seen.run.plan_id,
            plan=enums.plan_of(seen.run),
            repeat_run_id=seen.head.repeat_run_id or "",
        )

    async def GetRun(self, request: pb.GetRunRequest, context: Any) -> pb.GetRunResponse | bytes:
        most = MAX_EVENTS if request.include_events else 0
        who = principal()
        seen = await self._runs.get(who, _run_id(request.run_id), events=most)
        if most:
            return pb.GetRunResponse(run=self._run(seen, most))
        return self._shown.answer(seen, _view(who), lambda: pb.GetRunResponse(run=self._run(seen)))

    def _run(self, seen: RunView, most_events: int = 0) -> pb.Run:
        return self._messages.run(seen, most_events=most_events, view=_view(principal()))

    async def ListRuns(self, request: pb.ListRunsRequest, context: Any) -> pb.ListRunsResponse:
        checks = Checks()
        size = checks.page_size(request.page_size, default=DEFAULT_RUNS)
        skip = checks.number("skip", request.skip, least=0, most=MAX_SKIP)
        checks.text("user_id", request.user_id, most=MAX_ID)
        checks.count("customer_integration_ids", request.customer_integration_ids, most=100)
        if request.status and request.status not in STATUS_OF:
            checks.wrong("status", f"{request.status} is no known value")
        for index, chosen in enumerate(request.customer_integration_ids[:100]):
            checks.text(f"customer_integration_ids[{index}]", chosen, least=1, most=MAX_ID)
        ids = tuple(request.customer_integration_ids)
        filters = (request.user_id, request.status, ids)
        before = checks.page_token(request.page_token, filters)
        checks.done()
        wanted = RunFilter(
            user_id=request.user_id,
            status=STATUS_OF[request.status] if request.status else "",
            integration_ids=ids,
            before=before,
        )
        most = MAX_EVENTS_IN_LISTS if request.include_events else 0
        page = await self._runs.page(principal(), wanted, limit=size, skip=skip, events=most)
        runs = enums.within([self._run(seen, most) for seen in page.runs])
        more = page.more or len(runs) < len(page.runs)
        return pb.ListRunsResponse(
            runs=runs, next_page_token=next_token(runs[-1].run_id, filters) if more else ""
        )

    async def CancelRun(self, request: pb.CancelRunRequest, context: Any) -> pb.CancelRunResponse:
        seen = await self._runs.cancel(
            principal(), _run_id(request.run_id), allow_finished=request.allow_finished
        )
        return pb.CancelRunResponse(run=self._run(seen))

    async def StreamRunEvents(self, request: pb.StreamRunEventsRequest, context: Any) -> AsyncIterator[bytes]:
        checks = Checks()
        after = checks.cursor("after_sequence", request.after_sequence)
        checks.done()
        run_id = _run_id(request.run_id)
        ticket = self._ticket(run_id, include_tool_calls=request.include_tool_calls)
        tenant, view = _watched(ticket, include_tool_calls=request.include_tool_calls)
        async with self._runs.following(tenant, run_id, after=after, view=view) as pieces:
            end = _AT_END if pieces is None else ()
            if request.validate_only:
                pieces = None
            if ticket is not None and pieces is not None:
                self._tickets.redeem(ticket)
            await context.send_initial_metadata((("errands-tenant", tenant), *end))
            if pieces is None:
                return
            async for piece in pieces:
                yield piece

    def _ticket(self, run_id: str, *, include_tool_calls: bool) -> Ticket | None:
        """The ticket that a stream is asked for with; None where there is a key."""
        if caller().principal is not None:
            return None
        ticket = self._tickets.read(caller().ticket)
        if ticket.run_id != run_id or (include_tool_calls and not ticket.view.tool_calls):
            message = "the stream ticket is for another run or view; ask for a new one"
            raise Unauthenticated(Reason.TICKET_INVALID, message)
        return ticket

    async def ListRunEvents(self, request: pb.ListRunEventsRequest, context: Any) -> pb.ListRunEventsResponse:
        checks = Checks()
        checks.number("limit", request.limit, least=0, most=MAX_EVENTS)
        after = checks.cursor("after_sequence", request.after_sequence)
        checks.done()
        run_id = _run_id(request.run_id)
        who = principal()
        head, records = await self._runs.events(
            who, run_id, after=after, limit=request.limit or DEFAULT_EVENTS
        )
        view = _view(who, tool_calls=request.include_tool_calls)
        events = self._messages.events(who.tenant, run_id, records, view)
        kept = enums.within(events)
        answer = pb.ListRunEventsResponse(
            events=kept, tenant=who.tenant, links=view.links, connect_links=view.connect_links
        )
        if len(kept) < len(events):
            answer.next_after_sequence = kept[-1].sequence
        else:
            answer.next_after_sequence = records[-1].sequence if records else after
            answer.end = records[-1].status in FINAL if records else head.finished_at is not None
        return answer

    async def CreateStreamTicket(
        self, request: pb.CreateStreamTicketRequest, context: Any
    ) -> pb.CreateStreamTicketResponse:
        who = principal()
        seen = await self._runs.get(who, _run_id(request.run_id))
        view = _view(who, tool_calls=request.include_tool_calls)
        ticket, expires_at = self._tickets.issue(who.tenant, seen.head.run_id, view)
        return pb.CreateStreamTicketResponse(ticket=ticket, expires_at=enums.timestamp(expires_at))

    async def GetPlan(self, request: pb.GetPlanRequest, context: Any) -> pb.GetPlanResponse:
        plan_id = identifier(request.execution_plan_id, Reason.PLAN_NOT_FOUND)
        seen = await self._runs.plan(principal(), plan_id)
        return pb.GetPlanResponse(plan=enums.plan_of(seen.run))


def _validated(preview: RunPreview, *, explain: bool) -> pb.CreateRunResponse:
    plan = enums.plan_of(preview.run)
    plan.ClearField("execution_plan_id")
    return pb.CreateRunResponse(
        status=enums.STATUS[RunStatus.QUEUED],
        plan=plan,
        explanation=messages.explanation(preview.clauses) if explain else None,
        preflight=messages.preflight(preview.preflight),
    )


def _watched(ticket: Ticket | None, *, include_tool_calls: bool) -> tuple[str, View]:
    """Tenant and view of a stream."""
    if ticket is not None:
        return ticket.tenant, replace(ticket.view, tool_calls=include_tool_calls)
    who = principal()
    who.require(Scope.RUNS_READ)
    return who.tenant, _view(who, tool_calls=include_tool_calls)


def _view(who: Principal, *, tool_calls: bool = False) -> View:
    """What this caller sees of a run."""
    return View(
        tool_calls=tool_calls,
        links=who.may(Scope.APPROVALS),
        connect_links=who.may(Scope.CONNECTIONS),
    )


def _run_id(value: str) -> str:
    return identifier(value, Reason.RUN_NOT_FOUND)
