"""The name that a misspelt one was probably meant to be."""

from __future__ import annotations

from tables import each_row

from cloaca_core.values.nearest import nearest_name


def test_it_is_the_one_that_is_most_alike() -> None:
    assert nearest_name("retrys", iter(("delay", "retries", "retry"))) == "retry"


def test_where_none_is_alike_there_is_none() -> None:
    assert nearest_name("colour", ("delay", "retry")) is None


@each_row(("cutoff", "found"), [(0.5, "retry"), (1.0, None)])
def test_how_alike_it_must_be_can_be_said(cutoff: float, found: str | None) -> None:
    assert nearest_name("retr", ("retry",), cutoff=cutoff) == found
