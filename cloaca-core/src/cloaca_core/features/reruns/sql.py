"""Next rounds of ended runs and forks in SQL."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import chain

from cloaca_core.features.steering.records import Act, NewFork, OwnedParent, Reopening
from cloaca_core.features.steering.sql import SteeringQueries
from cloaca_core.features.steps.sql import MemoQueries
from cloaca_core.run.rows import CHILDREN_LATER, THE_TASK, ForkRow
from cloaca_core.store.acts import Acted
from cloaca_core.store.changes import Change
from cloaca_core.store.sql.asking_part import AskingPart
from cloaca_core.store.sql.base import Queries, Statements, acted, pair
from cloaca_core.store.sql.dialect import Answers, Dialect, Step, steps_of
from cloaca_core.store.sql.payloads import Payloads
from cloaca_core.store.sql.queries import Statement
from cloaca_core.values.queue_names import PlannedQueue


class RerunQueries(
    Statements,
    file="reruns.sql",
    news={
        "note_retry": Change.ANYTHING,
        "note_forking": Change.ANYTHING,
    },
):
    """Next rounds of ended runs, and forks."""

    note_retry: Statement
    keep_round: Statement
    restart_tasks: Statement
    set_planned_version: Statement
    serve_again: Statement
    reopen_run: Statement
    set_planned_queue: Statement
    forget_waits: Statement
    insert_fork: Statement
    free_fork_key: Statement
    copy_results: Statement
    copy_maps: Statement
    choose_items: Statement
    copy_replacements: Statement
    copy_messages: Statement
    note_fork: Statement
    copy_forks: Statement
    note_forking: Statement
    find_fork: Statement
    list_forks: Statement


class SqlReruns(AskingPart):
    """The operations that run tasks of ended runs again. Contracts: see ``RerunStore``."""

    def __init__(self, dialect: Dialect, queries: Queries) -> None:
        super().__init__(dialect, queries)
        self._reruns = queries.of(RerunQueries)
        self._steering = queries.of(SteeringQueries)
        self._memos = queries.of(MemoQueries)

    async def retry(
        self,
        runs: Collection[Reopening],
        act: Act,
        *,
        children: bool = False,
        time_limit: int | None = None,
        parent: OwnedParent | None = None,
    ) -> dict[str, Acted]:
        q, acts, array = self._reruns, self._steering, self._dialect.array
        run_ids = [run.run_id for run in runs]
        above = [] if parent is None else [parent.run_id]
        parent_id, parent_epoch = (None, None) if parent is None else parent
        known = {**act._asdict(), "ids": array(run_ids), "time_limit": time_limit}
        known |= {"parent_id": parent_id, "parent_epoch": parent_epoch}
        seen: dict[int, list[str]] = {}
        for run in runs:
            seen.setdefault(run.round, []).append(run.run_id)
        columns = ("run_id", "id", "task_id", "item", "first_attempt", "with_children")
        restart = q.restart_tasks.binder(columns)
        rows = [
            restart((run.run_id, act.id, task, item, first, restarted if item == THE_TASK else 0))
            for run in runs
            for task, item, first in _restarts(run)
            for restarted in [with_children(run, task) if children else 0]
        ]
        *_, found = await self._dialect.write(
            [
                *steps_of(
                    [*self._stages.lock_of, self._runs.lock_steered],
                    {"ids": array([*run_ids, *above])},
                ),
                *chain.from_iterable(
                    steps_of([q.note_retry], {**known, "round": number, "ids": array(ids)})
                    for number, ids in seen.items()
                ),
                *steps_of([q.keep_round], known),
                *([Step(q.restart_tasks, rows=rows)] if rows else []),
                *chain.from_iterable(self._begin_anew(runs, act)),
                *steps_of([q.forget_waits, q.reopen_run], known),
                *chain.from_iterable(self._put_in_queues(runs, act)),
                *steps_of([acts.conclude_act, acts.acted], known),
            ]
        )
        return acted(found)

    def _begin_anew(self, runs: Collection[Reopening], act: Act) -> Iterator[Sequence[Step]]:
        """Note by which versions runs were planned, and let all runners claim them."""
        q, planned = self._reruns, dict[str | None, list[str]]()
        for run in runs:
            planned.setdefault(run.version, []).append(run.run_id)
        for version, run_ids in planned.items():
            known = {"id": act.id, "version": version, "ids": self._dialect.array(run_ids)}
            noted = [] if version is None else [q.set_planned_version]
            yield steps_of([*noted, q.serve_again], known)

    def _put_in_queues(self, runs: Collection[Reopening], act: Act) -> Iterator[Sequence[Step]]:
        """Put runs of workflows with queues where they begin again."""
        planned: dict[PlannedQueue, list[str]] = {}
        for run in runs:
            if run.queue is not None:
                planned.setdefault(run.queue, []).append(run.run_id)
        for queue, run_ids in planned.items():
            known = {"id": act.id, "ids": self._dialect.array(run_ids), **queue._asdict()}
            yield steps_of([self._reruns.set_planned_queue], known)

    async def fork(self, new: NewFork, act: Act) -> str | None:
        q, lock_source = self._reruns, self._runs.lock_steered
        known = {**act._asdict(), **new._asdict(), "act_id": act.id, "ids": [new.source_id]}
        queue = new.queue or PlannedQueue(None, None)
        known |= queue._asdict()
        known |= {name: self._dialect.array(known[name]) for name in ("ids", "kept", "memos_of")}
        tags = [(new.id, tag, content) for tag, content in json.loads(new.tags).items()]
        insert_tag = self._runs.insert_tag
        bind = insert_tag.binder(("run_id", "tag", "content"))
        steps = [
            *steps_of([lock_source, q.insert_fork], known),
            *Payloads(self._queries.payloads).copy_input(new.id, new.source_id),
            *([Step(insert_tag, rows=list(map(bind, tags)))] if tags else []),
            *steps_of(
                [q.copy_results, q.copy_maps],
                {**known, "least_item": THE_TASK, "opened_for": None},
            ),
            *self._begin_with_items(new, known),
            *steps_of(
                [
                    q.copy_replacements,
                    q.copy_messages,
                    self._memos.copy_memos,
                    q.note_fork,
                    q.copy_forks,
                    q.note_forking,
                    q.find_fork,
                ],
                known,
            ),
        ]
        if new.idempotency_key is None:
            return _found(await self._dialect.write(steps))
        key = pair(new.workflow, new.idempotency_key)
        if (run_id := _found(await self._dialect.write_apart(steps, key))) is None:
            # There is no such source, or a hidden run has the key.
            await self._dialect.write(steps_of([q.free_fork_key], known))
            run_id = _found(await self._dialect.write_apart(steps, key))
        return run_id

    def _begin_with_items(self, new: NewFork, known: Mapping[str, object]) -> Iterator[Step]:
        """Give a fork the map from which on it runs, and note which of its items run again."""
        if new.items is None:
            return
        q, kept = self._reruns, self._dialect.array([new.from_task])
        of_map = {**known, "kept": kept, "least_item": 0, "opened_for": 0}
        yield from steps_of([q.copy_results, q.copy_maps], of_map)
        bind = q.choose_items.binder(("run_id", "task_id", "item"))
        rows = [bind((new.id, new.from_task, item)) for item in new.items]
        if rows:
            yield Step(q.choose_items, rows=rows)

    async def forks(self, run_ids: Collection[str]) -> list[ForkRow]:
        ids = self._dialect.array(run_ids)
        rows = await self._read(self._reruns.list_forks, ids=ids)
        return list(map(ForkRow._make, rows))


def _restarts(run: Reopening) -> Iterator[tuple[str, int, int]]:
    """The tasks that begin anew, and the items that were chosen of maps: each with its first
    attempt, an item with that of its map.
    """
    for task, first in run.first_attempts.items():
        yield task, THE_TASK, first
    for task, items in run.items.items():
        for item in items:
            yield task, item, run.first_attempts.get(task, 1)


def with_children(run: Reopening, task: str) -> int:
    """The value that the restart of a task records about its children, if they are restarted."""
    return CHILDREN_LATER if task in run.later else 1


def _found(answers: Answers) -> str | None:
    """The run that was made, or that has its key."""
    ((run_id,),) = answers[-1]
    return None if run_id is None else str(run_id)
