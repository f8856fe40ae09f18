"""Ids, texts and JSON values go out as they were said; what is only partly a number is no number."""

from __future__ import annotations

from typing import Any

import pytest

from errands_server.domain.errors import Reason
from errands_server.ports import Refusal
from tests.planners.catalogs import TEXT, WHOLE, thing, tool
from tests.planners.conftest import calls

OBJECT = {"type": "object"}
CLUSTER = (
    tool("deleteUser", "Delete a user", "DELETE", "/users/{id}", thing("id", id=TEXT)),
    tool("deletePod", "Delete a pod", "DELETE", "/pods/{name}", thing("name", name=TEXT)),
    tool("deleteDocument", "Delete a document", "DELETE", "/documents/{id}", thing("id", id=TEXT)),
    tool(
        "replaceDeployment",
        "Replace a deployment",
        "PUT",
        "/deployments/{name}",
        thing("name body", name=TEXT, body=OBJECT),
    ),
)
COUNTER = (
    tool("deleteRow", "Delete a row", "DELETE", "/rows/{number}", thing("number", number=WHOLE)),
    tool("setLimit", "Set a limit", "PUT", "/limit", thing("body", body=thing("limit", limit=WHOLE))),
)


@pytest.mark.parametrize(
    "said",
    ["7b", "007", "1e3", "10k", "3x9", "0x1F", "12-b", "00012", "2f3a", "507f1f77bcf86cd799439011", "1_000"],
)
async def test_an_id_goes_out_as_it_was_said(ask: Any, said: str) -> None:
    assert calls(await ask(f"Delete user {said}", CLUSTER)) == [("deleteUser", {"id": said})]
    assert calls(await ask(f"Please delete the document {said}.", CLUSTER)) == [
        ("deleteDocument", {"id": said})
    ]


@pytest.mark.parametrize("said", ["5d8f7c9b6d-2xkqz", "web-5d8f7c9b6d-2xkqz", "7c9b-1", "9f-web-2"])
async def test_a_name_that_begins_with_a_digit_is_whole(ask: Any, said: str) -> None:
    assert calls(await ask(f"Delete the pod {said}", CLUSTER)) == [("deletePod", {"name": said})]


@pytest.mark.parametrize("said", ["7b", "10k", "5d8f", "12-b"])
async def test_what_is_only_partly_a_number_is_no_number(ask: Any, said: str) -> None:
    for intent in (f"Delete row {said}", f"Set the limit to {said}"):
        refusal = await ask(intent, COUNTER)
        assert isinstance(refusal, Refusal), refusal
        assert refusal.reason in {Reason.ARGUMENT_MISSING, Reason.NO_FITTING_TOOL}


@pytest.mark.parametrize(
    ("said", "value"),
    [
        ('{"spec":{"replicas":3}}', {"spec": {"replicas": 3}}),
        ('{"a": [1, {"b": "}"}], "c": {"d": {}}}', {"a": [1, {"b": "}"}], "c": {"d": {}}}),
        ("{'spec': {'image': 'web'}}", {"spec": {"image": "web"}}),
        ('{"note": "do not delete, only if it rains"}', {"note": "do not delete, only if it rains"}),
    ],
)
async def test_a_json_value_is_one_value(ask: Any, said: str, value: Any) -> None:
    planned = await ask(f"Replace deployment web with {said}", CLUSTER)
    ((call,),) = (step.calls for step in planned.steps)

    assert call.arguments == {"name": "web", "body": value}
