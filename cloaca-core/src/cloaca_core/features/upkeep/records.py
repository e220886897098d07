"""The rows of upkeep; forms as in ``run.rows``."""

from typing import NamedTuple


class Upkeep(NamedTuple):
    """``keeps_all``: an earlier version made the database, so that nothing is pruned unless that is
    asked for. Pruning is due at ``due_at``.
    """

    keeps_all: bool
    due_at: int


class Shift(NamedTuple):
    """The right of ``holder`` to prune, alone, until ``until``, which each step renews."""

    holder: str
    until: int


class KeptWorkflow(NamedTuple):
    """A workflow that has runs or schedules; ``retention`` is as in ``DefinitionName``."""

    workflow: str
    retention: int | None


class DoomedRun(NamedTuple):
    """A run of a hidden tree, and its approximate number of rows."""

    run_id: str
    rows: int


class Weight(NamedTuple):
    """How many runs and rows trees have."""

    runs: int
    rows: int
