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
from ..services.key_watch import KeyWatch
from ..services.principal import Principal, Scope
from ..services.run_creation import RunCreation, RunPreview
from ..services.runs import MAX_EVENTS, MAX_EVENTS_IN_LISTS, Runs, RunView
from ..services.tokens import Ticket, Tickets
from ..store.repositories.runs import RunFilter
from ..streams import View
from . import create_run, enums, messages
from .enums import STATUS_OF
from .interceptor import call_context, current_principal
from .messages import RunMessages
from .response_cache import ResponseCache
from .validation import MAX_ID, RequestValidator, make_page_token, parse_uuid

DEFAULT_RUNS: Final = 10
MAX_SKIP: Final = 100_000
DEFAULT_EVENTS: Final = 100
_AT_END: Final = (("errands-end", "1"),)


class RunServicer(run_pb2_grpc.RunServiceServicer):
    def __init__(
        self,
        creation: RunCreation,
        runs: Runs,
        tickets: Tickets,
        watch: KeyWatch,
        run_messages: RunMessages,
    ) -> None:
        self._creation = creation
        self._runs = runs
        self._tickets = tickets
        self._watch = watch
        self._messages = run_messages
        self._cache = ResponseCache()

    async def CreateRun(self, request: pb.CreateRunRequest, context: Any) -> pb.CreateRunResponse:
        principal = current_principal()
        wanted, malformed = create_run.read(request, context.time_remaining())
        if request.validate_only:
            preview = await self._creation.validate(principal, wanted, malformed, explain=request.explain)
            return _preview_response(preview, explain=request.explain)
        return self._create_response(principal, await self._creation.create(principal, wanted, malformed))

    def _create_response(self, principal: Principal, run_view: RunView) -> pb.CreateRunResponse:
        view = _view(principal)
        events = self._messages.events(principal.tenant, run_view.head.run_id, run_view.records, view)
        return pb.CreateRunResponse(
            run_id=run_view.head.run_id,
            repeat_key=run_view.head.repeat_key,
            status=enums.STATUS[run_view.run.status],
            events=enums.take_fitting(events[:MAX_EVENTS]),
            execution_plan_id=run_view.run.plan_id,
            plan=enums.plan_of(run_view.run),
            repeat_run_id=run_view.head.repeat_run_id or "",
        )

    async def GetRun(self, request: pb.GetRunRequest, context: Any) -> pb.GetRunResponse | bytes:
        most = MAX_EVENTS if request.include_events else 0
        principal = current_principal()
        run_view = await self._runs.get(principal, _run_id(request.run_id), events=most)
        if most:
            return pb.GetRunResponse(run=self._run(run_view, most))
        return self._cache.encode(
            run_view, _view(principal), lambda: pb.GetRunResponse(run=self._run(run_view))
        )

    def _run(self, run_view: RunView, most_events: int = 0) -> pb.Run:
        return self._messages.run(run_view, most_events=most_events, view=_view(current_principal()))

    async def ListRuns(self, request: pb.ListRunsRequest, context: Any) -> pb.ListRunsResponse:
        validator = RequestValidator()
        size = validator.page_size(request.page_size, default=DEFAULT_RUNS)
        skip = validator.number("skip", request.skip, least=0, most=MAX_SKIP)
        validator.text("user_id", request.user_id, most=MAX_ID)
        validator.count("customer_integration_ids", request.customer_integration_ids, most=100)
        if request.status and request.status not in STATUS_OF:
            validator.reject("status", f"{request.status} is no known value")
        for index, chosen in enumerate(request.customer_integration_ids[:100]):
            validator.text(f"customer_integration_ids[{index}]", chosen, least=1, most=MAX_ID)
        ids = tuple(request.customer_integration_ids)
        filters = (request.user_id, request.status, ids)
        before = validator.page_token(request.page_token, filters)
        validator.raise_if_invalid()
        wanted = RunFilter(
            user_id=request.user_id,
            status=STATUS_OF[request.status] if request.status else "",
            integration_ids=ids,
            before=before,
        )
        most = MAX_EVENTS_IN_LISTS if request.include_events else 0
        page = await self._runs.page(current_principal(), wanted, limit=size, skip=skip, events=most)
        runs = enums.take_fitting([self._run(run_view, most) for run_view in page.runs])
        more = page.more or len(runs) < len(page.runs)
        return pb.ListRunsResponse(
            runs=runs, next_page_token=make_page_token(runs[-1].run_id, filters) if more else ""
        )

    async def CancelRun(self, request: pb.CancelRunRequest, context: Any) -> pb.CancelRunResponse:
        run_view = await self._runs.cancel(
            current_principal(), _run_id(request.run_id), allow_finished=request.allow_finished
        )
        return pb.CancelRunResponse(run=self._run(run_view))

    async def StreamRunEvents(self, request: pb.StreamRunEventsRequest, context: Any) -> AsyncIterator[bytes]:
        validator = RequestValidator()
        after = validator.cursor("after_sequence", request.after_sequence)
        validator.raise_if_invalid()
        run_id = _run_id(request.run_id)
        ticket = self._read_ticket(run_id, include_tool_calls=request.include_tool_calls)
        principal, view = _stream_view(ticket, include_tool_calls=request.include_tool_calls)
        tenant = principal.tenant
        async with (
            self._watch.watching(principal),
            self._runs.follow(tenant, run_id, after=after, view=view) as pieces,
        ):
            end = _AT_END if pieces is None else ()
            if request.validate_only:
                pieces = None
            if ticket is not None and pieces is not None:
                self._tickets.redeem(ticket)
            await context.send_initial_metadata((("errands-tenant", tenant), *end))
            if pieces is None:
                return
            async for piece in pieces:
                await self._watch.check(principal)
                yield piece

    def _read_ticket(self, run_id: str, *, include_tool_calls: bool) -> Ticket | None:
        """The ticket of a call without a key; None where there is a key. TICKET_INVALID."""
        if call_context().principal is not None:
            return None
        ticket = self._tickets.read(call_context().ticket)
        if ticket.run_id != run_id or (include_tool_calls and not ticket.view.tool_calls):
            message = "the stream ticket is for another run or view; ask for a new one"
            raise Unauthenticated(Reason.TICKET_INVALID, message)
        return ticket

    async def ListRunEvents(self, request: pb.ListRunEventsRequest, context: Any) -> pb.ListRunEventsResponse:
        validator = RequestValidator()
        validator.number("limit", request.limit, least=0, most=MAX_EVENTS)
        after = validator.cursor("after_sequence", request.after_sequence)
        validator.raise_if_invalid()
        run_id = _run_id(request.run_id)
        principal = current_principal()
        head, records = await self._runs.read_events(
            principal, run_id, after=after, limit=request.limit or DEFAULT_EVENTS
        )
        view = _view(principal, tool_calls=request.include_tool_calls)
        events = self._messages.events(principal.tenant, run_id, records, view)
        kept = enums.take_fitting(events)
        answer = pb.ListRunEventsResponse(
            events=kept, tenant=principal.tenant, links=view.links, connect_links=view.connect_links
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
        principal = current_principal()
        run_view = await self._runs.get(principal, _run_id(request.run_id))
        view = _view(principal, tool_calls=request.include_tool_calls)
        ticket, expires_at = self._tickets.issue(principal, run_view.head.run_id, view)
        return pb.CreateStreamTicketResponse(ticket=ticket, expires_at=enums.timestamp(expires_at))

    async def GetPlan(self, request: pb.GetPlanRequest, context: Any) -> pb.GetPlanResponse:
        plan_id = parse_uuid(request.execution_plan_id, Reason.PLAN_NOT_FOUND)
        run_view = await self._runs.get_by_plan(current_principal(), plan_id)
        return pb.GetPlanResponse(plan=enums.plan_of(run_view.run))


def _preview_response(preview: RunPreview, *, explain: bool) -> pb.CreateRunResponse:
    plan = enums.plan_of(preview.run)
    plan.ClearField("execution_plan_id")
    return pb.CreateRunResponse(
        status=enums.STATUS[RunStatus.QUEUED],
        plan=plan,
        explanation=messages.explanation(preview.clauses) if explain else None,
        preflight=messages.preflight(preview.preflight),
    )


def _stream_view(ticket: Ticket | None, *, include_tool_calls: bool) -> tuple[Principal, View]:
    """Principal and view of a stream, of its ticket or else of the key. SCOPE_MISSING."""
    if ticket is not None:
        holder = Principal(ticket.tenant, ticket.key_id, frozenset())
        return holder, replace(ticket.view, tool_calls=include_tool_calls)
    principal = current_principal()
    principal.require(Scope.RUNS_READ)
    return principal, _view(principal, tool_calls=include_tool_calls)


def _view(principal: Principal, *, tool_calls: bool = False) -> View:
    """The widest view of a run that the principal's scopes allow."""
    return View(
        tool_calls=tool_calls,
        links=principal.may(Scope.APPROVALS),
        connect_links=principal.may(Scope.CONNECTIONS),
    )


def _run_id(value: str) -> str:
    return parse_uuid(value, Reason.RUN_NOT_FOUND)
