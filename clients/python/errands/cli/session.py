"""A session: one command's connection, and how its answers and failures are shown."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator
from typing import IO, Any, Concatenate, Final, ParamSpec, TypeVar

import click
from google.protobuf.message import Message

from ..client import Answer, Connection, Error
from . import exit_codes
from .options import Settings, settings
from .text import clean

P = ParamSpec("P")
R = TypeVar("R")

_NO_KEY: Final = (
    "no API key: set ERRANDS_API_KEY or give --api-key; a server shows its first one when it first starts"
)


class Failure(click.ClickException):
    """A request that failed: one line, and a line for each of several wrong fields."""

    def __init__(self, error: Error) -> None:
        wrong = error.violations
        several = len(wrong) > 1  # one is in the message already, with its field
        super().__init__(f"{len(wrong)} fields are wrong ({error.reason})" if several else clean(str(error)))
        self.exit_code: int = exit_codes.of_code(error.code)  # type: ignore[misc] # click reads it from the instance
        self._violations = [f"  {clean(v.field)}: {clean(v.message)}" for v in wrong] if several else []

    def show(self, file: IO[Any] | None = None) -> None:
        for line in (f"errands: {self.message}", *self._violations):
            click.echo(line, file=file, err=file is None)


class Session:
    """What a command talks through. The connection is made by the first request."""

    def __init__(self, chosen: Settings) -> None:
        self._chosen = chosen
        self._connection: Connection | None = None
        self.json: Final = chosen.json

    @property
    def connection(self) -> Connection:
        if self._connection is None:
            chosen = self._chosen
            if not chosen.api_key:
                raise Error("UNAUTHENTICATED", _NO_KEY, "CREDENTIALS_MISSING")
            ca = chosen.ca.read_bytes() if chosen.ca else None
            self._connection = Connection(chosen.server, api_key=chosen.api_key, tls=chosen.tls, ca=ca)
        return self._connection

    def call(self, method: str, request: Message, answer: type[Answer]) -> Answer:
        """One request, within the chosen timeout. Raises Error."""
        return self.connection.call(method, request, answer, timeout=self._chosen.timeout)

    def pages(self, method: str, request: Any, answer: type[Answer]) -> Iterator[Answer]:
        """Every page of a list, as it is wanted. Raises Error."""
        while True:
            page: Any = self.call(method, request, answer)
            yield page
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()

    def explain(self, error: Error) -> Error:
        """The error, with what to do about it where no server of ours said so."""
        if not error.reason and error.code == "UNAVAILABLE":
            error.message = f"no server answers at {self._chosen.server}: {error.message}"
        elif not error.reason and error.code == "DEADLINE_EXCEEDED":
            error.message = f"{self._chosen.server} did not answer within {self._chosen.timeout:g} seconds"
        return error


def with_session(command: Callable[Concatenate[Session, P], R]) -> Callable[P, R]:
    """Give a command its session first, close it after, and show its errors without a traceback."""

    @functools.wraps(command)
    def run(*arguments: P.args, **more: P.kwargs) -> R:
        session = Session(settings(click.get_current_context()))
        try:
            return command(session, *arguments, **more)
        except Error as error:
            raise Failure(session.explain(error)) from error
        finally:
            session.close()

    return run


def echo_json(document: Any) -> None:
    """One JSON document on one line."""
    click.echo(json.dumps(document, ensure_ascii=False, separators=(",", ":")))
