"""Decides which attempts of a run count: of a restarted task, only the attempts since the restart.
Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cloaca_core.run.rows import AttemptRow, RestartRow


def first_attempts(restarts: Iterable[RestartRow]) -> dict[str, int]:
    """For each task that was restarted, the number of its first attempt that counts."""
    first: dict[str, int] = {}
    for restart in restarts:
        first[restart.task_id] = max(restart.first_attempt, first.get(restart.task_id, 0))
    return first


def counted_attempts(
    attempts: Iterable[AttemptRow], restarts: Iterable[RestartRow]
) -> list[AttemptRow]:
    """The attempts that count now, out of all attempts of a run."""
    first = first_attempts(restarts)
    return [row for row in attempts if row.attempt >= first.get(row.task_id, 0)]


def latest_of(attempts: Iterable[AttemptRow]) -> dict[str, AttemptRow]:
    """The latest attempt of each task of a run."""
    latest: dict[str, AttemptRow] = {}
    for row in attempts:
        if row.task_id not in latest or latest[row.task_id].attempt < row.attempt:
            latest[row.task_id] = row
    return latest


def attempts_in(
    number: int, attempts: Iterable[AttemptRow], restarts: Sequence[RestartRow]
) -> list[AttemptRow]:
    """The attempts that counted when an earlier round of the run ended."""
    first = first_attempts([each for each in restarts if each.round <= number])
    later = [each for each in restarts if each.round > number]
    last: dict[str, int] = {}
    for each in sorted(later, key=lambda each: -each.first_attempt):
        last[each.task_id] = each.first_attempt - 1
    return [
        row
        for row in attempts
        if first.get(row.task_id, 0) <= row.attempt <= last.get(row.task_id, row.attempt)
    ]
