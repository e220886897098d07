"""To which queue a run moves."""

from __future__ import annotations

from cloaca_core.run.restore import FRESH
from cloaca_core.run.route import Route, next_queue


def test_a_run_moves_where_most_of_it_asks_to_among_those_that_are_served() -> None:
    served = {"cpu", "tape"}
    assert next_queue(["gpu", "gpu", "tape", "cpu", "cpu"], served.__contains__) == "cpu"
    assert next_queue(["gpu", "tape", "gpu"], served.__contains__) == "tape"


def test_where_nobody_serves_one_it_moves_where_most_of_it_asks_to() -> None:
    assert next_queue(["tape", "gpu", "gpu"], lambda _: False) == "gpu"


def test_only_tasks_that_are_kept_count() -> None:
    route = Route(["cpu", "gpu", "gpu"], lambda _: True)
    route.elsewhere |= {2: FRESH}
    assert route.next() == "gpu"
    assert route.take() == {2: FRESH}
    assert route.elsewhere == {}
