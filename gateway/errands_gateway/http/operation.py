"""An operation of the REST interface: one row of the table that routes and document come from."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

from grpc import aio
from msgspec import Struct
from starlette.requests import Request
from starlette.types import ASGIApp

from .caller import Caller
from .problems import Problem

if TYPE_CHECKING:
    from ..backend import Backend

Schema = Mapping[str, Any]
"""A JSON Schema."""

BOOLEAN: Final[Schema] = {"type": "boolean", "default": False}
STRING: Final[Schema] = {"type": "string"}
JSON: Final = "application/json"
FORM: Final = "application/x-www-form-urlencoded"
HTML: Final = "text/html"
PAGE: Final[Schema] = {"type": "string", "description": "A page."}
_MAX_BODY: Final = 1 << 20  # bytes


def ref(name: str) -> Schema:
    """A reference to a component."""
    return {"$ref": f"#/components/schemas/{name}"}


class Parameter(Struct, frozen=True, kw_only=True):
    """A parameter of an operation. Those in the query are read by their schema."""

    name: str
    where: Literal["query", "path", "header"] = "query"
    schema: Schema
    description: str
    required: bool = False
    explode: bool = False  # may be given several times
    # Makes a value of a header's lines; ValueError says what is wrong with them.
    read: Callable[[Sequence[str]], Any] | None = None


class Body(Struct, frozen=True, kw_only=True):
    """The JSON object or the form an operation takes. `limit` is in bytes."""

    component: str
    required: bool = True
    limit: int = _MAX_BODY
    media_type: str = JSON


class Answer(Struct, frozen=True, kw_only=True):
    """One way an operation answers."""

    description: str
    schema: Schema | None = None
    media_type: str = JSON
    more: Mapping[str, Schema] = {}  # other media types it may have
    headers: Mapping[str, str] = {}  # name to description
    links: Mapping[str, Any] = {}  # as in OpenAPI


class Call(Struct, kw_only=True):
    """A request that was read: parameters and body have the shapes their schemas say."""

    request: Request
    gateway: Backend
    caller: Caller
    path: Mapping[str, str] = {}
    query: Mapping[str, Any] = {}
    headers: Mapping[str, Any] = {}  # those with a rule of their own
    body: Mapping[str, Any] = {}

    async def ask(self, method: Any, request: Any) -> Any:
        """Call the server as the caller, within the gateway's limit. aio.AioRpcError."""
        call: aio.UnaryUnaryCall[Any, Any] = method(
            request, metadata=self.caller.metadata, timeout=self.gateway.settings.limit
        )
        return await call

    @property
    def head(self) -> bool:
        """Whether only the headers of the answer are wanted."""
        return bool(self.request.method == "HEAD")


class Operation(Struct, frozen=True, kw_only=True):
    """One method of one path."""

    method: Literal["GET", "POST", "PATCH", "DELETE"]
    path: str
    id: str
    tag: str
    summary: str
    description: str = ""
    parameters: tuple[Parameter, ...] = ()
    body: Body | None = None
    answers: Mapping[int, Answer]
    problems: tuple[int, ...] = ()  # statuses besides those any operation may answer with
    handle: Callable[[Call], Awaitable[ASGIApp]]
    public: bool = False  # needs no key
    refuse: Callable[[Request, Problem, str], ASGIApp] | None = None  # answers with a problem or a page

    @property
    def keyed(self) -> bool:
        """Whether nothing but a key opens it; streams are also opened by tickets."""
        return not self.public and all(parameter.name != "ticket" for parameter in self.parameters)
