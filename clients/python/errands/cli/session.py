"""One command's client of the server, and how its documents and failures are printed."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator
from typing import IO, Any, Concatenate, Final, ParamSpec, TypeVar

import click
from google.protobuf.message import Message

from ..client import Client, Error, Response
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
    """A command's access to the server. The first request connects."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client: Client | None = None
        self.json: Final = settings.json

    @property
    def client(self) -> Client:
        if self._client is None:
            settings = self._settings
            if not settings.api_key:
                raise Error("UNAUTHENTICATED", _NO_KEY, "CREDENTIALS_MISSING")
            ca = settings.ca.read_bytes() if settings.ca else None
            self._client = Client(settings.server, api_key=settings.api_key, tls=settings.tls, ca=ca)
        return self._client

    def call(self, method: str, request: Message, response: type[Response]) -> Response:
        """Send one request with the command line's timeout and return its response. Raises Error."""
        return self.client.call(method, request, response, timeout=self._settings.timeout)

    def pages(self, method: str, request: Any, response: type[Response]) -> Iterator[Response]:
        """Yield the pages of a list, each fetched when the caller asks for it. Raises Error."""
        while True:
            page: Any = self.call(method, request, response)
            yield page
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    def close(self) -> None:
        if self._client is not None:
            self._client.close()

    def explain(self, error: Error) -> Error:
        """Add to an error of the channel the address that was tried. Returns the same error."""
        if not error.reason and error.code == "UNAVAILABLE":
            error.message = f"no server answers at {self._settings.server}: {error.message}"
        elif not error.reason and error.code == "DEADLINE_EXCEEDED":
            error.message = (
                f"{self._settings.server} did not answer within {self._settings.timeout:g} seconds"
            )
        return error


def with_session(command: Callable[Concatenate[Session, P], R]) -> Callable[P, R]:
    """Pass a session as the first argument, close it after the command, and report Error as Failure."""

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
    """Print one JSON document on one line."""
    click.echo(json.dumps(document, ensure_ascii=False, separators=(",", ":")))
