"""The rows of runs that follow the ends of others; forms as in ``runs``."""

from typing import NamedTuple


class NewFollowUp(NamedTuple):
    """A run to be inserted if the run ``run_id`` has ended as ``status``, by its owner."""

    id: str
    run_id: str
    place: int
    status: str
    submits: str
    content: str


class FollowUpRow(NamedTuple):
    """A run of ``workflow`` that was inserted when ``follows`` ended in its round ``round``."""

    id: str
    workflow: str
    follows: str
    round: int
    created_at: int
