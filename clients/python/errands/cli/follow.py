"""Following a run over as many streams as it takes."""

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

from ..client import Connection, Error

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
PATIENCE: Final = (0.1, 0.2, 0.5, 1.0, 2.0, *repeat(4.0, 29))
_PROBE_TIMEOUT: Final = 5.0
_BROKEN: Final = frozenset({"UNAVAILABLE", "DEADLINE_EXCEEDED", "INTERNAL", "UNKNOWN", "CANCELLED"})


class Follower:
    """Follows one run. `cursor` is the sequence of the last event it gave."""

    def __init__(
        self,
        connection: Connection,
        run_id: str,
        *,
        after: int = 0,
        tool_calls: bool = False,
        say: Callable[[str], None],
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        """`say` is told, in one line for each outage, that the server went away."""
        self._connection = connection
        self._run_id = run_id
        self._tool_calls = tool_calls
        self._say = say
        self._pause = pause
        self.cursor = after

    def events(self) -> Iterator[RunEvent]:
        """The visible events behind the cursor, each once and in order, up to the run's last.

        Raises Error: the server refuses, or stays away for longer than PATIENCE.
        """
        while not (yield from self._until_lost()):
            self._wait_for_server()

    def run(self) -> Run:
        """The run as it is now. Raises Error, as `events` does."""
        try:
            return self._read()
        except Error as error:
            if not _passing(error):
                raise
            return self._wait_for_server()

    def _until_lost(self) -> Generator[RunEvent, None, bool]:
        """Events of one stream; true where the run ended, false where the stream did."""
        try:
            for event in self._stream():
                self.cursor = event.sequence
                yield event
                if event.HasField("status_changed") and event.status in FINAL:
                    return True
            # A finished run has nothing behind its last event, and its stream closes at once.
            return self._read().status in FINAL
        except Error as error:
            if not _passing(error):
                raise
            return False

    def _stream(self) -> Iterator[RunEvent]:
        request = StreamRunEventsRequest(
            run_id=self._run_id, after_sequence=self.cursor, include_tool_calls=self._tool_calls
        )
        for message in self._connection.stream(
            "RunService/StreamRunEvents", request, StreamRunEventsResponse
        ):
            yield from message.events

    def _read(self) -> Run:
        request = GetRunRequest(run_id=self._run_id)
        return self._connection.call("RunService/GetRun", request, GetRunResponse, timeout=_PROBE_TIMEOUT).run

    def _wait_for_server(self) -> Run:
        self._say(f"the server went away; going on from event {self.cursor} when it is back")
        last: Error | None = None
        for seconds in PATIENCE:
            self._pause(seconds)
            try:
                return self._read()
            except Error as error:
                if not _passing(error):
                    raise
                last = error
        raise last or Error("UNAVAILABLE", "the server stayed away")


def _passing(error: Error) -> bool:
    """Whether it may be gone in a moment: the way to the server broke, or it says so itself."""
    return error.code == "UNAVAILABLE" or (not error.reason and error.code in _BROKEN)
