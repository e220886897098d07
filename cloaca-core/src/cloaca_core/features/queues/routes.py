"""Keeps tasks back whose queue this runner does not serve, or for which it has no room.

Only a runner that serves some queues has this. What becomes of a run of which nothing may begin
here is for its life to say: it moves to the queue of what is ready.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from cloaca_core.definition.queues import queues_of
from cloaca_core.run.items.units import TASK
from cloaca_core.run.restore import FRESH
from cloaca_core.run.route import Route

if TYPE_CHECKING:
    from cloaca_core.engine.orchestrate.orchestrator import Orchestrator
    from cloaca_core.engine.orchestrate.served import Served
    from cloaca_core.features.queues.places import Places
    from cloaca_core.run.active_run import ActiveRun
    from cloaca_core.run.restore import Resume
    from cloaca_core.values.times.clock import Clock


class Routes:
    """A ``RoutePort``. Belongs to the engine's loop. ``places`` counts the runs of queues with a
    number, None if no queue has one.
    """

    def __init__(
        self, served: Served, kernel: Orchestrator, clock: Clock, places: Places | None
    ) -> None:
        self._served = served
        self._kernel = kernel
        self._clock = clock
        self._places = places
        self._loop = asyncio.get_running_loop()

    def enter(self, run: ActiveRun) -> None:
        """See ``RoutePort``. A run all of whose tasks are served here is asked nothing more."""
        queues = queues_of(run.graph, run.row.asked_queue)
        if self._places is not None or not all(map(self._served.serves, queues)):
            run.route = Route(queues, self._served.is_served)

    def serves(self, queue: str) -> bool:
        """See ``RoutePort``."""
        return self._served.serves(queue)

    def gate(self, run: ActiveRun, task: int, resume: Resume) -> Callable[[], None] | None:
        """A ``Gate``: a task that waits for its time is let pass, as it comes again by then. A node
        needs no queue.
        """
        route = run.route
        if route is None or run.graph.tasks[task & TASK].wait is not None:
            return None
        if resume.retry_at is not None and resume.retry_at > self._clock.wall():
            return None
        if self._may_begin(run, route.queues[task & TASK]):
            return None
        return partial(self._keep, run, route, task, resume)

    def staying(self, run: ActiveRun, ready: Sequence[int]) -> Sequence[int]:
        """See ``RoutePort``. The gates decide about a task that an earlier owner has begun."""
        route = run.route
        if route is None:
            return ready
        here = []
        for task in ready:
            is_free = task in run.resume or run.graph.tasks[task].wait is not None
            if is_free or self._may_begin(run, route.queues[task]):
                here.append(task)
            else:
                route.elsewhere[task] = FRESH
        self.settle(run)
        return here

    def settle(self, run: ActiveRun) -> None:
        """See ``RoutePort``."""
        if self._places is not None:
            waiting = set() if run.waits is None else run.waits.without_body()
            waiting |= self._kernel.control.launcher.back_offs.due(run).keys()
            self._places.settle(run, waiting)

    def forget(self, run: ActiveRun) -> None:
        """See ``RoutePort``."""
        if self._places is not None:
            self._places.leave(run)

    def offer(self, queue: str) -> None:
        """There is room for runs of a queue: begin tasks that were kept back for it."""
        for run in self._kernel.runs:
            route = run.route
            if route is None or not self._served.free(queue, 1):
                continue
            tasks = [task for task in route.elsewhere if route.queues[task & TASK] == queue]
            if tasks and run.life.may_begin:
                run.resume.update({task: route.elsewhere.pop(task) for task in tasks})
                self._kernel.guarded(run, self._kernel.begin, run, tasks)

    def _may_begin(self, run: ActiveRun, queue: str) -> bool:
        if not self._served.serves(queue):
            return False
        return self._places is None or self._places.take(run, queue)

    def _keep(self, run: ActiveRun, route: Route, task: int, resume: Resume) -> None:
        """Keep a task. Its run is reviewed when the other tasks that are ready have begun."""
        route.elsewhere[task] = resume
        if not route.is_reviewed:
            route.is_reviewed = True
            self._loop.call_soon(self._review, run, route)

    def _review(self, run: ActiveRun, route: Route) -> None:
        route.is_reviewed = False
        self._kernel.guarded(run, self._kernel.review, run)
