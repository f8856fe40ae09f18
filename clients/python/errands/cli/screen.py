"""Screens that show a run: on a terminal, as plain lines, or as JSON."""

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
    """Shows one run."""

    def event(self, event: RunEvent) -> None:
        """Show an event."""
        ...

    def say(self, text: str) -> None:
        """Show a line about the watching, such as an outage."""
        ...

    def paused(self) -> AbstractContextManager[None]:
        """Stop what moves on the screen for the length of the block, so that a question can be asked."""
        ...

    def close(self) -> None:
        """Leave the terminal as it was."""
        ...


class JsonScreen:
    """One JSON object to a line; everything else goes to stderr."""

    def event(self, event: RunEvent) -> None:
        echo_json(document(event))

    def say(self, text: str) -> None:
        click.echo(text, err=True)

    def paused(self) -> AbstractContextManager[None]:
        return nullcontext()

    def close(self) -> None:
        pass


class PlainScreen(JsonScreen):
    """Lines of text. An event's first line begins with its sequence, which is a cursor."""

    def event(self, event: RunEvent) -> None:
        click.echo(_with_sequence(event, describe.event(event).text))

    def say(self, text: str) -> None:
        click.echo(text)


class RichScreen:
    """Coloured lines, and below them the steps that are under way."""

    def __init__(self) -> None:
        from rich.console import Console

        self._console = Console(highlight=False, markup=False, emoji=False)
        self._running: dict[str, str] = {}
        self._status = self._console.status("…")
        self._status.start()

    def event(self, event: RunEvent) -> None:
        described = describe.event(event)
        text = _with_sequence(event, described.text)
        self._console.print(text, style=described.style or None, soft_wrap=True)
        if event.HasField("step_started"):
            self._running[event.step_started.step_id] = described.text
        elif event.HasField("step_completed"):
            self._running.pop(event.step_completed.step_id, None)
        self._status.update(" · ".join(self._running.values()) or "…")

    def say(self, text: str) -> None:
        self._console.print(text, style="magenta", soft_wrap=True)

    @contextmanager
    def paused(self) -> Iterator[None]:
        self._status.stop()
        try:
            yield
        finally:
            self._status.start()

    def close(self) -> None:
        self._status.stop()


def screen(*, json: bool) -> Screen:
    """The screen for stdout: JSON if wanted, colours at a terminal, else plain lines."""
    if json:
        return JsonScreen()
    return RichScreen() if sys.stdout.isatty() else PlainScreen()


def _with_sequence(event: RunEvent, text: str) -> str:
    return f"{event.sequence:>4}  " + text.replace("\n", "\n      ")
