"""Acts: people's requests, as they are recorded."""

from typing import NamedTuple


class Acted(NamedTuple):
    """The status of a run after an act. ``changed`` is false if the run was in that state
    already.
    """

    status: str
    changed: bool


class ActRow(NamedTuple):
    """A recorded act. ``run_id`` is empty for an act on a workflow, a schedule, a trigger or a
    runner; ``workflow`` is empty if it concerns none.
    """

    id: str
    run_id: str
    workflow: str
    round: int
    kind: str
    asked_by: str
    reason: str | None
    changed: int
    created_at: int
