"""A run that this runner owns: its plan, and the facts known about it. Only data."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from cloaca_core.definition.recorded import when_ended_rows
from cloaca_core.definition.waits.kinds import Child
from cloaca_core.run.graph import PlanGraph, plan_graph
from cloaca_core.run.life import Life
from cloaca_core.run.planner import DefaultRule, RunPlan
from cloaca_core.run.restore import Restored, Resume
from cloaca_core.run.time_limit import LimitClock
from cloaca_core.values.payloads.json_values import encode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cloaca_core.definition.workflow import Workflow
    from cloaca_core.run.items.open_items import OpenItems
    from cloaca_core.run.merge import Change
    from cloaca_core.run.replacements import Keys
    from cloaca_core.run.route import Route
    from cloaca_core.run.rows import AttemptRow, RunRow
    from cloaca_core.run.waiting import Waiting
    from cloaca_core.run.watcher import BodySpans
    from cloaca_core.values.payloads.json_values import JsonValue


class ActiveRun:
    """A run that this runner owns. ``size_bound`` is an upper bound, in bytes, of the encoded size
    of every context of the run so far. ``life`` decides whether the run stays in memory, ``limit``
    counts its time limit. ``depth`` is the number of runs above it whose bodies, here, wait for it.
    ``waits`` are its open waits, None before the first wait. ``home`` is the ``ActiveRuns`` of the
    engine that adopted it. ``spans`` are the trace spans of its bodies, None unless the program
    traces. ``lines`` counts the log lines of its bodies that were handed to the journal. ``route``
    is None unless its runner serves only some queues. It ``has_defaults`` if keys were filled into
    its input that its row does not have. ``defaults``, a JSON object, are written before its first
    task begins; empty without any, or once they are written.

    Belongs to the engine's loop; bodies read only ``id``, ``epoch``, ``size_bound``, ``graph``,
    ``spans`` and ``cancelled``.
    ``awaits_children``: it may have children that end if it fails, as this runner or an earlier
    owner has started some.
    """

    __slots__ = (
        "__weakref__",
        "awaits_children",
        "defaults",
        "depth",
        "epoch",
        "graph",
        "has_defaults",
        "home",
        "id",
        "latest",
        "life",
        "limit",
        "lines",
        "maps",
        "plan",
        "recovered",
        "resume",
        "route",
        "row",
        "size_bound",
        "spans",
        "waits",
    )

    def __init__(
        self,
        row: RunRow,
        graph: PlanGraph,
        run_input: dict[str, JsonValue],
        restored: Restored,
        *,
        default_rule: DefaultRule,
        patches: Mapping[int, Change] | None = None,
        replacements: Sequence[Keys] = (),
    ) -> None:
        self.id: str = row.id
        self.epoch: int = row.epoch
        self.row: RunRow = row
        self.lines: int = 0
        self.graph: PlanGraph = graph
        self.plan: RunPlan = RunPlan(
            graph,
            run_input,
            default_rule=default_rule,
            known=restored.known,
            patches=patches,
            replacements=replacements,
            begun=_seen(restored.resume) if restored.resume else None,
        )
        self.resume: dict[int, Resume] = restored.resume
        self.latest: dict[int, AttemptRow] = restored.latest
        self.recovered: bool = row.recoveries > 0
        self.awaits_children: bool = row.epoch > 1
        self.life: Life = Life()
        self.limit: LimitClock = LimitClock(row.stood_still)
        self.size_bound: int = len(row.input.encode())
        if restored.latest:
            changes = [past.change.encode() for past in restored.latest.values() if past.change]
            self.size_bound += sum(map(len, changes))
        if patches:
            self._count([change.set for change in patches.values()])
        if replacements:
            self._count(replacements)
        self.depth: int = 0
        self.home: object = None
        self.waits: Waiting | None = None
        self.maps: OpenItems | None = None
        self.route: Route | None = None
        self.spans: BodySpans | None = None
        self.defaults: str = ""
        self.has_defaults: bool = False

    @property
    def cancelled(self) -> bool:
        """Whether the run is being cancelled, or was. Any thread may ask."""
        return self.life.cancel is not None

    def ready_at(self, task_id: str) -> int | None:
        """The earliest instant at which the first attempt of a task could begin: when the run
        became claimable, or when the last of the task's dependencies ended. None if the run has had
        another owner, or the end of a dependency is not known.
        """
        needed = self.graph.dependencies[self.graph.position[task_id]]
        if self.epoch > 1:
            return None
        if not needed:
            return self.row.claimable_at or self.row.created_at
        ends = [row.ended_at for task in needed if (row := self.latest.get(task)) is not None]
        known = [at for at in ends if at is not None]
        return max(known) if len(known) == len(needed) else None

    def attempt_of(self, task_id: str) -> int:
        """The number of the latest attempt of a task that has begun."""
        return self.latest[self.graph.position[task_id]].attempt

    def replace(self, replacements: Sequence[Keys]) -> None:
        """Keys of the input were replaced. ``replacements`` are all replacements so far, the known
        ones included.
        """
        self._count(replacements[self.plan.contexts.replacements :])
        self.plan.contexts.replace(replacements)

    def _count(self, written: Sequence[Keys]) -> None:
        self.size_bound += sum([len(encode(dict(keys)).encode()) for keys in written])


def _seen(resume: Mapping[int, Resume]) -> dict[int, int]:
    """For each task that began earlier: the number of replacements of keys that it has seen."""
    return {task: each.seen for task, each in resume.items() if each.seen is not None}


class ActiveRunFactory:
    """Makes the active runs of one runner. Computes the graph of each workflow once."""

    def __init__(self, default_rule: DefaultRule) -> None:
        self._default_rule = default_rule
        self._graphs: WeakKeyDictionary[Workflow, PlanGraph] = WeakKeyDictionary()

    def graph_of(self, workflow: Workflow) -> PlanGraph:
        """The graph of a workflow."""
        graph = self._graphs.get(workflow)
        if graph is None:
            graph = plan_graph(workflow)._replace(
                time_limit=workflow.time_limit,
                when_ended=when_ended_rows(workflow),
                pauses=workflow.exhausted_policy == "pause",
                queue=workflow.queue,
                has_queues=any(task.queue is not None for task in workflow.tasks),
                has_child_nodes=any(isinstance(task.wait, Child) for task in workflow.tasks),
                limits=workflow.limits,
                has_limits=bool(workflow.limits) or any(task.limits for task in workflow.tasks),
            )
            self._graphs[workflow] = graph
        return graph

    def make(
        self,
        row: RunRow,
        graph: PlanGraph,
        run_input: dict[str, JsonValue],
        past: Restored | None = None,
        patches: Mapping[int, Change] | None = None,
        replacements: Sequence[Keys] = (),
    ) -> ActiveRun:
        """Make a run with this input and past; without a past, no task has begun. ``patches`` are
        written just before the tasks of these indices, ``replacements`` before tasks that start
        from now on.
        """
        known = Restored({}, {}, {}) if past is None else past
        return ActiveRun(
            row,
            graph,
            run_input,
            known,
            default_rule=self._default_rule,
            patches=patches,
            replacements=replacements,
        )
