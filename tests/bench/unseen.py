"""Creates whose intents the server never read: h2load repeats one message, so these come from here."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from threading import Semaphore
from typing import Any, Final, Self

import grpc

from errands.v1 import run_pb2 as rpb
from tests.bench.load import KEY
from tests.bench.served import NOUNS, Served

IN_FLIGHT: Final = 64
_LETTERS: Final = "bcdfghklmnprstvz"
_numbers: Final = count()


def intents() -> Iterator[str]:
    """Three things to create in each, with names that nothing in this process was called before."""
    while True:
        number = next(_numbers)
        things = [
            f"a {NOUNS[(number + place * 7) % len(NOUNS)]} named {_name(number * 3 + place)}"
            for place in range(3)
        ]
        yield ", then ".join(f"create {thing}" for thing in things).capitalize()


def _name(number: int) -> str:
    """A word of its own for each number; as long as names are, and no number to a reader."""
    digits = f"{number:06x}"
    return "qu" + "".join(_LETTERS[int(digit, 16)] + "aeiou"[place % 5] for place, digit in enumerate(digits))


class Unseen:
    """Requests made ready beforehand, as bytes, so that sending them costs less than answering.

    An answer takes the server nine times the processor time that a request takes this client, which has a
    core of its own: the server sets the pace.
    """

    def __init__(self, served: Served, requests: int) -> None:
        asked = zip(range(requests), intents(), strict=False)
        self._bodies = [
            served.new_run(
                intent=intent, approval_strategy=rpb.APPROVAL_STRATEGY_ON_START
            ).SerializeToString()
            for _, intent in asked
        ]
        self._channel = grpc.insecure_channel(served.process.address)
        self._call = self._channel.unary_unary("/errands.v1.RunService/CreateRun")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._channel.close()

    def create(self) -> None:
        """Send every request, 64 in flight, and see that each was planned."""
        room = Semaphore(IN_FLIGHT)
        sent: list[Any] = []
        for body in self._bodies:
            room.acquire()
            call: Any = self._call.future(body, metadata=(("x-api-key", KEY),), timeout=60)
            call.add_done_callback(lambda _: room.release())
            sent.append(call)
        for call in sent:
            answer = rpb.CreateRunResponse.FromString(call.result())
            if len(answer.plan.details.steps) != 3:
                raise RuntimeError(f"not planned: {answer}")
