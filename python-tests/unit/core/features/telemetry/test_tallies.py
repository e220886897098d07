"""Tallies count by labels; a distribution is cumulative, as Prometheus reads it."""

from __future__ import annotations

from cloaca_core.features.telemetry.tallies import Count, Distribution


def test_a_count_grows_by_its_labels() -> None:
    count = Count()
    count.add(("b",))
    count.add(("a",), 2)
    count.add(("b",))

    assert count.items() == [(("a",), 2), (("b",), 2)]


def test_a_value_counts_in_all_bounds_that_it_does_not_exceed() -> None:
    found = Distribution((1.0, 5.0))
    for value in (0.5, 1.0, 3.0, 7.0):  # a value on a bound is within it
        found.add((), value)

    assert found.items() == [((), [("1.0", 2), ("5.0", 3), ("+Inf", 4)], 11.5)]


def test_a_clock_that_was_set_back_makes_no_negative_time() -> None:
    found = Distribution((1.0,))
    found.add(("a",), -3.0)

    assert found.items() == [(("a",), [("1.0", 1), ("+Inf", 1)], 0.0)]
