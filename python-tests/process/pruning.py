"""Prunes a database, and dies before a statement of it: ``python pruning.py URL PLACE``.

The transaction that the statement belongs to is open then, with the statements before it executed.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import cloaca
from cloaca_core.store.sql.dialect import Step
from cloaca_core.store.sql.queries import Statement

OF_UPKEEP = ("take_", "hold_", "hide_", "lock_expired", "lock_ticked", "raise_", "erase_", "leave_")
"""How the names of its statements begin."""
CUTS_OFF = Statement("cut_off", "SELECT pg_terminate_backend(pg_backend_pid())", ())
AFTER_ALL = "2100-01-01T00:00:00Z"


class Death:
    """Comes before the statement of this place, the first of which is 1."""

    def __init__(self, place: int) -> None:
        self._left = place

    def cut(self, steps: Sequence[Step]) -> Sequence[Step] | None:
        """The steps before it, if it comes within these."""
        for number, step in enumerate(steps):
            self._left -= step.statement.name.startswith(OF_UPKEEP)
            if self._left == 0:
                return steps[:number]
        return None


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def arm_sqlite(death: Death) -> None:
    """Die within the transaction, on the connection's thread."""
    dialect: Any = import_module("cloaca_sqlite.dialect")
    run_steps = dialect.run_steps

    def cut(raw: Any, steps: Sequence[Step]) -> Any:
        if (before := death.cut(steps)) is not None:
            run_steps(raw, before)
            die()
        return run_steps(raw, steps)

    dialect.run_steps = cut


def arm_postgres(death: Death) -> None:
    """Have the server end the session within the transaction, and die."""
    dialect: Any = import_module("cloaca_postgres.dialect").PostgresDialect
    write = dialect.write

    async def cut(self: Any, steps: Sequence[Step], **options: Any) -> Any:
        if (before := death.cut(steps)) is None:
            return await write(self, steps, **options)
        try:
            await write(self, [*before, Step(CUTS_OFF)], **options)
        finally:
            die()

    dialect.write = cut


def main() -> None:
    url, place = sys.argv[1:]
    pruner: Any = import_module("cloaca_core.features.upkeep.pruner")
    pruner.SHIFT_US = 1  # the next one need not wait until it is certain that this one is dead
    death = Death(int(place))
    with cloaca.Client(url) as client:
        if url.startswith("sqlite:"):
            arm_sqlite(death)
        else:
            arm_postgres(death)
        client.prune(before=AFTER_ALL)


if __name__ == "__main__":
    main()
