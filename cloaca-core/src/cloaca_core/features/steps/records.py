"""The rows of values that a task's body has obtained, and gets again when it runs again."""

from typing import Final, NamedTuple

from cloaca_core.store.batch import Kind


class MemoRow(NamedTuple):
    """A value that a body keeps. Its key is (run_id, task_id, kind, name, number).

    ``kind`` is "step", and ``number`` says how often that name was met in one attempt, from 1. The
    memo counts for a task that has the same input: ``input_hash`` is that of the input in
    ``attempt``. ``value`` is JSON text. ``calls`` is how many runs the body had submitted by then,
    which number the idempotency keys of those that it submits afterwards.
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


MEMOS: Final = Kind[MemoRow]("memos", lambda memo: len(memo.value))
"""Fenced."""
