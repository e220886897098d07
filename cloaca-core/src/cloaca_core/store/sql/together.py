"""Joins the reads of operations that are awaited at the same time into one transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from functools import partial
from itertools import islice
from typing import TypeAlias

from cloaca_core.store.sql.dialect import Answers, Dialect, Step

Asked: TypeAlias = tuple[Sequence[Step], asyncio.Future[Answers]]
"""The steps of a read, and its answer to come."""


class ReadsTogether:
    """Stands in place of the dialect of a store that only reads. Contracts: see ``Dialect``."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._asked: list[Asked] = []
        self._under_way: set[asyncio.Task[Answers]] = set()

    def array(self, values: Collection[str | int]) -> object:
        """As the dialect itself does."""
        return self._dialect.array(values)

    async def read(self, steps: Sequence[Step]) -> Answers:
        """Run the steps with those of all reads that begin before the loop has nothing else to do
        for them: a read within a task of a task begins some turns of the loop later.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Answers] = loop.create_future()
        if not self._asked:
            loop.call_soon(self._begin, 0)
        self._asked.append((steps, answer))
        return await answer

    def _begin(self, known: int) -> None:
        """Send the reads, unless others have begun since ``known`` ones had."""
        if len(self._asked) > known:
            asyncio.get_running_loop().call_soon(self._begin, len(self._asked))
            return
        asked, self._asked = self._asked, []
        everything = [step for steps, _ in asked for step in steps]
        task = asyncio.create_task(self._dialect.read(everything))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        task.add_done_callback(partial(_answer, asked))


def _answer(asked: Sequence[Asked], done: asyncio.Task[Answers]) -> None:
    """Give each read its rows, or all of them the error."""
    error = None if done.cancelled() else done.exception()
    rows = iter(done.result() if error is None and not done.cancelled() else ())
    for steps, answer in asked:
        own = list(islice(rows, len(steps)))
        if answer.done():
            continue  # its caller was cancelled
        if done.cancelled():
            answer.cancel()
        elif error is not None:
            answer.set_exception(error)
        else:
            answer.set_result(own)
