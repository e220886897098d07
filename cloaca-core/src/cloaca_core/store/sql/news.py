"""Chooses the transactions of which other processes must be notified soon, by their statements.

Most need no notification: they record steps of a run, which only its owner acts on. Statements that
always need one are declared beside their names; ``beat`` and the inserts of new runs may need one.
"""

from __future__ import annotations

from collections.abc import Sequence

from cloaca_core.store.changes import Change
from cloaca_core.store.runner_rows import Sharing
from cloaca_core.store.sql.dialect import Step


class News:
    """Remembers, for one runner's commits, the end of its lease and its last request for runs, as
    other processes know them.
    """

    def __init__(self) -> None:
        self._lease_until: int | None = None
        self._asked = 0

    def of(self, steps: Sequence[Step]) -> Change | None:
        """``ANYTHING`` if a runner was added or removed, took or released work, if runs or a runner
        were steered, or if a schedule or a trigger may be due sooner; ``MOVES`` if runs have moved
        to other queues, also beside other changes of runs; ``RUNS`` if runs have ended or may be
        claimed; otherwise None.
        """
        found: Change | None = None
        for each in steps:
            kind = self._kind(each)
            if kind is Change.ANYTHING:
                return kind
            if kind is not None and found is not Change.MOVES:
                found = kind
        return found

    def wrote(self, steps: Sequence[Step]) -> None:
        """Note that these steps were committed. A lease that ends sooner than the one before is
        news, as other processes look again when the lease that they know of has ended.
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
        news = one.statement.news
        return Change.RUNS if news is Change.MOVES and not _moves_runs(one) else news

    def _is_news(self, beat: Step) -> bool:
        """Whether a lease ends sooner than the one before, or a request for runs is new or
        withdrawn.
        """
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


def _moves_runs(park: Step) -> bool:
    """Whether a run goes to another queue and may be claimed there at once."""
    queue, due_at = map(park.statement.parameters.index, ("queue", "due_at"))
    return any(row[queue] is not None and row[due_at] is None for row in park.rows or ())


def _leaves_runs_unowned(insert: Step) -> bool:
    owner = insert.statement.parameters.index("owner")
    return any(row[owner] is None for row in insert.rows or ())
