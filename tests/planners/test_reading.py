"""How sentences are read into arguments: units, labels, rows, forms, and what only adds to a demand."""

from __future__ import annotations

from typing import Any

import pytest

from errands_server.domain.errors import Reason
from errands_server.domain.tool import Effect
from tests.planners.catalogs import CRM, SHOP, TEXT, WHOLE, listed, thing, tool
from tests.planners.conftest import calls

DECIMAL = {"type": "number"}


def posted(name: str, description: str, required: str, *, effect: Effect = Effect.WRITE, **properties: Any):
    body = thing("body", body=thing(required, **properties))
    return (tool(name, name, "POST", f"/{name}", body, description=description, effect=effect),)


RAFT = posted("raft_load", "Calculate the load of a raft.", "mass depth", mass=DECIMAL, depth=DECIMAL)
SAVINGS = posted("savings_grow", "Calculate how savings grow.", "price years", price=WHOLE, years=WHOLE)
SLOPE = posted("slope_fit", "Compute the slope of a function.", "function", function=TEXT)
RAMP = posted("ramp_area", "Calculate the area of a ramp.", "base height", base=WHOLE, height=WHOLE)
CONTRACT = posted("contract_draft", "Generate a contract.", "parties", parties=listed(TEXT))
GUIDE = posted(
    "guide_find",
    "Find a guide for visitors.",
    "location",
    effect=Effect.READ,
    location=TEXT,
    guide_name=TEXT,
    day=TEXT,
    shape={"type": "string", "enum": ["tour", "Slow Walk"]},
)
BAKE = posted(
    "bake_search",
    "Search for things to bake.",
    "sweet fresh_batch weekday",
    effect=Effect.READ,
    sweet=TEXT,
    fresh_batch={"type": "boolean"},
    nuts={"type": "string", "enum": ["True", "False"]},
    weekday={"type": "string", "enum": ["Saturday", "Sunday"]},
    flour={"type": "string", "enum": ["Rye", "Gluten Free"]},
)
EXPORT = posted(
    "export_start",
    "Start an export.",
    "begin",
    begin={**TEXT, "description": "The first moment, as DD/MM/YYYY HH:MM"},
    until={**TEXT, "description": "The last day (month-day-year)"},
    system=TEXT,
)
GRID = posted(
    "grid_turn", "Turn a grid.", "cells", cells=listed(listed(WHOLE)), labels={"type": "object"}, turns=WHOLE
)
SONG = posted(
    "song_find", "Find songs.", "", singer=TEXT, chorus=TEXT, mood={"type": "string", "enum": ["glad"]}
)
TREND = posted("trend_draw", "Draw a trend.", "points", points=listed(DECIMAL))
SHELF = posted(
    "shelf_manage",
    "Manages the books of a shelf.",
    "book step",
    book=TEXT,
    step={"type": "string", "enum": ["add", "delete", "count"]},
)
PLAY = posted("play_find", "Find plays on stage.", "date", date=TEXT, encore_count=WHOLE)
VISIT = posted(
    "visit_note",
    "Note a visit.",
    "visit_date",
    visit_date={**TEXT, "description": "When, in the format DD/MM/YYYY"},
    visit_time=TEXT,
)

