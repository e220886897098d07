"""Moves long payloads out of the rows of their runs, for a database that rewrites rows as a whole.

Payloads are the input of a run and the final contexts of its rounds. An empty text in the row means
that the payload has a row of its own. In a database that stores long values apart by itself nothing
is moved.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol, Self, TypeVar

from cloaca_core.run.rows import RunEnd
from cloaca_core.store.sql.base import PayloadQueries
from cloaca_core.store.sql.dialect import Step

LONGEST_IN_ROW: Final = 4096
"""In characters."""


class MakesRun(Protocol):
    """A row that makes a run, or none if its id is None."""

    @property
    def input(self) -> str:
        """The input of the run, as JSON text."""

    def _replace(self, *, input: str = ...) -> Self:  # noqa: A002 - the field has this name
        """The row with another input."""


M = TypeVar("M", bound=MakesRun)


class Payloads:
    """Splits rows into those to write and the steps that write their long payloads.

    With ``queries`` None, all rows stay as they are. The steps come after those that write the
    rows, and do nothing for rows that were refused.
    """

    def __init__(self, queries: PayloadQueries | None) -> None:
        self._queries = queries

    def split_inputs(
        self, made: Sequence[M], run_id: Callable[[M], str | None]
    ) -> tuple[Sequence[M], Step | None]:
        """Split the rows that make runs. ``run_id`` returns the id of the run in a row."""
        if self._queries is None:
            return made, None
        long = [each for each in made if len(each.input) > LONGEST_IN_ROW]
        if not long:  # nearly always
            return made, None
        insert = self._queries.insert_input
        bind = insert.binder(("run_id", "content"))
        rows = [bind((run_id(each), each.input)) for each in long]
        moved = set(map(run_id, long))
        short = [each._replace(input="") if run_id(each) in moved else each for each in made]
        return short, Step(insert, rows=rows)

    def split_ends(
        self, ends: Sequence[RunEnd], runner_id: str, fences: Mapping[str, int]
    ) -> tuple[Sequence[RunEnd], Step | None]:
        """Split the rows that end runs."""
        if self._queries is None:
            return ends, None
        long = [end for end in ends if len(end.final_context or "") > LONGEST_IN_ROW]
        if not long:
            return ends, None
        insert = self._queries.insert_final_context
        bind = insert.binder(("run_id", "content", "runner_id", "fence"))
        rows = [bind((end.id, end.final_context, runner_id, fences[end.id])) for end in long]
        moved = {end.id for end in long}
        short = [end._replace(final_context="") if end.id in moved else end for end in ends]
        return short, Step(insert, rows=rows)

    def copy_input(self, run_id: str, source_id: str) -> Sequence[Step]:
        """Give a run the long input of another run, if that has one."""
        if self._queries is None:
            return ()
        copy = self._queries.copy_input
        return [Step(copy, copy.bind(id=run_id, source_id=source_id))]

    def erase(self, run_ids: object, holder: str) -> Sequence[Step]:
        """Delete the payloads of runs. ``run_ids`` is in the form of a parameter."""
        if self._queries is None:
            return ()
        erase = self._queries.erase_payloads
        return [Step(erase, erase.bind(ids=run_ids, holder=holder))]
