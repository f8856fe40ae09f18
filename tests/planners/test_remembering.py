"""Plans that were made before are given again only where they would be made again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import msgspec
import pytest

from errands_server.planners.catalog.interpreter import Interpreter
from errands_server.planners.catalog.planner import CatalogPlanner
from errands_server.ports import Brief
from tests.planners.catalogs import CRM, SHOP
from tests.planners.conftest import NOW


@pytest.fixture
def readings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The intents that were read."""
    read: list[str] = []
    original = Interpreter.interpret

    def counted(self: Interpreter) -> Sequence[object]:
        read.append(self._intent)
        return original(self)

    monkeypatch.setattr(Interpreter, "interpret", counted)
    return read


def brief(intent: str, **fields: object) -> Brief:
    return Brief(**{"intent": intent, "context": "{}", "candidates": SHOP, "now": NOW, **fields})


async def test_the_same_brief_is_read_once_for_a_while(readings: list[str]) -> None:
    planner = CatalogPlanner()
    whole = NOW.replace(minute=0, second=0, microsecond=0)
    one = await planner.plan(brief("list all customers", now=whole))
    other = await planner.plan(brief("list all customers", now=whole + timedelta(minutes=14)))

    assert one == other
    assert len(readings) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"intent": "list orders created after tomorrow", "now": NOW + timedelta(seconds=1)},
        {"now": NOW + timedelta(minutes=15)},
        {"context": '{"status": "open"}'},
        {"candidates": CRM},
        {"candidates": SHOP[1:]},
    ],
)
async def test_whatever_a_plan_follows_from_makes_it_anew(
    change: dict[str, object], readings: list[str]
) -> None:
    planner = CatalogPlanner()
    before = brief(str(change.get("intent", "list orders created after tomorrow")))
    after = msgspec.structs.replace(before, **change)
    await planner.plan(before)
    changed = await planner.plan(after)

    assert len(readings) == 2
    assert changed == await CatalogPlanner().plan(after)
