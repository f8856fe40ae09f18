"""Screens: how a run is shown: on a terminal, as plain lines, or as JSON."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Protocol

import click

from errands.v1.event_pb2 import RunEvent

from . import describe
from .documents import document
from .session import echo_json


class Screen(Protocol):
    """Shows one run. A context: what moves on it, moves inside."""

    def event(self, event: RunEvent) -> None: ...

    def say(self, text: str) -> None:
        """Something about the watching, not about the run."""
        ...

    def still(self) -> AbstractContextManager[None]:
        """Inside, nothing moves and a question can be asked."""
        ...

    def close(self) -> None: ...


class JsonScreen:
    """One JSON object to a line; everything else goes to stderr."""

    def event(self, event: RunEvent) -> None:
        echo_json(document(event))

    def say(self, text: str) -> None:
        click.echo(text, err=True)

    def still(self) -> AbstractContextManager[None]:
        return nullcontext()

    def close(self) -> None:
        pass


class PlainScreen(JsonScreen):
    """Lines of text. An event's first line begins with its sequence, which is a cursor."""

    def event(self, event: RunEvent) -> None:
        click.echo(_numbered(event, describe.event(event).text))

    def say(self, text: str) -> None:
        click.echo(text)


class RichScreen:
    """Coloured lines, and below them what is being done at the moment."""

    def __init__(self) -> None:
        from rich.console import Console

        self._console = Console(highlight=False, markup=False, emoji=False)
        self._doing: dict[str, str] = {}
        self._status = self._console.status("…")
        self._status.start()

    def event(self, event: RunEvent) -> None:
        described = describe.event(event)
        text = _numbered(event, described.text)
        self._console.print(text, style=described.style or None, soft_wrap=True)
        self._follow(event)

    def say(self, text: str) -> None:
        self._console.print(text, style="magenta", soft_wrap=True)

    @contextmanager
    def still(self) -> Iterator[None]:
        self._status.stop()
        try:
            yield
        finally:
            self._status.start()

    def close(self) -> None:
        self._status.stop()

    def _follow(self, event: RunEvent) -> None:
        if event.HasField("step_started"):
            self._doing[event.step_started.step_id] = describe.event(event).text
        elif event.HasField("step_completed"):
            self._doing.pop(event.step_completed.step_id, None)
        self._status.update(" · ".join(self._doing.values()) or "…")


def screen(*, json: bool) -> Screen:
    """The screen that fits where stdout goes."""
    if json:
        return JsonScreen()
    return RichScreen() if sys.stdout.isatty() else PlainScreen()


def _numbered(event: RunEvent, text: str) -> str:
    return f"{event.sequence:>4}  " + text.replace("\n", "\n      ")
