"""The rows of values that a task's body has obtained, and gets again when it runs again."""

from collections.abc import Callable
from operator import attrgetter
from typing import Any, Final, NamedTuple

from cloaca_core.run.rows import THE_TASK
from cloaca_core.store.batch import Kind


class MemoRow(NamedTuple):
    """A value that a body keeps. Its key is (run_id, task_id, item, kind, name, number).

    ``kind`` is "step", and ``number`` counts the steps of this name in one attempt, from 1. The
    memo counts for a task that has the same input: ``input_hash`` is the hash of the input in
    ``attempt``. ``value`` is JSON text. ``calls`` is the number of runs that the body had submitted
    by then; the idempotency keys of later runs continue from it.
    """

    run_id: str
    task_id: str
    kind: str
    name: str
    number: int
    input_hash: str
    attempt: int
    value: str
    calls: int
    created_at: int
    item: int = THE_TASK


key_of_memo: Final[Callable[[MemoRow], tuple[Any, ...]]] = attrgetter(
    "run_id", "task_id", "item", "kind", "name", "number"
)
"""The key of a memo. Without a call of Python, as it is asked for each row."""

MEMOS: Final = Kind[MemoRow]("memos", lambda memo: len(memo.value))
"""Fenced."""
