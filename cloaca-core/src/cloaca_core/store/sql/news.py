"""Chooses the transactions that other processes must hear of soon, by their statements.

Most are none: they record steps of a run, which only its owner acts on. Which statements are always
news stands with their names; ``beat`` and the inserts of new runs may be.
"""

from __future__ import annotations

from collections.abc import Sequence

from cloaca_core.store.changes import Change
from cloaca_core.store.runner_rows import Sharing
from cloaca_core.store.sql.dialect import Step


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
        return one.statement.news

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
