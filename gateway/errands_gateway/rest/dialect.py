"""REST dialects: what an operation is, and what a second interface to the same contract would bring."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, Final, Literal

from grpc import aio
from msgspec import Struct
from starlette.requests import Request
from starlette.types import ASGIApp

from ..backend import Backend
from ..http.caller import Caller
from ..http.problems import Problem, ProblemFormat
from ..http.validation import BodyValidator
from ..streaming.frames import EventDocument

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
    # The value of a header's lines; ValueError says what is wrong with them. None: it is not read.
    read: Callable[[Sequence[str]], Any] | None = None


class Body(Struct, frozen=True, kw_only=True):
    """The JSON object or the form that an operation takes."""

    component: str  # its schema
    required: bool = True
    limit: int = _MAX_BODY  # bytes
    media_type: str = JSON


class ResponseSpec(Struct, frozen=True, kw_only=True):
    """A response of an operation, as the document describes it."""

    description: str
    schema: Schema | None = None  # None: it has no body
    media_type: str = JSON
    more: Mapping[str, Schema] = {}  # other media types it may have
    headers: Mapping[str, str] = {}  # name to description
    links: Mapping[str, Any] = {}  # as in OpenAPI


class Call(Struct, kw_only=True):
    """A request to an operation; parameters and body have the shapes of their schemas."""

    request: Request
    dialect: Dialect
    backend: Backend
    caller: Caller
    path: Mapping[str, str] = {}
    query: Mapping[str, Any] = {}
    headers: Mapping[str, Any] = {}  # those whose parameter has `read`
    body: Mapping[str, Any] = {}

    async def ask(self, method: Any, request: Any) -> Any:
        """Call a method of the server as the caller, within the limit of a request. aio.AioRpcError."""
        call: aio.UnaryUnaryCall[Any, Any] = method(
            request, metadata=self.caller.metadata, timeout=self.backend.settings.limit
        )
        return await call

    @property
    def is_head(self) -> bool:
        """Whether only the headers of the response are wanted."""
        return bool(self.request.method == "HEAD")

    @property
    def base_url(self) -> str:
        """The URL at which callers reach this gateway, without a slash at the end."""
        return (self.backend.settings.public_url or str(self.request.base_url)).rstrip("/")


class Operation(Struct, frozen=True, kw_only=True):
    """One method of one path."""

    method: Literal["GET", "POST", "PATCH", "DELETE"]
    path: str  # the whole of it, with the dialect's prefix
    id: str
    tag: str
    summary: str
    description: str = ""
    parameters: tuple[Parameter, ...] = ()
    body: Body | None = None
    responses: Mapping[int, ResponseSpec]
    problems: tuple[int, ...] = ()  # statuses of problems besides those of every operation
    handle: Callable[[Call], Awaitable[ASGIApp]]
    public: bool = False  # needs no key
    # Responds to a problem with a page for people; the text is the request's id. None: as the dialect does.
    refuse: Callable[[Dialect, Request, Problem, str], ASGIApp] | None = None

    @property
    def is_keyed(self) -> bool:
        """Whether only a key opens it. Streams are opened by tickets, too."""
        return not self.public and all(parameter.name != "ticket" for parameter in self.parameters)


class Dialect(Struct, frozen=True, kw_only=True, eq=False, dict=True):
    """A REST interface to the contract. A gateway serves several side by side."""

    prefix: str  # of its paths: an unknown path with this prefix is answered with a problem of this dialect
    operations: tuple[Operation, ...]
    components: Mapping[str, Schema]  # schemas by name, to validate bodies and for the document
    problem: ProblemFormat
    event_document: EventDocument  # writes the events of streams
    info: Mapping[str, Any]  # of the document, without the version
    tags: Mapping[str, str]  # of operations, with their descriptions
    docs: str = ""  # path before `/openapi.json` and `/docs`

    @cached_property
    def validator(self) -> BodyValidator:
        """Validates bodies against the components."""
        return BodyValidator(self.components)
