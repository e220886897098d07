"""The ports by which features take part when runs are taken from step to step.

A run that uses no feature calls none of them. ``assembly`` fills in the ports once, after the
orchestrator is made: the features need the orchestrator, so they are made after it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, TypeAlias

from cloaca_core.run.items.units import TASK
from cloaca_core.store.batch import NO_ROWS, Rows

if TYPE_CHECKING:
    from cloaca_core.definition.handles.wait_calls import BodyCalls
    from cloaca_core.engine.execute.attempt import Attempt
    from cloaca_core.engine.execute.executor import MakeAttempt
    from cloaca_core.engine.execute.outcome import Outcome
    from cloaca_core.engine.execute.work import Line
    from cloaca_core.engine.record.run_entry import Beside
    from cloaca_core.run.active_run import ActiveRun
    from cloaca_core.run.merge import Change
    from cloaca_core.run.restore import Resume
    from cloaca_core.run.rows import AttemptRow, RunEnd
    from cloaca_core.store.batch import Committed
    from cloaca_core.values.limits.needs import Needs
    from cloaca_core.values.map_items import Item

Gate: TypeAlias = "Callable[[ActiveRun, int, Resume], Callable[[], None] | None]"
"""Decides whether a task that is ready may begin. Returns None if it may. Otherwise returns a
function, which starts the task later or decides its outcome.
"""


class OpenNodes(Protocol):
    """See ``Ports.open_nodes``."""

    def __call__(
        self,
        run: ActiveRun,
        attempts: Sequence[AttemptRow],
        ready: Sequence[int],
        ahead: Sequence[Attempt],
        beside: Sequence[Beside],
        /,
    ) -> bool:
        """Returns True if it has written the rows and opened nodes."""


class WaitPort(Protocol):
    """Ends the waits of runs. The kernel looks at ``ActiveRun.waits`` first, and calls nothing for
    a run without waits.
    """

    def check(self, run: ActiveRun) -> None:
        """Tasks of the run have begun: end waits that are over, and let the run's life decide."""

    def messages_sent(self, run: ActiveRun, messages: int) -> None:
        """So many messages were sent to the run."""

    def suspended(self, attempt: Attempt) -> None:
        """The body of an attempt has ended because it was asked to free its memory while it
        waits.
        """

    def ended(self, run: ActiveRun, task: int) -> Sequence[Beside]:
        """The attempt of a task has ended. Returns rows to be written with its record."""

    def over(self, run: ActiveRun) -> Sequence[Beside]:
        """The end of the run is about to be written. Returns rows to be written with it."""

    def forget(self, run: ActiveRun) -> None:
        """The run is over, or this runner no longer owns it."""


class MapPort(Protocol):
    """Goes on with maps when their items do. Nothing is asked of a run without a map."""

    def item(self, run: ActiveRun, unit: int) -> tuple[Item, Line]:
        """The item of this unit, whose attempt is being made, and the line in which the items of
        its map wait for slots before they first begin.
        """

    def concluded(self, attempt: Attempt, outcome: Outcome, beside: Sequence[Beside]) -> None:
        """The attempt of an item has ended with this outcome; ``beside`` is written with that."""

    def away(self, attempt: Attempt) -> None:
        """The body of an item waits without its slot, or has left in a wait."""

    def taken_back(self, attempt: Attempt) -> None:
        """An item was given up before its body began. It begins anew, behind others."""

    def ended_without_body(
        self,
        run: ActiveRun,
        unit: int,
        row: AttemptRow,
        change: Change | None = None,
        beside: Sequence[Beside] = (),
    ) -> None:
        """An item has ended with this row, and no body of it was here: it has completed with
        ``change``, or failed. ``beside`` is written with the row.
        """


class CallPort(Protocol):
    """The calls of bodies that wait for an answer of a feature."""

    @property
    def calls(self) -> Container[Attempt]:
        """The attempts whose bodies wait for an answer."""

    def interrupt(self, attempt: Attempt) -> None:
        """End the waits of a body whose run is being cancelled."""

    def give_up(self, attempt: Attempt) -> None:
        """Answer the calls of an attempt that was given up or has ended."""


class RoutePort(Protocol):
    """Keeps tasks back whose queue this runner does not serve. Only a runner that serves some
    queues has one.
    """

    def enter(self, run: ActiveRun) -> None:
        """A run is ours from now on; nothing of it has begun."""

    def staying(self, run: ActiveRun, ready: Sequence[int]) -> Sequence[int]:
        """Returns the tasks that may begin here. The others wait for room, or for a move."""

    def serves(self, queue: str) -> bool:
        """Whether this runner serves a queue."""

    def settle(self, run: ActiveRun) -> None:
        """Tasks of the run have ended, or wait for their time."""

    def forget(self, run: ActiveRun) -> None:
        """The run is over, or is not ours any more."""


