"""How a workflow fails at present: since when, and whether for one reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING, Final

from cloaca_tools.ui.words.texts import first_error

if TYPE_CHECKING:
    from cloaca_tools.views import RunLine

_ENDED: Final = ("Completed", "Failed", "Cancelled")


@dataclass(frozen=True, slots=True)
class Failing:
    """Failed runs since the last one that completed: ``newest`` of ``runs``, the last that
    ``completed``, None if none of those that are known did, and whether all have the ``error``.
    """

    newest: RunLine
    runs: int
    completed: RunLine | None
    error: str
    same: bool


def failing(runs: Sequence[RunLine]) -> Failing | None:
    """Whether a workflow whose last runs these are, newest first, fails at present."""
    ended = [run for run in runs if run.status in _ENDED]
    failed = list(takewhile(lambda run: run.status == "Failed", ended))
    if not failed:
        return None
    errors = [first_error(run.error_message) for run in failed]
    before = [run for run in ended if run.status == "Completed"]
    return Failing(
        newest=failed[0],
        runs=len(failed),
        completed=before[0] if before else None,
        error=errors[0],
        same=len(set(errors)) == 1,
    )
