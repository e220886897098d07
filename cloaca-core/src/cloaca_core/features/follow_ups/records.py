"""The rows of runs that follow the ends of others; forms as in ``run.rows``."""

from typing import Final, NamedTuple

from cloaca_core.store.batch import Kind


class NewFollowUp(NamedTuple):
    """A run to be inserted if the run ``run_id`` has ended as ``status``, by its owner."""

    id: str
    run_id: str
    place: int
    status: str
    submits: str
    content: str


FOLLOW_UPS: Final = Kind[NewFollowUp]("follow_ups", lambda row: len(row.content))
"""Each belongs to a run that ends in its batch. Its content repeats the error of that end."""


class FollowUpRow(NamedTuple):
    """A run of ``workflow`` that was inserted when ``follows`` ended in its round ``round``."""

    id: str
    workflow: str
    follows: str
    round: int
    created_at: int