class LimitPort(Protocol):
    """Asks for places of limits, and gives them back. Asked only of tasks and runs that have
    limits.
    """

    def admits(self, run: ActiveRun) -> bool:
        """Whether a run with limits, of itself or of tasks, may begin. Otherwise it is adopted
        again once it has its place.
        """

    def has_place(self, run: ActiveRun) -> bool:
        """Whether a run whose workflow has limits has begun, or may begin."""

    def is_denied(self, run: ActiveRun) -> bool:
        """Whether a run that may not begin yet has asked for its place, and waits in line."""

    def over(self, run: ActiveRun) -> Sequence[Beside]:
        """The end of the run is about to be written. Returns rows to be written with it."""

    def denied(self, run: ActiveRun) -> Mapping[int, int]:
        """The units of the run that wait in line, and since when that is known; of items that wait
        as one the map, if nothing else of it waits.
        """

    def check(self, run: ActiveRun) -> None:
        """Tasks of the run have begun or ended: it leaves, at once or later, if all that is left of
        it waits in line.
        """

    def leaves(self, run: ActiveRun) -> Sequence[Beside]:
        """The run is about to be given back. Returns rows to be written with that."""

    def left(self, run: ActiveRun) -> None:
        """The run was given back."""

    def awaits_turn(self, run: ActiveRun) -> bool:
        """Whether units of the run wait for a slot in which they ask for their places, and none
        has asked.
        """

    def enter(self, run: ActiveRun, unit: int, resume: Resume) -> None:
        """A task or an item is ready: it begins once it has its places."""

    def enter_items(
        self,
        run: ActiveRun,
        unit: int,
        needs: Needs,
        units: int,
        choose: Callable[[int], int | None],
        denied: Callable[[], None],
    ) -> None:
        """So many items of a map that need the same wait as this unit (see ``together``).
        ``choose`` is called with each place: told how many still wait, it returns the unit that
        begins with it, or None if the place is to be given back. ``denied`` is called when they are
        known to wait.
        """

    def adopt_items(
        self, run: ActiveRun, task: int, choose: Callable[[Needs], int | None]
    ) -> Collection[int]:
        """A map goes on that waited while no runner had its run. ``choose`` is called with the
        needs of each place that its items have got meanwhile, and returns as in ``enter_items``.
        Returns the units that stand in line, for items that are still to wait together.
        """

    def without_held(self, run: ActiveRun, needs: Needs) -> Needs:
        """The needs of which neither the run nor a run above it has a place."""

    def take(self, run: ActiveRun) -> Mapping[int, Resume]:
        """Nothing of the run waits for places here any more. Returns the units that did, and the
        maps whose items did.
        """

    def take_units(self, run: ActiveRun, units: Collection[int]) -> list[int]:
        """These units no longer wait for places. Returns those that did."""

    def ended(self, attempt: Attempt) -> Sequence[Beside]:
        """The attempt has ended, or its body begins to wait. Returns rows to be written with that,
        which give its places back.
        """

    def recorded(self, run: ActiveRun, beside: Sequence[Beside]) -> None:
        """Rows of the run are durable, or this runner has lost it."""

    def given(self, committed: Committed) -> None:
        """A commit has decided about rows of features."""

    async def take_again(self, attempt: Attempt) -> None:
        """The body of an attempt has waited. Return when it has its places again, or needs none as
        its run is being cancelled or it was given up.
        """

    def is_unplaced(self, attempt: Attempt) -> bool:
        """Whether the body has waited, and waits for its places now."""

    def interrupt(self, attempt: Attempt) -> None:
        """The run of a body is being cancelled: it waits for no places."""

    def give_up(self, attempt: Attempt) -> None:
        """The attempt was given up without a record: give its places back."""

    def forget(self, run: ActiveRun) -> None:
        """The run is over, or is not ours any more."""

    def abandon(self, run: ActiveRun) -> None:
        """Rows of the run that give places back will not be written: give them back without."""


