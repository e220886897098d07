"""Acts: requests of people, as they are noted."""

from typing import NamedTuple


class Acted(NamedTuple):
    """The state of a run after an act. ``changed`` is false for an act that found it done."""

    status: str
    changed: bool


class ActRow(NamedTuple):
    """An act on a run as it was noted. ``run_id`` is empty for one on a workflow, a schedule, a
    trigger or a runner; ``workflow`` is empty where none is concerned.
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
