"""Follows a run's events to its end, over as many streams as that takes."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from itertools import repeat
from typing import Final

from errands.v1 import event_pb2 as events
from errands.v1.event_pb2 import RunEvent
from errands.v1.run_pb2 import (
    GetRunRequest,
    GetRunResponse,
    Run,
    StreamRunEventsRequest,
    StreamRunEventsResponse,
)

from ..client import Client, Error

FINAL: Final = frozenset(
    {
        events.RUN_STATUS_SUCCESS,
        events.RUN_STATUS_PARTIAL_SUCCESS,
        events.RUN_STATUS_NO_SUCCESS,
        events.RUN_STATUS_FAILED,
        events.RUN_STATUS_CANCELED,
    }
)
# Seconds between attempts to reach a server that went away: about two minutes altogether.
RETRY_DELAYS: Final = (0.1, 0.2, 0.5, 1.0, 2.0, *repeat(4.0, 29))
_PROBE_TIMEOUT: Final = 5.0
_BROKEN: Final = frozenset({"UNAVAILABLE", "DEADLINE_EXCEEDED", "INTERNAL", "UNKNOWN", "CANCELLED"})


class Follower:
    """Follows one run. `cursor` is the sequence of the last event yielded."""

    def __init__(
        self,
        client: Client,
        run_id: str,
        *,
        after: int = 0,
        tool_calls: bool = False,
        say: Callable[[str], None],
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        """Start behind the event `after`.

        say: called with one line for each outage.
        pause: sleeps for that many seconds.
        """
        self._client = client
        self._run_id = run_id
        self._tool_calls = tool_calls
        self._say = say
        self._pause = pause
        self.cursor = after

    def events(self) -> Iterator[RunEvent]:
        """Yield the visible events behind the cursor, each once and in order, up to the run's last.

        Raises Error: the server refuses, or does not answer during RETRY_DELAYS.
        """
        while not (yield from self._read_stream()):
            self._wait_for_server()

    def run(self) -> Run:
        """The run as it is now. Raises Error, as `events` does."""
        try:
            return self._read()
        except Error as error:
            if not _is_transient(error):
                raise
            return self._wait_for_server()

    def _read_stream(self) -> Generator[RunEvent, None, bool]:
        """Yield the events of one stream; return True if the run ended, False if only the stream did."""
        request = StreamRunEventsRequest(
            run_id=self._run_id, after_sequence=self.cursor, include_tool_calls=self._tool_calls
        )
        try:
            for message in self._client.stream(
                "RunService/StreamRunEvents", request, StreamRunEventsResponse
            ):
                for event in message.events:
                    self.cursor = event.sequence
                    yield event
                    if event.HasField("status_changed") and event.status in FINAL:
                        return True
            # A finished run has nothing behind its last event, and its stream closes at once.
            return self._read().status in FINAL
        except Error as error:
            if not _is_transient(error):
                raise
            return False

    def _read(self) -> Run:
        request = GetRunRequest(run_id=self._run_id)
        return self._client.call("RunService/GetRun", request, GetRunResponse, timeout=_PROBE_TIMEOUT).run

    def _wait_for_server(self) -> Run:
        self._say(f"the server went away; going on from event {self.cursor} when it is back")
        last: Error | None = None
        for seconds in RETRY_DELAYS:
            self._pause(seconds)
            try:
                return self._read()
            except Error as error:
                if not _is_transient(error):
                    raise
                last = error
        raise last or Error("UNAVAILABLE", "the server stayed away")


def _is_transient(error: Error) -> bool:
    """Whether a retry may succeed: the connection broke, or the server says UNAVAILABLE."""
    return error.code == "UNAVAILABLE" or (not error.reason and error.code in _BROKEN)
