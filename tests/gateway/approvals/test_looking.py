"""Looking at a link decides nothing, whoever looks, and leaves it to be decided."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

import pytest

from tests.contract.conftest import Serve
from tests.contract.plans import WRITE, steps
from tests.contract.target import Target
from tests.gateway.approvals.link_scanners import AHEAD, BROWSERS, PREVIEWS, SCANNERS
from tests.gateway.approvals.links import CHROME, JSON, PATH, asked, opened, pressed, somebody, waits
from tests.gateway.approvals.parsed import Page
from tests.service import OPERATOR

PROGRAMS: list[dict[str, str]] = [{}, JSON, {"x-api-key": OPERATOR}]


@pytest.mark.parametrize("lookers", [BROWSERS, SCANNERS, PREVIEWS], ids=["browsers", "scanners", "previews"])
async def test_opening_a_link_decides_nothing(
    serve: Serve, target: Target, lookers: Mapping[str, Mapping[str, str]]
) -> None:
    async with serve(steps(WRITE)) as service:
        found = await asked(service)
        for name, headers in lookers.items():
            async with somebody(service, headers) as client:
                for token in (found.approving, found.denying):
                    answer = await opened(client, token)

                    assert answer.status_code == 200, name
                    assert answer.headers["content-type"] == "text/html; charset=utf-8", name
                    assert "token" in Page.of(answer.text).hidden, name
            assert await waits(service, found), name
        assert not target.received
        async with somebody(service) as person:
            await pressed(person, await opened(person, found.approving), "approve")
        await service.finished(found.run_id)

        assert len(target.received) == 1


async def test_fetching_ahead_decides_nothing(serve: Serve, target: Target) -> None:
    async with serve(steps(WRITE)) as service, somebody(service, {}) as client:
        found = await asked(service)
        for (name, headers), program in product(AHEAD.items(), PROGRAMS):
            answer = await opened(client, found.approving, {**headers, **program})

            assert answer.status_code == 200, name
            assert "approve" in Page.of(answer.text).buttons, name
            assert await waits(service, found), name
        assert not target.received


async def test_asking_for_the_head_decides_nothing(serve: Serve, target: Target) -> None:
    async with serve(steps(WRITE)) as service, somebody(service, {}) as client:
        found = await asked(service)
        for token, program in product((found.approving, found.denying), PROGRAMS):
            answer = await client.head(PATH, params={"token": token}, headers=program)

            assert (answer.status_code, answer.content) == (200, b"")
        assert await waits(service, found)
        assert not target.received


async def test_looking_many_times_changes_nothing(serve: Serve) -> None:
    async with serve(steps(WRITE)) as service, somebody(service, CHROME) as client:
        found = await asked(service)
        before = await service.get(found.run_id)
        pages = [await opened(client, found.approving) for _ in range(5)]

        assert len({page.text for page in pages}) == 1
        assert await service.get(found.run_id) == before
