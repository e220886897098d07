"""The rows of runs that follow the ends of others; forms as in ``runs``."""

from typing import NamedTuple


class WhenEndedRow(NamedTuple):
    """A run of ``submits`` follows each run of this version of a workflow that ends as ``status``.

    ``place`` counts the calls of ``when_ended`` from 0; one for several states is a row for each.
    ``content`` is the JSON object that the input begins with. It is never empty: the end of the run
    that is followed is put before its last brace.
    """

    workflow: str
    version: str
    place: int
    status: str
    submits: str
    content: str


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
