"""What is obtained is kept until shortly before it runs out, and fetched once however many want it."""

from __future__ import annotations

import asyncio

import pytest

from errands_server.credentials.pass_through.entries import AwsRole, OktaApp
from errands_server.credentials.pass_through.token_cache import (
    CachedToken,
    TokenCache,
    cache_key,
    good_until,
    refusal,
)
from errands_server.ports import CallFailed


class Fetching:
    """Gives a new token each time, good for a minute by a clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 0
        self.count = 0
        self.may_answer = asyncio.Event()
        self.answer: CallFailed | None = None

    async def __call__(self) -> CachedToken[str] | CallFailed:
        self.count += 1
        number = self.count
        await self.may_answer.wait()
        return self.answer or CachedToken(f"token {number}", good_until(self.now, 60_000))


@pytest.fixture
def fetching() -> Fetching:
    return Fetching()


@pytest.fixture
def kept(fetching: Fetching) -> TokenCache[str]:
    return TokenCache(lambda: fetching.now)


async def test_many_who_want_it_at_once_share_one_fetch(kept: TokenCache[str], fetching: Fetching) -> None:
    tasks = [asyncio.create_task(kept.get("a", fetching)) for _ in range(50)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    fetching.may_answer.set()
    found = await asyncio.gather(*tasks[1:])

    assert set(found) == {"token 1"}
    assert fetching.count == 1


async def test_who_comes_while_the_first_are_being_told_shares_it_too(
    kept: TokenCache[str], fetching: Fetching
) -> None:
    late: list[asyncio.Task[str | CallFailed]] = []

    async def come(turns: int) -> str | CallFailed:
        for _ in range(turns):  # of the event loop, after the fetch
            await asyncio.sleep(0)
        return await kept.get("a", fetching)

    async def fetch() -> CachedToken[str] | CallFailed:
        late.extend(asyncio.create_task(come(turns)) for turns in range(1, 5))
        return await fetching()

    fetching.may_answer.set()
    first = await kept.get("a", fetch)

    assert set(await asyncio.gather(*late)) == {first}
    assert fetching.count == 1


async def test_a_failure_is_shared_and_not_kept(kept: TokenCache[str], fetching: Fetching) -> None:
    fetching.answer = refusal("no")
    fetching.may_answer.set()
    found = await asyncio.gather(*(kept.get("a", fetching) for _ in range(5)))
    fetching.answer = None

    assert found == [refusal("no")] * 5
    assert fetching.count == 1
    assert await kept.get("a", fetching) == "token 2"


async def test_it_is_fetched_anew_shortly_before_its_end(kept: TokenCache[str], fetching: Fetching) -> None:
    fetching.may_answer.set()
    first = await kept.get("a", fetching)
    fetching.now = 53_999
    still = await kept.get("a", fetching)
    fetching.now = 54_000
    anew = await kept.get("a", fetching)

    assert (first, still, anew) == ("token 1", "token 1", "token 2")


async def test_only_what_is_kept_can_be_forgotten(kept: TokenCache[str], fetching: Fetching) -> None:
    """Of many whose token was refused, the first forgets it; the others use its successor."""
    fetching.may_answer.set()
    await kept.get("a", fetching)

    assert kept.invalidate("a", "token 1")
    await kept.get("a", fetching)
    assert not kept.invalidate("a", "token 1")
    assert kept.find("a") == "token 2"


def test_whoever_has_other_values_or_another_tenant_gets_nothing_of_it() -> None:
    app = OktaApp(client_id="a", kid="k", private_key="one", oauth_token_url="u", scope="s")
    other = OktaApp(client_id="a", kid="k", private_key="two", oauth_token_url="u", scope="s")
    role, stranger = AwsRole(role_arn="r", external_id="e"), AwsRole(role_arn="r", external_id="f")
    keys = [
        cache_key("t", app),
        cache_key("t", other),
        cache_key("u", app),
        cache_key("t", role),
        cache_key("t", stranger),
    ]

    assert len(set(keys)) == len(keys)
    assert "one" not in repr(keys)
    assert "one" not in repr(app)