class _NoLimits:
    """No task has limits."""

    def admits(self, run: ActiveRun) -> bool:
        if not run.graph.limits:
            return True
        raise NotImplementedError(f"run {run.id} has limits, for which this engine has no part")

    def has_place(self, _: ActiveRun) -> bool:
        return False

    def is_denied(self, _: ActiveRun) -> bool:
        return False

    def over(self, _: ActiveRun) -> Sequence[Beside]:
        return ()

    def denied(self, _: ActiveRun) -> Mapping[int, int]:
        return {}

    def check(self, run: ActiveRun) -> None:
        """Nothing waits."""

    def leaves(self, _: ActiveRun) -> Sequence[Beside]:
        return ()

    def left(self, run: ActiveRun) -> None:
        """There is nothing to note."""

    def awaits_turn(self, _: ActiveRun) -> bool:
        return False

    def enter(self, run: ActiveRun, unit: int, _: Resume) -> None:
        task = run.graph.tasks[unit & TASK]
        raise NotImplementedError(f"task {task.id!r} has limits, for which this engine has no part")

    def enter_items(self, *_: object) -> None:
        raise NotImplementedError("items of a map wait for limits, for which there is no part")

    def adopt_items(self, *_: object) -> Collection[int]:
        raise NotImplementedError("items of a map have places, for which there is no part")

    def without_held(self, _: ActiveRun, needs: Needs) -> Needs:
        return needs

    def take(self, _: ActiveRun) -> Mapping[int, Resume]:
        return {}

    def take_units(self, _: ActiveRun, __: Collection[int]) -> list[int]:
        return []

    def ended(self, _: Attempt) -> Sequence[Beside]:
        return ()

    def recorded(self, run: ActiveRun, beside: Sequence[Beside]) -> None:
        """There is nothing to note."""

    def given(self, committed: Committed) -> None:
        """There is nothing to note."""

    async def take_again(self, attempt: Attempt) -> None:
        """It needs no places."""

    def is_unplaced(self, _: Attempt) -> bool:
        return False

    def interrupt(self, attempt: Attempt) -> None:
        """There is nothing to end."""

    def give_up(self, attempt: Attempt) -> None:
        """There is nothing to give back."""

    def forget(self, run: ActiveRun) -> None:
        """There is nothing to forget."""

    def abandon(self, run: ActiveRun) -> None:
        """There is nothing to give back."""


class _NoCalls:
    """No body makes calls."""

    calls: Container[Attempt] = ()

    def interrupt(self, attempt: Attempt) -> None:
        """There is nothing to end."""

    def give_up(self, attempt: Attempt) -> None:
        """There is nothing to answer."""


def _no_body_calls(attempt: Attempt) -> BodyCalls:
    raise NotImplementedError(f"{attempt}: this engine has no steps, waits and children")


def _no_transactions() -> MakeAttempt:
    raise NotImplementedError("a task is transactional, for which this engine has no part")


def _no_queues(_: ActiveRun) -> Sequence[Beside]:
    return ()


def _bodies_only(run: ActiveRun, unit: int, _: Resume) -> None:
    """A ``Gate``: refuses a task that only a feature can go on with."""
    task = run.graph.tasks[unit & TASK]
    if task.wait is not None or task.map is not None:
        kind = "a map" if task.wait is None else "a node without a body"
        raise NotImplementedError(f"task {task.id!r} is {kind}, for which this engine has no part")


def _fills_none(run: ActiveRun, _: int) -> Sequence[Beside]:
    raise NotImplementedError(f"run {run.id} has defaults, for which this engine has no part")


def _opens_none(*_: object) -> bool:
    return False


def _nothing_follows(_: ActiveRun, __: RunEnd) -> Rows:
    return NO_ROWS


class Ports:
    """The ports of one engine; at first they do nothing. ``gates`` are asked in their order; at
    first they refuse tasks that need a feature. ``body_calls`` makes the object behind the handle
    of a body; ``transactional`` returns the function that makes attempts of transactional tasks.
    ``current_queue`` returns the row that is written where a run with queues asks for another one
    than before. ``with_end`` returns the rows of features that count with the end of a run, if its
    workflow asks for any, its parent may wait, or it may await children.
    ``open_nodes`` writes these rows of a run with child nodes, and opens nodes among the ready
    tasks in the same commit; it returns whether there were any. The attempts prepared ahead begin
    with the commit. ``filled`` makes the rows of the defaults of a run's input, which are
    written at this time.
    """

    waits: WaitPort
    maps: MapPort

    def __init__(self) -> None:
        self.gates: Sequence[Gate] = (_bodies_only,)
        self.calls: CallPort = _NoCalls()
        self.limits: LimitPort = _NoLimits()
        self.routes: RoutePort | None = None
        self.body_calls: Callable[[Attempt], BodyCalls] = _no_body_calls
        self.transactional: Callable[[], MakeAttempt] = _no_transactions
        self.current_queue: Callable[[ActiveRun], Sequence[Beside]] = _no_queues
        self.with_end: Callable[[ActiveRun, RunEnd], Rows] = _nothing_follows
        self.open_nodes: OpenNodes = _opens_none
        self.filled: Callable[[ActiveRun, int], Sequence[Beside]] = _fills_none
