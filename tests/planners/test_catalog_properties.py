"""The catalog planner under any words whatever: it never fails, never differs, never breaks a plan."""

from __future__ import annotations

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from errands_server.domain.plan import Plan, check
from errands_server.planners.catalog.planner import CatalogPlanner
from errands_server.ports import Brief, Finding, Refusal, ResultBrief
from tests.planners.catalogs import CRM, PLANNER, SHOP
from tests.planners.conftest import NOW

TOOLS = SHOP + PLANNER + CRM
WORDS = """
    create list show find delete cancel update an order customer product deal contact named called for of
    to from with and then , ; . 'blue mug' "x" ada@example.com ORD-17 3 1,200 5% tomorrow 2025-02-30
    2025-04-01 Rome Paris all status open it them not gift =
"""
PIECES = st.sampled_from(WORDS.split())
INTENTS = st.one_of(st.text(max_size=200), st.lists(PIECES, max_size=25).map(" ".join))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)
CONTEXTS = st.one_of(
    st.text(max_size=60),
    st.sampled_from(
        ["customer_id=c_1 limit=x", '{"email": 5, "amount": "1e999"}', "timezone=../../etc", "tz=\0"]
    ),
)


@settings(max_examples=300, deadline=None)
@given(INTENTS, CONTEXTS)
def test_any_intent_gives_a_sound_plan_or_a_refusal_and_always_the_same(intent, context):
    brief = Brief(intent=intent, context=context, candidates=TOOLS, now=NOW)

    first, second = (asyncio.run(CatalogPlanner().plan(brief)).outcome for _ in range(2))

    assert first == second
    assert isinstance(first, Plan | Refusal)
    if isinstance(first, Plan):
        check(first)
        assert all(step.description and step.calls for step in first.steps)


@settings(max_examples=150, deadline=None)
@given(JSON, JSON)
def test_any_output_and_any_schema_conclude(schema, output):
    brief = Brief(intent="list orders", context="", candidates=SHOP, now=NOW)
    plan = asyncio.run(CatalogPlanner().plan(brief)).outcome
    assert isinstance(plan, Plan)
    finding = Finding(step=plan.steps[0], outcome="done", output=output)
    shape = schema if isinstance(schema, dict) else {}

    of = ResultBrief(intent="", schema={"type": "object", "properties": shape}, findings=[finding])
    asyncio.run(CatalogPlanner().conclude(of))
