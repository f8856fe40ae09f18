"""A run's events over REST: pages as JSON, streams as Server-Sent Events, and stream tickets."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlencode

from starlette.types import ASGIApp

from errands.v1 import run_pb2 as pb

from ..http.encoding import format_time
from ..http.response import json_response
from ..rest.dialect import STRING, Body, Call, Operation, Parameter, ResponseSpec, ref
from ..rest.request import accepts
from ..streaming.sse import StreamRequest, end_of_stream, stream_head
from .documents import events as documents
from .runs import INCLUDE_TOOL_CALLS, RUN_ID

_TAG: Final = "Run"
_SSE: Final = "text/event-stream"
_CURSOR: Final = re.compile(r"[0-9]{1,18}")
_MAX_TICKET: Final = 2_048  # characters
# Integers that every JSON parser keeps exactly (RFC 7493).
_CURSORS: Final = {"type": "integer", "minimum": 0, "maximum": 2**53 - 1}


def _last_event_id(given: Sequence[str]) -> int | None:
    """The sequence in a `Last-Event-ID`. None: it is empty, as an EventSource sends it before any event."""
    if not any(given):
        return None
    if len(given) > 1 or not _CURSOR.fullmatch(given[0]):
        raise ValueError("must be the sequence of an event")
    return int(given[0])


_LAST_EVENT_ID: Final = (
    Parameter(
        name="Last-Event-ID",
        where="header",
        schema={"type": "string", "pattern": "^[0-9]{0,18}$"},
        description="Go on behind this sequence; wins over `lastEventId`.",
        read=_last_event_id,
    ),
    Parameter(
        name="lastEventId",
        schema=_CURSORS,
        description="Go on behind this sequence.",
    ),
)
_TICKET: Final = Parameter(
    name="ticket",
    schema={**STRING, "minLength": 1, "maxLength": _MAX_TICKET},
    description="A stream ticket, for readers that cannot send a key.",
)
_STREAM: Final = ResponseSpec(
    description="`id` is the sequence, `event` the type, `data` a RunEvent. Ends with the run.",
    schema={"type": "string", "description": "Server-Sent Events."},
    media_type=_SSE,
)
_ENDED: Final = ResponseSpec(description="The run has ended and nothing is behind the cursor.")


def _start(call: Call, default: int = 0) -> int:
    """The sequence to go on behind: of the header first, because a reconnecting EventSource sends it."""
    header = call.headers.get("Last-Event-ID")
    return int(call.query.get("lastEventId", default)) if header is None else int(header)


async def _stream(call: Call) -> ASGIApp:
    return await _open(call, _start(call))


async def _open(call: Call, after: int) -> ASGIApp:
    """The stream behind a sequence."""
    run_id, tool_calls = call.path["runId"], call.query.get("includeToolCalls", False)
    if call.is_head:
        # A page says whether there is anything to stream, and spends no ticket.
        asked = pb.ListRunEventsRequest(run_id=run_id, after_sequence=after, limit=1)
        page = await call.ask(call.backend.runs.ListRunEvents, asked)
        return end_of_stream() if page.end and not page.events else stream_head
    request = StreamRequest(run_id, after, tool_calls, call.dialect.event_document)
    ticket = call.query.get("ticket", "")
    if ticket and not call.caller.has_credential:
        stream = await call.backend.streams.open_with_ticket(ticket, call.caller.request_id, request)
    else:
        stream = await call.backend.streams.open_with_key(call.caller, request)
    return stream or end_of_stream()


async def _events(call: Call) -> ASGIApp:
    after = call.query.get("after", 0)
    if accepts(call.request.headers, _SSE):
        return await _open(call, _start(call, after))
    request = pb.ListRunEventsRequest(
        run_id=call.path["runId"],
        after_sequence=after,
        limit=call.query.get("limit", 100),
        include_tool_calls=call.query.get("includeToolCalls", False),
    )
    page = await call.ask(call.backend.runs.ListRunEvents, request)
    document = {
        "events": documents.events(page.events),
        "nextAfter": page.next_after_sequence,
        "end": page.end,
    }
    return json_response(document)


async def _ticket(call: Call) -> ASGIApp:
    tool_calls = call.body.get("includeToolCalls", False)
    run_id = call.path["runId"]
    request = pb.CreateStreamTicketRequest(run_id=run_id, include_tool_calls=tool_calls)
    made = await call.ask(call.backend.runs.CreateStreamTicket, request)
    view = {"includeToolCalls": "true"} if tool_calls else {}
    document = {
        "ticket": made.ticket,
        "url": f"/v1/runs/{run_id}/sse?{urlencode({'ticket': made.ticket, **view})}",
        "expiresAt": format_time(made.expires_at),
    }
    return json_response(document, 201)


OPERATIONS: Final = (
    Operation(
        method="GET",
        path="/v1/runs/{runId}/sse",
        id="RunController_sse",
        tag=_TAG,
        summary="Stream a run's events",
        description="First the past, then live, until the run ends. A comment every 15 s keeps it alive.",
        parameters=(RUN_ID, INCLUDE_TOOL_CALLS, *_LAST_EVENT_ID, _TICKET),
        responses={200: _STREAM, 204: _ENDED},
        problems=(404, 429),
        handle=_stream,
    ),
    Operation(
        method="GET",
        path="/v1/runs/{runId}/events",
        id="listRunEvents",
        tag=_TAG,
        summary="Read a page of a run's events",
        description="A stream where `Accept` names text/event-stream.",
        parameters=(
            RUN_ID,
            Parameter(
                name="after",
                schema={**_CURSORS, "default": 0},
                description="Only events behind this sequence.",
            ),
            Parameter(
                name="limit",
                schema={"type": "integer", "minimum": 1, "maximum": 1_000, "default": 100},
                description="At most this many.",
            ),
            INCLUDE_TOOL_CALLS,
            *_LAST_EVENT_ID,
            _TICKET,
        ),
        responses={
            200: ResponseSpec(
                description="The page, or the stream.",
                schema=ref("RunEventPage"),
                more={_SSE: {"type": "string", "description": "Server-Sent Events."}},
            ),
            204: _ENDED,
        },
        problems=(404, 429),
        handle=_events,
    ),
    Operation(
        method="POST",
        path="/v1/runs/{runId}/stream-tickets",
        id="createStreamTicket",
        tag=_TAG,
        summary="Make a ticket for one stream",
        description="Opens one stream of this run within a minute, for readers that cannot send a key. "
        "An EventSource whose stream was cut asks with the same ticket again, and takes every status but "
        "200 as final: on `error` with `readyState` CLOSED, go on with a new ticket and `lastEventId`.",
        parameters=(RUN_ID,),
        body=Body(component="CreateStreamTicketRequest", required=False),
        responses={201: ResponseSpec(description="The ticket.", schema=ref("StreamTicket"))},
        problems=(404,),
        handle=_ticket,
    ),
)
