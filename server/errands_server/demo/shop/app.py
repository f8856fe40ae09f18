"""The shop's HTTP side: routes, idempotency keys and the journal."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, TypeAlias

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from . import door, trouble
from . import faults as fault_documents
from .drafts import invoice_draft, order_draft
from .faults import Fault, Faults
from .ledger import Document, Done, Ledger, Rejected
from .records import Records

Endpoint: TypeAlias = Callable[[Request], Coroutine[Any, Any, Response]]
Create: TypeAlias = Callable[..., Done]

_OPENAPI: Final = Path(__file__).with_name("openapi.json")
_JOURNAL_WAIT: Final = 30.0  # seconds


class Shop:
    """One shop over one file.

    With `keys=False` it neither offers nor honours idempotency keys; with a token it asks for it.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        faults: Mapping[str, Fault] | None = None,
        keys: bool = True,
        token: str = "",
    ) -> None:
        self._ledger = Ledger(path)
        self._records = Records(self._ledger)
        self._faults = Faults(faults)
        self._keys = keys
        self._token = token
        self._in_flight: set[str] = set()
        self._effect = asyncio.Condition()

    def app(self) -> ASGIApp:
        records = self._records
        routes = [
            Route("/openapi.json", self._document),
            Route("/customers", self._read("searchCustomers", self._customers)),
            Route("/products", self._read("searchProducts", self._products)),
            Route("/orders", self._read("listOrders", self._orders)),
            Route(
                "/orders", self._create("createOrder", order_draft, records.create_order), methods=["POST"]
            ),
            Route("/orders/{order_id}", self._read("getOrder", self._order)),
            Route("/invoices", self._read("listInvoices", self._invoices)),
            Route(
                "/invoices",
                self._create("createInvoice", invoice_draft, records.create_invoice),
                methods=["POST"],
            ),
            Route("/_journal", self._journal),
            Route("/_faults", self._put_fault, methods=["POST"]),
            Route("/_faults", self._clear_faults, methods=["DELETE"]),
        ]
        app: ASGIApp = Starlette(routes=routes, exception_handlers={Rejected: _refusal})
        return trouble.with_transport(door.with_token(app, self._token) if self._token else app)

    def close(self) -> None:
        self._ledger.close()

    def _customers(self, request: Request) -> Document:
        query = request.query_params
        return {
            "customers": self._records.customers(email=query.get("email", ""), name=query.get("name", ""))
        }

    def _products(self, request: Request) -> Document:
        return {"products": self._records.products(query=request.query_params.get("q", ""))}

    def _orders(self, request: Request) -> Document:
        return {"orders": self._records.orders(customer_id=request.query_params.get("customer_id", ""))}

    def _order(self, request: Request) -> Document:
        return self._records.order(request.path_params["order_id"])

    def _invoices(self, request: Request) -> Document:
        return {"invoices": self._records.invoices(order_id=request.query_params.get("order_id", ""))}

    def _read(self, operation: str, find: Callable[[Request], Document]) -> Endpoint:
        async def endpoint(request: Request) -> Response:
            fault = self._faults.strike(operation)
            await trouble.before(fault)
            return await trouble.after(fault, JSONResponse(find(request)))

        return endpoint

    def _create(self, operation: str, draft: Callable[[Any], Document], create: Create) -> Endpoint:
        async def endpoint(request: Request) -> Response:
            wanted = draft(await _body(request))
            fault = self._faults.strike(operation)
            key = None if fault.ignore_key else self._key(request)
            with self._flight(key):
                await trouble.before(fault)
                done = create(wanted, key=key)
            async with self._effect:
                self._effect.notify_all()
            headers = {"Idempotent-Replay": "true"} if done.replayed else {}
            return await trouble.after(fault, JSONResponse(done.body, 201, headers))

        return endpoint

    def _key(self, request: Request) -> str | None:
        return request.headers.get("idempotency-key", "").strip('"') or None if self._keys else None

    @contextmanager
    def _flight(self, key: str | None) -> Iterator[None]:
        """Let one request with a key act at a time; another one is told to come back."""
        if key is None:
            yield
            return
        if key in self._in_flight:
            raise Rejected(409, "request_in_flight", "a request with this idempotency key is under way")
        self._in_flight.add(key)
        try:
            yield
        finally:
            self._in_flight.discard(key)

    async def _document(self, request: Request) -> Response:
        document = json.loads(_OPENAPI.read_text())
        document["servers"] = [{"url": str(request.base_url).rstrip("/")}]
        if not self._keys:
            for path in document["paths"].values():
                path.get("post", {}).pop("parameters", None)
        return JSONResponse(door.described(document) if self._token else document)

    async def _journal(self, request: Request) -> Response:
        """Every effect. `?effects=N` waits for so many, but not for ever: the caller counts."""
        wanted = int(request.query_params.get("effects", "0"))
        with suppress(TimeoutError):
            async with asyncio.timeout(_JOURNAL_WAIT), self._effect:
                await self._effect.wait_for(lambda: len(self._ledger.journal()) >= wanted)
        return JSONResponse({"effects": self._ledger.journal()})

    async def _put_fault(self, request: Request) -> Response:
        document = await _body(request)
        try:
            self._faults.put(document.pop("operation", "*"), fault_documents.read(document))
        except (AttributeError, TypeError, ValueError) as error:
            raise Rejected(400, "invalid", f"not a fault: {error}") from error
        return Response(status_code=204)

    async def _clear_faults(self, request: Request) -> Response:
        self._faults.clear()
        return Response(status_code=204)


async def _body(request: Request) -> Any:
    try:
        return await request.json()
    except ValueError as error:
        raise Rejected(400, "invalid", "the body is not JSON") from error
    except ClientDisconnect as gone:
        raise Rejected(400, "invalid", "the body ended too early") from gone


async def _refusal(_: Request, refused: Exception) -> Response:
    if not isinstance(refused, Rejected):
        raise refused
    body = {"error": {"code": refused.code, "message": refused.message}}
    headers = {} if refused.retry_after is None else {"Retry-After": str(refused.retry_after)}
    return JSONResponse(body, refused.status, headers)
