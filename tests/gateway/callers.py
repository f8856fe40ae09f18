"""Callers of the gateway that runs beside a test's server."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import httpx2

from tests.service import PATIENCE, Service

RUN: dict[str, Any] = {
    "intent": "do",
    "selectedCustomerIntegrationIds": ["*"],
    "context": "",
    "userId": "user-1",
}
NOBODY = "00000000-0000-7000-8000-000000000000"


@asynccontextmanager
async def asking(service: Service, **headers: str) -> AsyncGenerator[httpx2.AsyncClient, None]:
    """A client with the key of `service` and these headers, if any."""
    sent = {"x-api-key": service.key, **{name.replace("_", "-"): value for name, value in headers.items()}}
    async with httpx2.AsyncClient(
        base_url=f"http://{service.app.http_address}", headers=sent, timeout=PATIENCE
    ) as client:
        yield client


def errors(answer: httpx2.Response) -> dict[str, str]:
    """What is wrong, by field, as a proper problem says it."""
    return {error["field"]: error["message"] for error in problem(answer)["errors"]}


def reason(answer: httpx2.Response) -> tuple[int, str]:
    """Status and reason of a proper problem."""
    return answer.status_code, problem(answer)["reason"]


def problem(answer: httpx2.Response) -> dict[str, Any]:
    """The body of an answer that must be a problem of RFC 9457, whole and in itself consistent."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    found: dict[str, Any] = answer.json()

    assert list(found) == ["type", "title", "status", "detail", "code", "reason", "errors", "requestId"]
    assert (found["type"], found["status"]) == ("about:blank", answer.status_code)
    assert found["title"] == answer.reason_phrase
    assert found["detail"]
    assert found["requestId"] == answer.headers["x-request-id"]
    assert answer.headers["cache-control"] == "no-store"
    return found
