"""Warns of work that no live runner takes, once for each workflow, and keeps it for ``health``.

Sleeps unless work may wait: another process changed the database, runs were released, a schedule
was added, or the last look found some. It looks at most every half minute, so that an idle runner
stays idle; sooner only if this program has just registered something, or a run that the last look
found has waited for half a minute. ``rules`` decides which work to warn of.

It also looks for runs whose tasks this runner lacks, if this runner has released any.
``UnservedRuns`` has warned of those.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from cloaca_core.engine.runtime.supervisor import Wakeup
from cloaca_core.errors import AmbiguousWorkflowError, WorkflowNotFoundError
from cloaca_core.features.unserved.rules import (
    Followed,
    Key,
    follow,
    lasting,
    nearest,
    next_look,
    unmet_work,
    warning_about,
)
from cloaca_core.logs import SafeLogger
from cloaca_core.values.times.instants import instant_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloaca_core.definition.registry import Registry
    from cloaca_core.engine.recover.liveness import Liveness
    from cloaca_core.engine.recover.runner_id import RunnerId
    from cloaca_core.engine.subjects import Subjects
    from cloaca_core.features.triggers.part import TriggerStore
    from cloaca_core.features.triggers.records import TriggerRow
    from cloaca_core.run.rows import WaitingRow
    from cloaca_core.store.batch import Waiting
    from cloaca_core.values.times.clock import Clock

log = SafeLogger("cloaca.engine")

PATIENCE: Final = 30.0
"""Seconds for which work must wait before it is reported, and as a rule between two looks."""
SETTLING: Final = 2.0
"""Seconds at least between two looks, and before the first: a program that registers something is
about to register more.
"""
MOST: Final = 1_000
"""Runs of a workflow, and schedules, that are counted at most."""


class UnservedWatch:
    """Belongs to the engine's loop. ``has_released`` returns whether this runner has released
    runs whose tasks it lacks.
    """

    def __init__(
        self,
        store: TriggerStore,
        registry: Registry,
        runner_id: RunnerId,
        liveness: Liveness,
        has_released: Callable[[], bool],
        clock: Clock,
        subjects: Subjects,
    ) -> None:
        self._store = store
        self._registry = registry
        self._runner_id = runner_id
        self._liveness = liveness
        self._has_released = has_released
        self._clock = clock
        self._wakeup = Wakeup()
        self._looked_at = self._clock.monotonic()
        self._gap = SETTLING
        self._pending = True
        self._followed: dict[Key, Followed] = {}
        self._unserved: dict[str, list[Followed]] = {}
        self._warned: set[str] = set()
        self._left: list[WaitingRow] = []
        subjects.claimable.subscribe(self.wake)
        subjects.unserved.subscribe(self.wake)
        subjects.schedules.subscribe(self.look_soon)
        subjects.definitions.subscribe(self.look_soon)

    def wake(self) -> None:
        """Another runner may have left work waiting."""
        if not self._pending:
            self._pending = True
            self._wakeup.wake()

    def look_soon(self) -> None:
        """This program has registered something."""
        self._pending = True
        self._gap = SETTLING
        self._wakeup.wake()

    def report(self) -> list[dict[str, Any]]:
        """The work that no runner takes up, as ``health`` shows it."""
        known = self._registry.namespaces()
        unknown = [
            {
                "kind": each.unmet.kind,
                "workflow": workflow,
                "count": each.unmet.number,
                "since": instant_text(each.since),
                "did_you_mean": nearest(workflow, known),
            }
            for workflow, work in self._unserved.items()
            for each in work
            if workflow not in known
        ]
        return unknown + [
            {
                "kind": each.kind,
                "workflow": each.workflow,
                "count": each.found,
                "since": instant_text(each.due_at),
                "did_you_mean": None,
            }
            for each in self._left
        ]

    async def turn(self) -> None:
        """Look if work may wait and the last look is long enough ago, then sleep."""
        await self._wakeup.turn(self.look_now)

    async def look_now(self) -> float | None:
        """Look, unless that was just done; seconds until the next look, None without one."""
        if (left := self._looked_at + self._gap - self._clock.monotonic()) > 0:
            return left if self._pending or self._followed or self._left else None
        self._pending, self._gap = False, PATIENCE
        last, self._looked_at = self._looked_at, self._clock.monotonic()
        try:
            await self._judge(self._looked_at, self._looked_at - last)
        except BaseException:
            self._pending = True  # the look failed: the work is still to be seen
            raise
        if not self._followed and not self._left:
            return None
        self._gap = max(SETTLING, next_look(self._followed, self._looked_at, PATIENCE))
        return self._gap

    async def _judge(self, seen_at: float, unseen_for: float) -> None:
        current = self._runner_id.current
        self._left = await self._store.released_unserved(current) if self._has_released() else []
        gone = self._liveness.gone(await self._store.runners())
        waiting = await self._store.list_waiting(current, MOST, gone)
        triggers = await self._lacking_triggers()
        now = await self._store.now() if waiting.rows or triggers else 0
        known = self._registry.namespaces()
        found = unmet_work(waiting, triggers, known, now)
        self._followed = follow(self._followed, found, seen_at, now, unseen_for)
        self._unserved = lasting(self._followed, seen_at, PATIENCE)
        self._warned &= _named_in(waiting, triggers).difference(known)
        self._warn(known)

    async def _lacking_triggers(self) -> list[TriggerRow]:
        """The triggers of this program whose workflow it has not registered."""
        names = [each.name for each in self._registry.triggers() if self._lacks(each.workflow)]
        return await self._store.triggers_named(names) if names else []

    def _lacks(self, workflow: str | None) -> bool:
        if workflow is None:
            return False
        try:
            self._registry.find(workflow)
        except WorkflowNotFoundError:
            return True
        except AmbiguousWorkflowError:  # ``TriggerSync`` logs that
            return False
        return False

    def _warn(self, known: list[str]) -> None:
        for workflow in self._unserved.keys() - self._warned:
            meant = nearest(workflow, known)
            text = warning_about(workflow, self._unserved[workflow], meant)
            log.warning("%s", text, extra={"workflow": workflow})
        self._warned |= self._unserved.keys()


def _named_in(waiting: Waiting, triggers: list[TriggerRow]) -> set[str]:
    """The workflows for which any work waits, also work that a runner may be about to take."""
    named = {row.workflow for row in triggers if row.workflow is not None}
    return named.union(row.workflow for row in waiting.rows)
