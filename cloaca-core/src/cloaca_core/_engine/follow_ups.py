"""User code that follows a body: its callbacks, and retry conditions about a timeout.

It has the time limit of the attempt that it follows; one that takes longer is given up like a
body, and the run goes on without it. Belongs to the engine's loop.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from cloaca_core._engine.deadlines import Deadlines
from cloaca_core._engine.work import LEAST_CHECK, Work

if TYPE_CHECKING:
    from cloaca_core._engine.attempt import Job
    from cloaca_core._engine.executor import Executor

log = logging.getLogger("cloaca.engine")


class FollowUps:
    """At most one for each job."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._under_way: dict[Job, tuple[Work, Callable[[], None]]] = {}
        self._times = Deadlines(self._take_too_long)

    def run(self, job: Job, work: Work, then: Callable[[], None]) -> None:
        """Run ``work``, and call ``then`` when it has run or has been given up for its time."""
        self._under_way[job] = (work, then)
        work.finished = lambda _: self._over(job)
        self._times.add(job, job.timeout)
        self._executor.submit(work)

    def give_up(self, job: Job) -> None:
        """Nobody is interested any more; harmless when the job has none."""
        if job in self._under_way:
            self._times.discard(job)
            work, _ = self._under_way.pop(job)
            self._executor.abandon(work)

    def _over(self, job: Job) -> None:
        self._times.discard(job)
        if job in self._under_way:  # not given up while the report was on the way
            _, then = self._under_way.pop(job)
            then()

    def _take_too_long(self, job: Job) -> None:
        work, _ = self._under_way[job]
        left = job.timeout - work.seconds_running()  # the limit is for running, not for queueing
        if left > 0:
            self._times.add(job, max(left, LEAST_CHECK))
        elif self._executor.abandon(work):
            log.error("what follows task %r took too long", job.task.id, extra=job.log_ids())
            self._over(job)
