"""Of a task that was restarted the attempts since then count."""

from __future__ import annotations

from cloaca_core.run.counting import attempts_in, first_attempts
from cloaca_core.run.rows import RestartRow
from cloaca_testing.conformance.rows import attempt


def restart(task: str, number: int, first: int) -> RestartRow:
    return RestartRow("r", task, first, number)


def test_the_latest_restart_of_a_task_says_from_where_on_they_count() -> None:
    restarts = [restart("pack", 2, 3), restart("pack", 3, 5), restart("send", 2, 2)]

    assert first_attempts(restarts) == {"pack": 5, "send": 2}
    assert first_attempts([]) == {}


def test_in_an_earlier_round_those_before_the_next_restart_counted() -> None:
    attempts = [attempt("r", "pack", each) for each in range(1, 7)]
    restarts = [restart("pack", 2, 3), restart("pack", 3, 5)]

    counted = [[row.attempt for row in attempts_in(n, attempts, restarts)] for n in (1, 2, 3)]

    assert counted == [[1, 2], [3, 4], [5, 6]]
