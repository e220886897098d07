"""Begins ended runs again: the planner says which tasks, the store opens the next round.

A decision rests on a round that has ended, whose records do not change any more; the store refuses
the act if another caller has begun the next round meanwhile.
"""

from __future__ import annotations

from collections.abc import (
    Awaitable,
    Callable,
    Collection,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from cloaca_core.engine.runtime import failpoints
from cloaca_core.errors import CloacaError, RunStateError, key_held, no_run
from cloaca_core.features.maps.choice import indexes_of
from cloaca_core.features.maps.names import may_be_item, named_tasks
from cloaca_core.features.reruns.retry_plans import RETRIED, Ended, Plan, Planned, RetryPlans
from cloaca_core.features.steering.records import OwnedParent, Reopening
from cloaca_core.values.child_kinds import is_of_node, place_of_call
from cloaca_core.values.namespace import SEPARATOR, short_name
from cloaca_core.values.states import RunStatus

if TYPE_CHECKING:
    from cloaca_core.engine.order import Order
    from cloaca_core.engine.subjects import Subjects
    from cloaca_core.features.maps.choice import ItemName
    from cloaca_core.features.reruns.newest_definitions import NewestDefinitions
    from cloaca_core.features.reruns.part import RerunStore
    from cloaca_core.features.steering.records import Act, ChildRow
    from cloaca_core.run.rerun import Rerun
    from cloaca_core.run.rows import RunRow

CallPlace: TypeAlias = tuple[str, str, str]
"""A run, one of its tasks, and the call, as ``place_of_call`` names it."""

RUNS_AT_ONCE: Final = 500
"""Runs that one transaction begins again at most."""
TASKS_AT_ONCE: Final = 10_000
"""Their tasks that run again, unless one run alone has more."""
_ENDED: Final = (RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED)


class Wanted(NamedTuple):
    """How runs are to be begun again: all that has to be unless ``tasks`` are given, with the
    ``children`` that they wait for, and with another ``time_limit`` if one is given. ``items`` are
    chosen ones of maps, by task. With a ``parent`` they begin only while its runner owns it.
    """

    order: Order
    tasks: Collection[str] | None = None
    children: bool = True
    time_limit: int | None = None
    items: Mapping[str, Collection[int]] = MappingProxyType({})
    parent: OwnedParent | None = None


class Begun(NamedTuple):
    """The runs whose next round an order has begun, and the runs that it refused."""

    changed: frozenset[str]
    refused: Mapping[str, CloacaError]


class Retries:
    """Belongs to the engine's loop. ``act_of`` makes the act of an order; ``cancel_children``
    cancels the children that remain of ended rounds.
    """

    def __init__(
        self,
        store: RerunStore,
        definitions: NewestDefinitions,
        act_of: Callable[[Order], Act],
        subjects: Subjects,
        cancel_children: Callable[[Collection[str]], Awaitable[None]],
    ) -> None:
        self._store = store
        self._definitions = definitions
        self._plans = RetryPlans(store, definitions)
        self._act_of = act_of
        self._subjects = subjects
        self._cancel_children = cancel_children

    async def plan(self, run_id: str, tasks: Collection[str] | None) -> Rerun:
        """Plan a retry; writes nothing."""
        run = Ended.of(await self._run(run_id))
        tasks, items = await self._named(run, tasks, {})
        planned = (await self._plans.of([run], tasks, items))[run_id]
        if isinstance(planned, CloacaError):
            raise planned
        return planned.rerun

    async def retry(
        self,
        run_id: str,
        tasks: Collection[str] | None,
        order: Order,
        *,
        children: bool,
        time_limit: int | None = None,
        items: Mapping[str, Collection[ItemName]] = MappingProxyType({}),
    ) -> str:
        """Begin the next round of a run, or find that another caller has done so since it was
        looked at. With ``children``, the failed ones that its tasks wait for are begun first, each
        with the time limit that it has. ``time_limit`` is in the form of rows. ``items`` are chosen
        ones of maps; ``tasks`` may name some, too.
        """
        run = Ended.of(await self._run(run_id))
        tasks, items = await self._named(run, tasks, items)
        indexes = await indexes_of(self._store, run_id, items)
        begun = await self._begin([run], Wanted(order, tasks, children, time_limit, indexes))
        if (error := begun.refused.get(run_id)) is not None:
            raise error
        return run_id

    async def retry_many(
        self, rows: Iterable[RunRow], order: Order, parent: OwnedParent | None = None
    ) -> Begun:
        """Begin the next rounds of runs that have failed or were cancelled, as ``retry`` does with
        each; a refused run stops no other. If a ``parent`` asks for them, its owner does.
        """
        return await self._begin([Ended.of(row) for row in rows], Wanted(order, parent=parent))

    async def retry_if_failed(self, run_id: str, order: Order, time_limit: int | None) -> None:
        """Begin the next round of a run that has failed or was cancelled; do nothing to any other
        run.
        """
        row = await self._store.get_run(run_id)
        if row is None or row.ended_at is None or row.status not in RETRIED:
            return
        try:
            await self.retry(run_id, None, order, children=True, time_limit=time_limit)
        except RunStateError as error:
            if error.run_id != run_id:  # of a child; else another caller has begun it since
                raise

    async def _named(
        self,
        run: Ended,
        names: Collection[str] | None,
        items: Mapping[str, Collection[ItemName]],
    ) -> tuple[Collection[str] | None, Mapping[str, Collection[ItemName]]]:
        """The tasks of these names, and the items of maps: these and those that are named."""
        if names is None or not any(map(may_be_item, names)):
            return names, items
        definition = await self._definitions.find(run.workflow)
        tasks = () if definition is None else definition.graph.position
        return await named_tasks(self._store, run.run_id, names, tasks, items)

    async def _run(self, run_id: str) -> RunRow:
        """The run, if it can be begun again."""
        row = await self._store.get_run(run_id)
        if row is None:
            raise no_run(run_id)
        if row.status not in RETRIED:
            hint = "; use fork" if row.status == RunStatus.COMPLETED else ""
            raise RunStateError(
                f"run {run_id} is {row.status}: only a run that has failed or was cancelled can be "
                f"retried{hint}",
                run_id=run_id,
                status=row.status,
                accepted=tuple([status.value for status in RETRIED]),
            )
        return row

    async def _begin(self, runs: Sequence[Ended], wanted: Wanted) -> Begun:
        """Begin the next rounds of runs, after the rounds of their children, once all are planned.
        A run is refused if one of these children is refused, or is still being cancelled.
        """
        levels, parents = await self._levels(runs, wanted)
        refused = _refused(await self._without_held(levels), parents)
        changed: set[str] = set()
        for level in reversed(levels):
            allowed = [each for each in _planned(level) if each.run.run_id not in refused]
            for some in _batches(allowed):
                mine = wanted if level is levels[0] else Wanted(wanted.order, parent=wanted.parent)
                begun = await self._write(some, mine)
                changed |= begun.changed
                refused |= begun.refused
        return Begun(frozenset(changed), refused)

    async def _levels(
        self, runs: Sequence[Ended], wanted: Wanted
    ) -> tuple[list[dict[str, Plan]], dict[str, str]]:
        """The plans of runs, then of children that begin before their tasks, by levels, and the
        parent of each child. Children that remain of an ended round are cancelled first; then it is
        decided which of them are restarted.
        """
        levels = [await self._plans.of(runs, wanted.tasks, wanted.items.keys())]
        parents: dict[str, str] = {}
        while planned := _planned(levels[-1]):
            await self._cancel_children([each.run.run_id for each in planned])
            found = await self._children_of(planned)
            # The task would find such a child, wait for it, and get Cancelled as its answer.
            ending = [each for each in found.values() if each.status == RunStatus.CANCELLING]
            before = _before_their_tasks(planned, found) if wanted.children else []
            below = [child for child in before if child.status in RETRIED]
            parents |= {child.id: child.parent_id for child in (*below, *ending)}
            # One that was selected beside its parent is begun with it.
            new = [Ended.of(child) for child in below if child.id not in levels[0]]
            refused: dict[str, Plan] = {child.id: _still_ends(child) for child in ending}
            levels.append(await self._plans.of(new, None) | refused)
        return levels, parents

    async def _without_held(
        self, levels: Sequence[Mapping[str, Plan]]
    ) -> Sequence[Mapping[str, Plan]]:
        """These plans without those of runs whose singleton key another run has, which is under way
        or begins again before them.
        """
        planned = [each.run.run_id for level in reversed(levels) for each in _planned(level)]
        keyed = {run.run_id: run for run in await self._store.keyed_runs(planned)}
        begun: dict[tuple[str, str], tuple[str, str]] = {}
        held: dict[str, Plan] = {}
        for run in (keyed[run_id] for run_id in planned if run_id in keyed):
            holder = (run.holder, run.holder_status or "")
            first = begun.setdefault((run.workflow, run.key), (run.run_id, RunStatus.PENDING))
            if holder[0] is None and first[0] == run.run_id:
                continue
            by = first if holder[0] is None else (holder[0], holder[1])
            held[run.run_id] = key_held(short_name(run.workflow), run.key, *by)
        return [{each: held.get(each, plan) for each, plan in level.items()} for level in levels]

    async def _children_of(self, planned: Sequence[Planned]) -> dict[CallPlace, ChildRow]:
        """The latest children of calls of tasks that run again."""
        again = {
            each.run.run_id: frozenset([choice.task for choice in each.rerun.run])
            for each in planned
        }
        return _latest_of_calls(await self._store.children(list(again)), again)

    async def _write(self, planned: Sequence[Planned], wanted: Wanted) -> Begun:
        """Begin next rounds in one transaction. A run whose ended round has got children meanwhile
        is begun once they are cancelled.
        """
        await self._definitions.keep([each.run.workflow for each in planned])
        rounds = [
            Reopening(
                each.run.run_id,
                each.run.round,
                each.rerun.first_attempts,
                each.version,
                wanted.items,
                each.queue,
                each.rerun.below,
            )
            for each in planned
        ]
        failpoints.hit("retry.before_commit")
        acted = await self._store.retry(
            rounds,
            self._act_of(wanted.order),
            children=wanted.children,
            time_limit=wanted.time_limit,
            parent=wanted.parent,
        )
        failpoints.hit("retry.after_commit")
        self._subjects.claimable.publish()
        changed = frozenset([run_id for run_id, each in acted.items() if each.changed])
        gone = [each.run_id for each in rounds if each.run_id not in acted]
        refused: dict[str, CloacaError] = {run_id: no_run(run_id) for run_id in gone}
        if left := await self._left(acted.keys() - changed):
            runs = [each.run for each in planned if each.run.run_id in left]
            anew = replace(wanted.order, act_id=None)  # that act has changed nothing of these runs
            again = await self._begin(runs, wanted._replace(order=anew))
            return Begun(changed | again.changed, {**refused, **again.refused})
        return Begun(changed, refused)

    async def _left(self, run_ids: Collection[str]) -> set[str]:
        """Those of these runs that have children of the ended round which are to be cancelled."""
        parents = await self._store.ended_parents(run_ids) if run_ids else []
        return {parent.run_id for parent in parents}


def _planned(level: Mapping[str, Plan]) -> list[Planned]:
    return [each for each in level.values() if isinstance(each, Planned)]


def _refused(
    levels: Sequence[Mapping[str, Plan]], parents: Mapping[str, str]
) -> dict[str, CloacaError]:
    """Why runs are refused: each for a reason of its own, of a child or of its parent."""
    refused = {
        run_id: plan
        for level in levels
        for run_id, plan in level.items()
        if isinstance(plan, CloacaError)
    }
    for child_id, parent_id in reversed(list(parents.items())):  # children before their parents
        if child_id in refused:
            refused.setdefault(parent_id, refused[child_id])
    for child_id, parent_id in parents.items():
        if parent_id in refused and child_id not in levels[0]:
            refused.setdefault(child_id, refused[parent_id])
    return refused


def _batches(planned: Iterable[Planned]) -> Iterator[list[Planned]]:
    """Parts that one transaction each writes."""
    batch: list[Planned] = []
    tasks = 0
    for each in planned:
        tasks += len(each.rerun.first_attempts)
        if batch and (len(batch) == RUNS_AT_ONCE or tasks > TASKS_AT_ONCE):
            yield batch
            batch, tasks = [], len(each.rerun.first_attempts)
        batch.append(each)
    if batch:
        yield batch


def _latest_of_calls(
    children: Iterable[ChildRow], tasks: Mapping[str, Collection[str]]
) -> dict[CallPlace, ChildRow]:
    """The latest child of each call that these tasks, by run, have made: a node makes one, with
    all iterations, and so does each item of a map of child runs. A child with a key of the user's
    own is none of those: the body finds it, as it is, by that key.
    """
    latest: dict[CallPlace, tuple[tuple[int, int], ChildRow]] = {}
    for child in children:
        prefix = f"{child.parent_id}{SEPARATOR}"
        key = child.idempotency_key or ""
        if not key.startswith(prefix):
            continue
        task, _, rest = key.removeprefix(prefix).partition(SEPARATOR)
        if task not in tasks[child.parent_id] or (found := place_of_call(rest)) is None:
            continue  # of a follow-up, whose runs are begun anew with each attempt
        call, number = found
        place = (child.parent_id, task, call)
        if place not in latest or latest[place][0] < number:
            latest[place] = (number, child)
    return {place: child for place, (_, child) in latest.items()}


def _before_their_tasks(
    planned: Sequence[Planned], children: Mapping[CallPlace, ChildRow]
) -> list[ChildRow]:
    """The children that begin again before the tasks that have started them: not those of nodes,
    nor of bodies below other tasks that run again. Such a task begins a child again as it comes to
    it, if it has the same input.
    """
    later = {each.run.run_id: each.rerun.below for each in planned}
    return [
        child
        for (run_id, task, call), child in children.items()
        if not is_of_node(call) and task not in later[run_id]
    ]


def _still_ends(child: ChildRow) -> RunStateError:
    return RunStateError(
        f"run {child.id} of {short_name(child.workflow)}, which a body of run {child.parent_id} "
        f"has submitted, is still {child.status}: retry when it has ended",
        run_id=child.id,
        status=child.status,
        accepted=tuple([status.value for status in _ENDED]),
    )
