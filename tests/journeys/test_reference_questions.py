"""The reference server asks a person: by a form of every kind of field, and by pages."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from errands.cli.exit_codes import Exit
from errands.v1 import approval_pb2, event_pb2
from errands_server.app import Overrides
from tests.cli.command_line import Errands, environment
from tests.cli.test_terminal import Terminal
from tests.contract.refusals import refused
from tests.gateway.approvals.links import somebody
from tests.gateway.chromium import chromium, needed, person, press
from tests.gateway.connecting.links import pressed, told
from tests.journeys.test_mcp import add, everything_over_http, reference
from tests.scripted import Scene, ScriptedPlanner, plan_of
from tests.service import Service, serving, violations

__all__ = ["chromium"]
pytestmark = pytest.mark.counterparts

PAGE = "https://pay.example/basket"
ANSWERS = {
    "name": "Ada",
    "check": True,
    "email": "ada@example.com",
    "homepage": "https://example.com/ada",
    "birthdate": "1985-12-10",
    "integer": 7,
    "number": 2.5,
    "untitledSingleSelectEnum": "Phoebe",
    "untitledMultipleSelectEnum": ["Guitar", "Bass"],
    "titledSingleSelectEnum": "hero-3",
    "titledMultipleSelectEnum": ["fish-2"],
    "legacyTitledEnum": "pet-5",
}


@asynccontextmanager
async def asking(tmp_path: Path, scene: Scene, transport: str) -> AsyncGenerator[Service]:
    """A service whose runs call one tool of the reference server."""
    async with AsyncExitStack() as stack:
        settings: dict[str, Any] = {}
        source: dict[str, Any] = {"mcp_server": "everything"}
        if transport == "http":
            source = {"mcp_url": await stack.enter_async_context(everything_over_http()), "internal": True}
        else:
            settings["mcp_servers"] = reference(tmp_path)
        overrides = Overrides(planner=ScriptedPlanner(plan_of(scene)))
        service = await stack.enter_async_context(serving(tmp_path / "data", overrides, **settings))
        await add(service, "everything", **source)
        yield service


def decision(asked: approval_pb2.Approval, answer: dict[str, Any]) -> approval_pb2.DecideApprovalRequest:
    return approval_pb2.DecideApprovalRequest(
        approval_id=asked.approval_id,
        decision=approval_pb2.DECISION_APPROVE,
        input_json=json.dumps(answer),
    )


@pytest.mark.parametrize("transport", ["stdio", "http"])
async def test_a_form_with_every_kind_of_field_is_answered_by_a_person(
    tmp_path: Path, transport: str
) -> None:
    async with asking(tmp_path, Scene("trigger-elicitation-request"), transport) as service:
        created = await service.create("Ask")
        asked = (await service.until(created.run_id, "approval_required")).approval_required
        wrong = decision(asked, {**ANSWERS, "integer": 101, "legacyTitledEnum": "pet-9"})
        error = await refused(service.approvals.DecideApproval(wrong))
        await service.approvals.DecideApproval(decision(asked, ANSWERS))
        run = await service.finished(created.run_id)

    fields = json.loads(asked.question.schema_json)["properties"]
    assert fields.keys() >= ANSWERS.keys()
    assert violations(error).keys() == {"input_json.integer", "input_json.legacyTitledEnum"}
    assert run.status == event_pb2.RUN_STATUS_SUCCESS, run.error
    for words in ("- Name: Ada", "- Agreed to terms: true", "- Email: ada@example.com"):
        assert words in run.result_json


@pytest.mark.parametrize(
    ("by_error", "pages"),
    [
        (False, [PAGE]),
        # It forgets the page behind its error as soon as it is asked again, and asks once more.
        (True, ["https://modelcontextprotocol.io", PAGE, "https://modelcontextprotocol.io"]),
    ],
    ids=["in the middle of the call", "by an error"],
)
async def test_pages_are_opened_by_a_person(tmp_path: Path, *, by_error: bool, pages: list[str]) -> None:
    scene = Scene("trigger-url-elicitation", {"url": PAGE, "errorPath": by_error})
    async with asking(tmp_path, scene, "http") as service, somebody(service) as ada:
        created = await service.create("Pay", user_id="ada")
        after, said = 0, []
        for _ in pages:
            event = await service.until(created.run_id, "auth_required", after)
            after = event.sequence
            page = await ada.get(event.auth_required.url.partition(service.app.http_address)[2])
            said.append(told(page))
            await pressed(ada, page)
        run = await service.finished(created.run_id)

    assert all(page in text for page, text in zip(pages, said, strict=True))
    assert run.status == event_pb2.RUN_STATUS_SUCCESS, run.error
    assert "User completed the URL elicitation flow" in run.result_json


@needed
@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
async def test_a_person_fills_the_form_in_in_a_browser(tmp_path: Path, chromium: Any, scripts: bool) -> None:
    async with (
        asking(tmp_path, Scene("trigger-elicitation-request"), "stdio") as service,
        person(chromium, java_script_enabled=scripts) as page,
    ):
        created = await service.create("Ask")
        asked = (await service.until(created.run_id, "approval_required")).approval_required
        await page.goto(asked.actions[0].url)
        await page.get_by_label("String", exact=True).fill("Ada")
        await page.get_by_label("Boolean").select_option("true")
        await page.get_by_label("String with email format").fill("ada@example.com")
        await page.get_by_label("Integer").fill("7")
        await page.get_by_label("Legacy Titled").select_option("Reptiles")
        await page.get_by_label("Bass").check()
        await page.screenshot(path=tmp_path / "filled.png")
        said = await press(page, "Send the answer")
        run = await service.finished(created.run_id)

    assert said == "Answered"
    assert run.status == event_pb2.RUN_STATUS_SUCCESS, run.error
    for words in ("- Name: Ada", "- Agreed to terms: true", "- Email: ada@example.com", "Bass"):
        assert words in run.result_json


async def test_a_person_answers_field_by_field_at_the_terminal(tmp_path: Path) -> None:
    async with asking(tmp_path, Scene("trigger-elicitation-request"), "stdio") as service:
        settings = environment(ERRANDS_SERVER=service.app.grpc_address, ERRANDS_API_KEY=service.key)
        code, shown = await asyncio.to_thread(_answered, Errands(settings))

    assert code == Exit.SUCCESS
    assert "optional; several with commas [Guitar]: " in shown
    for words in ("- Name: Ada", "- Favorite Integer: 9", "Guitar", "fish-1"):
        assert words in shown.partition("SUCCESS")[0].partition("RUNNING")[2]


def _answered(errands: Errands) -> tuple[int, str]:
    """How a run ended whose question was answered so, and what the terminal showed."""
    at = Terminal(errands, "run", "Ask")
    at.until("approve / deny / later")
    at.type("approve\n")
    for field, typed in (
        ("name: String", "\n"),
        ("must be given", "Ada\n"),
        *((f"{name}: ", "\n") for name in ("check", "firstLine", "email", "homepage", "birthdate")),
        ("integer: Integer", "nine\n"),
        ("must be an integer", "9\n"),
        *((f"{name}: ", "\n") for name in list(ANSWERS)[6:]),
    ):
        at.until(field)
        at.type(typed)
    return at.end(), at.shown
