"""Next rounds and forks: the contract of how tasks of ended runs run again."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from cloaca_core.features.maps.part import MapStore
from cloaca_core.features.singletons.part import SingletonStore
from cloaca_core.features.steering.part import SteeringStore
from cloaca_core.features.steering.records import Act, NewFork, OwnedParent, Reopening
from cloaca_core.run.rows import ForkRow
from cloaca_core.store.acts import Acted


class RerunStore(SteeringStore, MapStore, SingletonStore, Protocol):
    """Runs whose tasks run again: in a next round of the same run, or in a fork, a run that is made
    of it. The acts are noted as all others are (see ``SteeringStore``).
    """

    async def retry(
        self,
        runs: Collection[Reopening],
        act: Act,
        *,
        children: bool = False,
        time_limit: int | None = None,
        parent: OwnedParent | None = None,
    ) -> dict[str, Acted]:
        """Begin the next round of each of these runs that has Failed or was Cancelled and is still
        in the round that its caller has seen, unless children of it must still be cancelled
        (``ended_parents``).

        The end of the last round is recorded in ``rounds``. The run is Pending as if it were new:
        no owner, epoch + 1, no recoveries, no end. Its attempts stay, and so does its time limit
        unless another one is given. ``first_attempts`` are recorded in ``restarts``, and for each
        whether the failed ``children`` were restarted, or (``later``) the task does that; and so
        are the chosen ``items`` of maps, with the next attempt of their task. Runners that had
        released the run (``release_unserved``) may claim it. Of two callers that saw one round, one
        opens the next. With a ``parent`` nothing changes, and no act is noted, if the parent has
        ended or has another epoch.
        """

    async def fork(self, new: NewFork, act: Act) -> str | None:
        """Make a run from another run, with its workflow, input, priority and time limit. Returns
        its id, or the id of the run that has its key; None if there is no such source in that
        round.

        It has no owner. It begins with the results of the ``kept`` tasks of the source, with its
        replacements of keys, and with the memos of the tasks of ``memos_of``, as they are now. The
        act is recorded at the source. Repeating it changes nothing. With ``items``, it also begins
        with the map ``from_task``, as opened for attempt 0, and with the ends of its items; the
        ``items`` are recorded as chosen for attempt 1.
        """

    async def forks(self, run_ids: Collection[str]) -> list[ForkRow]:
        """The sources of the forks among these runs, in the order of time. The last row of a run is
        its own; the rows before it came with the results. Only reads.
        """