READ = [
    (TREND, "Draw the trend through the points 2.5 in spring, 4 in summer", {"points": [2.5, 4]}),
    (SONG, "Find glad songs with Mia Berg as the singer", {"mood": "glad", "singer": "Mia Berg"}),
    (SONG, "Find songs where Mia Berg sings with Tom in the chorus", {"singer": "Mia Berg", "chorus": "Tom"}),
    (SHELF, "I am done. Remove the book 'Reefs' from my shelf", {"book": "Reefs", "step": "delete"}),
    (
        GRID,
        "Turn the grid [[1, 2], [3, 4]] with labels {'rows': 'ab'}",
        {"cells": [[1, 2], [3, 4]], "labels.rows": "ab"},
    ),
    (PLAY, "Find plays on stage this weekend", {"date": "this weekend"}),
    (PLAY, "Find plays with three encores on stage next month", {"date": "next month", "encore_count": 3}),
    (
        BAKE,
        "Search for a fresh gluten-free carrot cake to bake on Saturday, without nuts",
        {
            "sweet": "carrot cake",
            "fresh_batch": True,
            "nuts": "False",
            "weekday": "Saturday",
            "flour": "Gluten Free",
        },
    ),
    (
        EXPORT,
        "Start an export from 4 May 2025 at 3pm until 7 May 2025 on system Plan 9",
        {"begin": "04/05/2025 15:00", "until": "05-07-2025", "system": "Plan 9"},
    ),
    (RAFT, "Calculate the load of a raft at 3 m and 70 kg", {"mass": 70, "depth": 3}),
    (SAVINGS, "Calculate how savings grow in 4 years from $2.5M", {"price": 2_500_000, "years": 4}),
    (SLOPE, "Compute the slope of 4y^2 - 3y + 1", {"function": "4y^2 - 3y + 1"}),
    (RAMP, "Calculate the area of a ramp whose base and height are 8 and 3", {"base": 8, "height": 3}),
    (CONTRACT, "Generate a contract between Mia and Tom", {"parties": ["Mia", "Tom"]}),
    (GUIDE, "Find a guide for visitors in Bergen, Norway", {"location": "Bergen, Norway"}),
    (GUIDE, "Hello! Find a guide for visitors in Bergen", {"location": "Bergen"}),
    (
        GUIDE,
        "Find a guide in Bergen, the mountain guide Kari Dahl",
        {"location": "Bergen", "guide_name": "Kari Dahl"},
    ),
    (GUIDE, "Find a guide in Bergen for the 'slow walk'", {"location": "Bergen", "shape": "Slow Walk"}),
    (
        VISIT,
        "Note a visit on 4 May 2025 with visit time 5:30 pm",
        {"visit_date": "04/05/2025", "visit_time": "17:30"},
    ),
]


@pytest.mark.parametrize(("tools", "intent", "arguments"), READ, ids=[case[1] for case in READ])
async def test_a_value_goes_where_its_unit_label_or_form_says(ask, tools, intent, arguments):
    ((_, given),) = calls(await ask(intent, tools))

    assert given == arguments


async def test_a_sentence_that_only_says_how_things_are_adds_to_the_demand_beside_it(ask):
    intent = "I am in Bergen this week. Find a guide for visitors in Bergen"

    assert calls(await ask(intent, GUIDE)) == [("guide_find", {"location": "Bergen"})]


async def test_a_demand_is_found_in_the_middle_of_a_story(ask):
    intent = (
        "We have been sailing along the coast for weeks, and the crew is tired of the cabin. "
        "Could you find a guide for visitors in Bergen? The boat has two masts and needs paint."
    )

    assert calls(await ask(intent, GUIDE)) == [("guide_find", {"location": "Bergen"})]


async def test_a_demand_said_again_is_met_once(ask):
    intent = "Find a guide for visitors in Bergen. Could you find a guide in Bergen?"

    assert calls(await ask(intent, GUIDE)) == [("guide_find", {"location": "Bergen"})]


async def test_a_clause_that_sets_a_parameter_adds_to_the_call_before_it(ask):
    intent = "Create a task called Clean desk, set the priority to high"

    assert calls(await ask(intent, CRM)) == [("tasks_create", {"title": "Clean desk", "priority": "high"})]


@pytest.mark.parametrize(
    "intent",
    [
        "list customers and delete deal 7",
        "list orders of customer c_1 and ship product p_2",
        "list orders and launch order ORD-1",
    ],
)
async def test_a_clause_that_asks_for_another_action_is_never_swallowed(ask, intent):
    refusal = await ask(intent, SHOP)

    assert refusal.reason in (Reason.NO_FITTING_TOOL, Reason.ARGUMENT_MISSING)
