"""Assignment: values go where all claims together are served best, else in the order said."""

from __future__ import annotations

from errands_server.planners.catalog.assignment import assign


def test_the_best_pair_yields_where_both_together_gain():
    assert assign({(0, 0): 3.0, (0, 1): 3.1, (1, 1): 2.0}) == {0: 1}
    assert assign({(0, 0): 3.0, (0, 1): 3.1, (1, 0): 0.5, (1, 1): 2.0}) == {0: 0, 1: 1}


def test_equal_claims_are_served_in_order():
    assert assign({(taker, thing): 1.0 for taker in range(3) for thing in range(3)}) == {0: 0, 1: 1, 2: 2}


def test_a_thing_everyone_prefers_does_not_turn_the_order_round():
    assert assign({(0, 0): 1.0, (0, 1): 2.0, (1, 0): 1.0, (1, 1): 2.0}) == {0: 0, 1: 1}


def test_nobody_gets_two_things_and_no_thing_goes_twice():
    given = assign({(0, 0): 1.0, (1, 0): 1.0, (2, 0): 1.0, (2, 1): 0.1})

    assert len(set(given.values())) == len(given) == 2
