"""The cache of what was used last."""

from __future__ import annotations

from errands_server.lru import LruCache


def test_the_first_value_is_kept_until_it_is_replaced() -> None:
    cache: LruCache[str, int] = LruCache(2)
    cache.keep("a", 1)

    assert cache.keep("a", 2) == 1

    cache.replace("a", 3)
    assert cache.find("a") == 3


def test_a_value_that_was_replaced_weighs_nothing() -> None:
    cache: LruCache[str, int] = LruCache(10, lambda value: value)
    for key, value in (("a", 4), ("b", 5), ("b", 6)):
        cache.replace(key, value)

    assert [cache.find(key) for key in "ab"] == [4, 6]


def test_a_value_that_was_removed_is_found_no_more_and_weighs_nothing() -> None:
    cache: LruCache[str, int] = LruCache(10, lambda value: value)
    cache.keep("a", 9)
    cache.remove("a")
    cache.remove("nothing")
    for key in "bc":
        cache.keep(key, 5)

    assert [cache.find(key) for key in "abc"] == [None, 5, 5]
