"""Chooses the transactions that other processes must hear of soon, by their statements.

Most are none: they record steps of a run, which only its owner acts on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from cloaca_core.store.changes import Change
from cloaca_core.store.runner_rows import Sharing
from cloaca_core.store.sql.dialect import Step

_OF_RUNNERS: Final = ("release", "unregister", "register", "take_over_runs", "fence", "drain")
_OF_SCHEDULES: Final = ("put_schedule", "retime_schedule", "add_trigger", "change_trigger")
"""Changes of schedules and triggers: runners fire only those they know of."""
_OF_RUNS: Final = (
    "insert_unowned_run",
    "insert_tick_run",
    "insert_event_run",
    "make_due_claimable",
    "make_claimable_after_set_back",
    "park_run",
    "leave_run",
    "end_run",
    "cancel_run",
    "expire_runs",
)
_OF_ACTS: Final = (
    "note_cancel",
    "note_pause",
    "note_resume",
    "note_pause_of_children",
    "note_retry",
    "note_forking",
    "note_workflow_act",
    "note_schedule_act",
    "count_messages",
)
"""Acts on runs: their owners are to heed them at once."""
KINDS: Final[Mapping[str, Change]] = {
    **dict.fromkeys(_OF_RUNS, Change.RUNS),
    **dict.fromkeys((*_OF_RUNNERS, *_OF_SCHEDULES, *_OF_ACTS), Change.ANYTHING),
}
"""Statements that are always news. ``beat`` and the inserts of new runs may be."""


class News:
    """Knows of one runner's commits until when others take it for alive, and its last ask."""

    def __init__(self) -> None:
        self._lease_until: int | None = None
        self._asked = 0

    def of(self, steps: Sequence[Step]) -> Change | None:
        """``ANYTHING`` if a runner came or went, took up or released work, if something is asked of
        runs or of a runner, or if a schedule or a trigger may be due sooner; ``RUNS`` if runs have
        ended or may be claimed; else None.
        """
        found: Change | None = None
        for each in steps:
            kind = self._kind(each)
            if kind is Change.ANYTHING:
                return kind
            found = found or kind
        return found

    def wrote(self, steps: Sequence[Step]) -> None:
        """Note that these steps were committed: a lease that ends sooner than the one before is
        news, as others look again when the one that they know of has ended.
        """
        for each in steps:
            if each.statement.name == "beat":
                self._lease_until, self._asked = _lease_until(each), _asked(each)

    def _kind(self, one: Step) -> Change | None:
        name = one.statement.name
        if name in {"insert_run", "insert_plain_run"}:
            return Change.RUNS if _leaves_runs_unowned(one) else None
        if name == "beat":
            return Change.ANYTHING if self._is_news(one) else None
        return KINDS.get(name)

    def _is_news(self, beat: Step) -> bool:
        """Whether a lease ends sooner than the one before, or an ask for runs is new or over."""
        known = self._lease_until
        return known is None or _lease_until(beat) < known or _asked(beat) != self._asked


def _lease_until(beat: Step) -> int:
    until = beat.params[beat.statement.parameters.index("lease_until")]
    assert isinstance(until, int), "a beat names the end of its lease"
    return until


def _asked(beat: Step) -> int:
    text = beat.params[beat.statement.parameters.index("sharing")]
    assert text is None or isinstance(text, str), "it is the text of a Sharing"
    return Sharing.of(text).asked


def _leaves_runs_unowned(insert: Step) -> bool:
    owner = insert.statement.parameters.index("owner")
    return any(row[owner] is None for row in insert.rows or ())
