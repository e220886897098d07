"""The common part of the classes of a SQL store in whose transactions features take part."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from cloaca_core.store.sql.base import Queries, SqlPart

if TYPE_CHECKING:
    from cloaca_core.store.sql.batch import BatchSteps
    from cloaca_core.store.sql.commit_part import MakePart, Stages
    from cloaca_core.store.sql.dialect import Dialect


class AskingPart(SqlPart):
    """Operations that ask features for statements. ``_parts`` finds the features. They are made
    with the first transaction that needs them: a program that only reads loads none.
    """

    def __init__(self, dialect: Dialect, queries: Queries) -> None:
        super().__init__(dialect, queries)
        self._parts: Callable[[], Sequence[MakePart]] = tuple

    @cached_property
    def _stages(self) -> Stages:
        from cloaca_core.store.sql.commit_part import Stages  # here, as the parts

        array = self._dialect.array
        return Stages([make(self._queries, array).part() for make in self._parts()])

    @cached_property
    def _batch_steps(self) -> BatchSteps:
        from cloaca_core.store.sql.batch import BatchSteps  # here, as the parts

        return BatchSteps(self._queries, self._dialect.array, self._stages)
