"""Rows of waits in a batch: waits that open and end, and the first messages of new runs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from cloaca_core.features.waits.records import (
    CLOSED,
    TIMEOUTS,
    WAITS,
    ClosedWait,
    WaitRow,
    WaitTimeout,
    key_of_wait,
)
from cloaca_core.features.waits.sql import WaitQueries
from cloaca_core.store.batch import NONE_DECIDED, Batch, Decided
from cloaca_core.store.messages import MESSAGES, NewMessage
from cloaca_core.store.sql.commit_part import (
    GUARD,
    Array,
    CommitPart,
    Steps,
    guarded,
    last_of_each,
)
from cloaca_core.store.sql.dialect import Step

if TYPE_CHECKING:
    from cloaca_core.store.sql.base import Queries
    from cloaca_core.store.sql.queries import Row


class WaitCommit:
    """The statements for waits. The table decides whether a wait has timed out, as it has all
    messages.
    """

    def __init__(self, queries: Queries, array: Array) -> None:
        self._array = array
        self._q = q = queries.of(WaitQueries)
        self._wait_row = q.record_wait.binder(WaitRow._fields + GUARD)
        self._timeout_row = q.time_out_wait.binder(WaitTimeout._fields + GUARD)
        self._taken_row = q.take_message.binder(ClosedWait._fields + GUARD)
        self._closed_row = q.close_wait.binder(ClosedWait._fields + GUARD)
        self._message_row = q.insert_first_message.binder(NewMessage._fields)
        self._first_row = q.count_first_message.binder(NewMessage._fields)

    def part(self) -> CommitPart:
        return CommitPart(
            kinds=frozenset((WAITS, CLOSED, TIMEOUTS, MESSAGES)),
            begin=self._begin,
            fence=self._fence,
            answer=self._answer,
            dropped=[self._q.drop_waits],
            cancelled=[self._q.drop_waits_of_cancelled],
        )

    def _begin(self, batch: Batch) -> Steps:
        q, messages = self._q, batch.of(MESSAGES)
        if not messages:
            return {}
        return {
            "messages": Step(q.insert_first_message, rows=list(map(self._message_row, messages))),
            "counts": Step(q.count_first_message, rows=list(map(self._first_row, messages))),
        }

    def _fence(self, batch: Batch) -> Steps:
        """Waits that end come before timeouts, and both before new waits."""
        q, closed, timeouts = self._q, batch.of(CLOSED), batch.of(TIMEOUTS)
        steps: Steps = {}
        if taken := [each for each in closed if each.message is not None]:
            steps["taken"] = Step(q.take_message, rows=guarded(batch, taken, self._taken_row))
        if closed:
            steps["closed"] = Step(q.close_wait, rows=guarded(batch, closed, self._closed_row))
        if timeouts:
            rows = guarded(batch, timeouts, self._timeout_row)
            steps["timeouts"] = Step(q.time_out_wait, rows=rows)
            ids = self._array(sorted({each.run_id for each in timeouts}))
            steps["timed_out"] = Step(q.list_timed_out, q.list_timed_out.bind(ids=ids))
        if waits := batch.of(WAITS):
            rows = guarded(batch, last_of_each(waits, key_of_wait), self._wait_row)
            steps["waits"] = Step(q.record_wait, rows=rows)
        return steps

    def _answer(
        self, batch: Batch, answers: Mapping[str, Sequence[Row]], current: Collection[str]
    ) -> Decided:
        """The timeouts that were decided, now or before."""
        if not (timeouts := batch.of(TIMEOUTS)):
            return NONE_DECIDED
        over = set(answers.get("timed_out", ()))
        found = [each for each in timeouts if each.run_id in current and key_of_wait(each) in over]
        return {TIMEOUTS: frozenset(found)} if found else NONE_DECIDED
