"""The part of the store contract that is about child runs, as plain Python over dicts."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from cloaca_core.features.child_runs.records import (
    NODE_CHILDREN,
    OPENED_NODES,
    TOLD_ENDS,
    NodeChild,
    OpenedNode,
)
from cloaca_core.features.waits.records import WaitRow, key_of_wait
from cloaca_core.run.rows import AttemptRow, NewRun, RunRow
from cloaca_core.store.batch import Batch
from cloaca_core.store.messages import MessageRow
from cloaca_core.values.child_kinds import NODE
from cloaca_core.values.waits import RUN


class MemoryChildRuns:
    """Part of ``MemoryStore``, which has the runs, the mailboxes and the names of queues."""

    queues: set[tuple[str, str]]

    def __init__(self) -> None:
        self.runs: dict[str, RunRow] = {}
        self.mailbox: dict[tuple[str, str], MessageRow] = {}
        self.attempts: dict[tuple[str, str, int, int], AttemptRow] = {}
        self.open_waits: dict[tuple[Any, ...], WaitRow] = {}
        self.numbers: dict[str, int] = {}

    def owns_from_insert(self, runner_id: str, run_id: str) -> bool:
        """Whether a live runner owns a run that it has not claimed."""
        raise NotImplementedError

    def insert(self, run: NewRun, *, joins_pause: bool = True) -> str:
        """Insert a run unless it is there or its key is taken; the id of who has the key."""
        raise NotImplementedError

    def start_children(
        self,
        batch: Batch,
        parents: Collection[str],
        stop_requests: Mapping[str, str],
        replaced: Mapping[str, int],
    ) -> frozenset[NodeChild]:
        """Insert the children of nodes of these runs. Returns those that the runner owns."""
        for each in batch.of(NODE_CHILDREN):
            comes_late = each.replacements is not None and (
                each.run_id in stop_requests or each.replacements != replaced.get(each.run_id, 0)
            )
            if each.run_id in parents and not comes_late:
                if each.asked_queue is not None:
                    self.queues.add((each.workflow, each.asked_queue))
                begins = each.owner == batch.runner_id and each.run_id not in stop_requests
                self.insert(
                    NewRun(
                        id=each.id,
                        workflow=each.workflow,
                        version=each.version,
                        input=each.input,
                        tags=each.tags,
                        idempotency_key=each.idempotency_key,
                        parent_id=each.run_id,
                        owner=each.owner if begins else None,
                        created_at=each.created_at,
                        priority=each.priority,
                        time_limit=each.time_limit,
                        deadline_at=each.deadline_at,
                        trace=each.trace,
                        child_kind=NODE,
                        queue=each.queue,
                        asked_queue=each.asked_queue,
                    ),
                    joins_pause=False,
                )
        return frozenset(
            [
                each
                for each in batch.of(NODE_CHILDREN)
                if each.owner is not None and self.owns_from_insert(batch.runner_id, each.id)
            ]
        )

    def open_nodes(self, batch: Batch, current: Collection[str]) -> frozenset[OpenedNode]:
        """Open nodes whose children are there, unless their runs have just ended. Returns the nodes
        whose children are there.
        """
        found = [each for each in batch.of(OPENED_NODES) if each.child_id in self.runs]
        for each in found:
            if each.run_id not in current or self.runs[each.run_id].ended_at is not None:
                continue
            mark = AttemptRow(
                run_id=each.run_id,
                task_id=each.task_id,
                attempt=each.attempt,
                epoch=self.runs[each.run_id].epoch,
                status="Waiting",
                change=None,
                error_type=None,
                error_message=None,
                error_traceback=None,
                skip_reason=None,
                started_at=each.opened_at,
                ended_at=None,
                retry_at=None,
                crashes=0,
                replacements=each.replacements,
                runner=self.numbers.get(batch.runner_id),
            )
            self.attempts.setdefault((each.run_id, each.task_id, mark.item, each.attempt), mark)
            place = (each.run_id, each.task_id, RUN, each.child_id, 0)
            wait = WaitRow(*place, each.attempt, "", each.opened_at, None, each.detail)
            self.open_waits.setdefault(key_of_wait(wait), wait)
        return frozenset(found)

    def tell_ends(self, batch: Batch) -> None:
        """Tell the parents of the ends that a batch has written."""
        for each in batch.of(TOLD_ENDS):
            self.tell_parent(each.run_id)

    def tell_parent(self, run_id: str) -> None:
        """Tell the parent of a run that it has ended, if the parent may wait for that."""
        run = self.runs.get(run_id)
        if run is None or run.ended_at is None or run.child_kind is None or run.parent_id is None:
            return
        end = f"{run.id}:{run.round}"
        self.mailbox.setdefault(
            (run.parent_id, end),
            MessageRow(
                run_id=run.parent_id,
                number=0,
                id=end,
                kind=RUN,
                name=run.id if run.round == 1 else end,
                payload=f'{{"round":{run.round},"status":"{run.status}"}}',
                dedupe_key=None,
                sent_by=None,
                sent_at=run.ended_at,
                taken_by=None,
            ),
        )

    async def runs_above(self, run_id: str, most: int) -> int:
        count, run = 0, self.runs.get(run_id)
        while count < most and run is not None and run.parent_id is not None:
            count, run = count + 1, self.runs.get(run.parent_id)
        return count
