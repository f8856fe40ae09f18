"""What a listing becomes: deterministic names, cautious effects, and nothing that cannot be called."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from errands_server.domain.tool import Effect, Repeat
from errands_server.tools.mcp.endpoint import Listing
from errands_server.tools.mcp.importer import MAX_DESCRIPTION, ServerTraits, read_tools
from errands_server.tools.operation import Operation

OBJECT: Mapping[str, Any] = {"type": "object"}


def listed(*tools: Mapping[str, Any], **place: Any) -> tuple[Operation, ...]:
    operations, _ = read_tools(Listing(tools=tools), ServerTraits(origin="https://x.example", **place))
    return operations


def one(**tool: Any) -> Operation:
    (found,) = listed({"name": "act", "inputSchema": OBJECT, **tool})
    return found


@pytest.mark.parametrize(
    ("annotations", "effect", "repeat"),
    [
        (None, Effect.WRITE, Repeat.NEVER),
        ({"readOnlyHint": True}, Effect.READ, Repeat.FREELY),
        ({"readOnlyHint": True, "destructiveHint": True}, Effect.WRITE, Repeat.NEVER),
        ({"readOnlyHint": "yes"}, Effect.WRITE, Repeat.NEVER),
        ({"idempotentHint": True}, Effect.WRITE, Repeat.NEVER),
        ({"destructiveHint": False, "idempotentHint": True}, Effect.WRITE, Repeat.NEVER),
    ],
)
def test_a_hint_never_makes_a_write_repeatable_and_of_two_the_stricter_counts(
    annotations: Any, effect: Effect, repeat: Repeat
) -> None:
    tool = one(annotations=annotations).tool

    assert (tool.effect, tool.repeat) == (effect, repeat)


def test_titles_come_from_the_tool_else_its_annotations_else_its_name() -> None:
    assert one(title="Act now", annotations={"title": "Act"}).tool.title == "Act now"
    assert one(annotations={"title": "Act"}).tool.title == "Act"
    assert one().tool.title == "act"


def test_names_are_letters_every_planner_takes_and_calls_use_the_servers_own() -> None:
    found = listed(*({"name": name, "inputSchema": OBJECT} for name in ("files/read", "files.read", "ok")))

    names = [operation.tool.name for operation in found]
    assert names[2] == "ok"
    assert names[0] != names[1]
    assert all(name.startswith("files_read_") for name in names[:2])
    assert [operation.remote_name for operation in found] == ["files/read", "files.read", "ok"]
    assert names == [operation.tool.name for operation in listed(*_reversed())][::-1]


def _reversed() -> list[Mapping[str, Any]]:
    return [{"name": name, "inputSchema": OBJECT} for name in ("ok", "files.read", "files/read")]


def test_schemas_keep_their_references_and_lose_what_they_cannot_mean() -> None:
    schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "properties": {"line": {"$ref": "#/definitions/Line"}},
        "required": ["line"],
        "definitions": {"Line": {"type": "object", "properties": {"next": {"$ref": "#/definitions/Line"}}}},
    }
    parameters = one(inputSchema=schema).tool.parameters

    assert parameters["required"] == ["line"]
    assert set(parameters["$defs"]) == {"Line"}
    assert "definitions" not in parameters


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        (None, "is no JSON Schema"),
        ([], "is no JSON Schema"),
        (
            {"type": "object", "properties": {"a": {"$ref": "https://evil.example/x"}}},
            "outside this document",
        ),
        ({"type": "object", "properties": {"a": {"$ref": "#/nowhere"}}}, "nowhere"),
        ({"description": "x" * (1 << 20)}, "longer than 1 MiB"),
    ],
)
def test_a_tool_whose_arguments_cannot_be_known_is_left_out_with_the_reason(schema: Any, why: str) -> None:
    good = {"name": "good", "inputSchema": OBJECT}
    operations, left_out = read_tools(
        Listing(tools=({"name": "bad", "inputSchema": schema}, good)),
        ServerTraits(origin="https://x.example"),
    )

    assert [operation.tool.name for operation in operations] == ["good"]
    assert left_out[0].place == "tools.bad"
    assert why in left_out[0].why


def test_the_first_of_two_tools_with_one_name_counts() -> None:
    tool = {"name": "act", "inputSchema": OBJECT}
    operations, left_out = read_tools(Listing(tools=(tool, tool)), ServerTraits(origin="https://x.example"))

    assert len(operations) == 1
    assert "same name" in left_out[0].why


def test_descriptions_are_bounded() -> None:
    assert len(one(description="x" * 100_000).tool.description) == MAX_DESCRIPTION


def test_a_guarded_servers_tools_ask_for_its_scopes() -> None:
    (found,) = listed({"name": "act", "inputSchema": OBJECT}, scopes=("notes:read",))

    assert found.tool.secured
    assert found.security == (("oauth",),)
    assert found.scopes == (("notes:read",),)
