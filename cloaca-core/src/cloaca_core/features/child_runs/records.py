"""The row of a child's end that its parent is told of; forms as in ``run.rows``."""

from typing import Final, NamedTuple

from cloaca_core.store.batch import Kind


class ToldEnd(NamedTuple):
    """The parent of ``run_id`` is to be told of the end that this batch writes."""

    run_id: str


TOLD_ENDS: Final = Kind[ToldEnd]("told_ends")
