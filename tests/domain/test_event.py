"""Events as they are stored."""

from __future__ import annotations

import pytest

from errands_server.domain import events as e


@pytest.mark.parametrize(
    "body",
    [
        '{"type": "run.teleported", "to": "Rome"}',
        '{"type": "status", "status": "DREAMING"}',
        '{"type": "note"}',
        "{}",
        "[]",
    ],
    ids=["type", "value", "field", "nothing", "list"],
)
def test_what_a_newer_release_wrote_is_an_unknown_event(body: str) -> None:
    with pytest.raises(e.UnknownEvent):
        e.decode(body)


def test_an_unknown_event_says_what_is_unknown() -> None:
    with pytest.raises(e.UnknownEvent, match=r"run\.teleported"):
        e.decode('{"type": "run.teleported"}')


def test_every_event_has_a_type_of_its_own_and_can_be_decoded() -> None:
    kinds = e.Event.__subclasses__()

    assert len({kind.__struct_config__.tag for kind in kinds}) == len(kinds)
    assert set(kinds) == set(e.AnyEvent.__args__)


@pytest.mark.parametrize("number", [0, -1, 2**53 + 1, 2**63, 2**70, 1.5, 1e300])
def test_numbers_come_back_as_they_were(number: float) -> None:
    document = {"n": number, "nested": [{"n": number}]}
    output = e.ApprovalResolved(
        approval_id="a", decision=e.Decision.DONE, actor="x", output=e.Document(text=str(document))
    )

    assert e.decode(e.encode(output)) == output
