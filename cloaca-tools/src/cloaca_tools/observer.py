"""``Observer``: what is seen of runs, through a client that is open.

Each method imports the view that it asks for: a command needs one of them, and is to be over soon.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeVar

from cloaca_core.engine.calls.arguments import checked_limit
from cloaca_core.engine.calls.call import Call, unchanged
from cloaca_core.errors import ConfigError, RunNotFoundError
from cloaca_core.values.ids import is_run_id
from cloaca_core.values.times.instants import read_instant
from cloaca_tools.views.lists import ids, listing, search
from cloaca_tools.views.lists.filters import Filter, parse

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Coroutine, Sequence
    from datetime import datetime

    from cloaca_core.assembly.engine import Engine
    from cloaca_core.assembly.onlooker import Looks
    from cloaca_core.client.async_client import AsyncClient
    from cloaca_core.client.client import Client
    from cloaca_core.features.maps.choice import ItemName
    from cloaca_core.features.steering.bulk import Steps
    from cloaca_core.features.steering.results import BulkResult
    from cloaca_core.features.task_logs.operations import Following
    from cloaca_core.features.task_logs.records import LogChunk
    from cloaca_core.features.task_logs.views import LogLine
    from cloaca_core.features.waits.approvals import OpenApproval
    from cloaca_core.operations.watch import Watch
    from cloaca_core.store.acts import ActRow
    from cloaca_core.views.explain.explanation import Explanation
    from cloaca_core.views.history import Action, AttemptInfo, RoundInfo, RunEvent
    from cloaca_tools.views.inbox import Inbox, WaitingForPeople
    from cloaca_tools.views.lists.facets import Facets
    from cloaca_tools.views.lists.failure_groups import ErrorKinds, FailureGroups
    from cloaca_tools.views.lists.listing import RunLine, RunPage
    from cloaca_tools.views.notices import NoticeStream
    from cloaca_tools.views.overview import Overview
    from cloaca_tools.views.queues import QueueLine
    from cloaca_tools.views.run.changes import TaskChange
    from cloaca_tools.views.run.graph import Graph
    from cloaca_tools.views.run.inspection import Inspection, Snapshot
    from cloaca_tools.views.run.item_cells import KeptCells, SeenMap
    from cloaca_tools.views.run.item_states import Cell
    from cloaca_tools.views.run.items import MapItems
    from cloaca_tools.views.run.log_window import LogSearch, LogWindow, Said
    from cloaca_tools.views.run.reading import Family
    from cloaca_tools.views.run.shown_run import ShownRun
    from cloaca_tools.views.run.standings import Standing
    from cloaca_tools.views.run.starts import RunStart
    from cloaca_tools.views.run.task_details import TaskDetails, TaskLook
    from cloaca_tools.views.run.timeline import Timeline
    from cloaca_tools.views.run.tree import RunTree
    from cloaca_tools.views.runners import RunnerLine
    from cloaca_tools.views.schedules import Period, SchedulePage, ScheduleView
    from cloaca_tools.views.triggers import TriggerLine, TriggerPage
    from cloaca_tools.views.workflows.activity import Activity
    from cloaca_tools.views.workflows.starters import Starter
    from cloaca_tools.views.workflows.statistics import WorkflowLine, WorkflowStatistics
    from cloaca_tools.views.workflows.task_times import SlowestTasks

A = TypeVar("A")
T = TypeVar("T")


class Observer:
    """Looks at runs through a ``Client``, an ``AsyncClient`` or a runner, which stays its owner's.

    Each method returns a call: ``observer.runs("status:failed").wait()`` blocks, and in a program
    with a loop it is awaited: ``await observer.runs("status:failed")``. ``ref`` names a run: its
    id, the beginning of it that no other run shares, ``@`` for the newest run or ``@~1`` for the
    one before it. No run of that name raises ``RunNotFoundError`` (a KeyError), several
    ``AmbiguousRunError``. ``terms`` are those of the filter grammar (see ``filters``); a wrong one
    raises ``FilterError`` (a ValueError) at once. Any thread may call.
    """

    def __init__(self, client: Client | AsyncClient) -> None:
        self._host = client._host

    # -- lists -------------------------------------------------------------------------------

    def runs(
        self,
        *terms: str | Filter,
        limit: int = 100,
        before: str | None = None,
        thorough: bool = False,
    ) -> Call[RunPage]:
        """Runs that match, newest first: at most ``limit``, older than the run ``before``, which is
        named as in ``ref``. It comes soon, perhaps with fewer runs and a ``next``; ``thorough``
        looks on until it has all.
        """
        wanted, most = _filter(terms), checked_limit(limit)
        mark = None if before is None else ids.checked_ref(before)

        async def answer(engine: Looks) -> listing.Listed:
            at = None if mark is None else await ids.marked(engine, mark)
            page = await search.page(engine, wanted, most, at, thorough=thorough)
            return await listing.read_page(engine, page)

        return self._ask(answer, listing.run_page)

    def failures(self, *terms: str | Filter) -> Call[FailureGroups]:
        """The failed runs that match, up to 1,000 of the newest, in groups of one error each."""
        from cloaca_tools.views.lists import failure_groups

        wanted = _filter(terms)
        return self._ask(
            lambda engine: failure_groups.read(engine, wanted), failure_groups.failure_groups
        )

    def error_kinds(self, *terms: str | Filter) -> Call[ErrorKinds]:
        """The failed runs that match, up to 1,000 of the newest, by the class of their error."""
        from cloaca_tools.views.lists import failure_groups

        wanted = _filter(terms)
        return self._ask(
            lambda engine: failure_groups.read(engine, wanted), failure_groups.error_kinds
        )

    def facets(self, *terms: str | Filter) -> Call[Facets]:
        """How the newest 1,000 runs that match are spread over states, workflows, queues and
        tags.
        """
        from cloaca_tools.views.lists import facets

        wanted = _filter(terms)
        return self._ask(lambda engine: facets.read(engine, wanted), facets.facets)

    def slowest_tasks(self, *terms: str | Filter) -> Call[SlowestTasks]:
        """The tasks of the newest 2,000 runs that match, over all workflows, slowest first."""
        from cloaca_tools.views.workflows import task_times

        wanted = _filter(terms)
        return self._ask(lambda engine: task_times.read(engine, wanted), task_times.slowest)

    def count(self, *terms: str | Filter) -> Call[int]:
        """How many runs match."""
        wanted = _filter(terms)
        return self._ask(lambda engine: search.count(engine, wanted), unchanged)

    def tally(self, *terms: str | Filter, most: int = 1_000) -> Call[search.Tally]:
        """How many runs match, up to ``most``: soon, however many runs there are."""
        wanted, bound = _filter(terms), checked_limit(most)
        return self._ask(lambda engine: search.tally(engine, wanted, bound), unchanged)

    def standings(self, *run_ids: str) -> Call[tuple[Standing, ...]]:
        """Those of these runs that are there, newest first: how far each has come, and what it
        waits for.
        """
        from cloaca_tools.views.run import standings

        checked = [ids.checked_ref(each) for each in run_ids]
        return self._ask(lambda engine: standings.read(engine, checked), standings.standings)

    def steer(
        self,
        kind: Literal["cancel", "pause", "resume", "retry"],
        *terms: str | Filter,
        reason: str | None = None,
        by: str | None = None,
        dry_run: bool = False,
    ) -> Call[BulkResult]:
        """Cancel, pause, resume or retry all runs that match, as ``Client.cancel_many`` and its
        like do: without a term ``status:…`` those in states that this changes. Without any term it
        is refused; ``dry_run`` only counts.
        """
        from cloaca_core.engine.calls.orders import checked_order
        from cloaca_core.operations.bulk import bulk_result

        wanted, order = _filter(terms), checked_order(kind, reason, by)
        if not wanted.terms:
            raise ConfigError(f"{kind} needs a term: without one it would be about all runs")
        grace = self._host.config.shutdown_grace_seconds

        async def answer(engine: Engine) -> Steps:
            return await search.steer(engine, wanted, order, grace, dry_run=dry_run)

        return Call(lambda: self._host.send(answer), bulk_result)

    def workflows(self) -> Call[tuple[WorkflowLine, ...]]:
        """All workflows that are recorded in the database or registered here, by name."""
        from cloaca_tools.views.workflows import statistics

        return self._ask(statistics.read_workflows, statistics.workflow_lines)

    # -- one run -----------------------------------------------------------------------------

    def resolve(self, ref: str) -> Call[str]:
        """The id of the run that ``ref`` names."""
        checked = ids.checked_ref(ref)
        return self._ask(lambda engine: ids.resolved(engine, checked), unchanged)

    def run(self, ref: str) -> Call[RunLine]:
        """One run, with all that a look at it tells."""
        return self._of_run(ref, listing.read_alone, listing.shown_alone)

    def show(self, ref: str, *, depth: int = 3) -> Call[ShownRun]:
        """A run with all that ``run`` tells, its ``tree``, who has submitted it, and the runners
        that have run its attempts.
        """
        from cloaca_tools.views.run import shown_run

        return self._of_run(
            ref, lambda engine, run_id: shown_run.read(engine, run_id, depth), shown_run.shown_run
        )

    def tree(self, ref: str, *, depth: int = 3) -> Call[RunTree]:
        """A run with its tasks and, down to ``depth`` levels, the runs that they submitted."""
        from cloaca_tools.views.run import tree

        return self._of_run(ref, lambda e, run: tree.read_family(e, run, depth), tree.tree)

    def timeline(self, ref: str, *, depth: int = 3) -> Call[Timeline]:
        """The attempts of a run, and of those below it, on a line of time."""
        from cloaca_tools.views.run import timeline

        return self._of_run(
            ref,
            lambda engine, run_id: timeline.read_past(engine, run_id, depth),
            lambda found: timeline.timeline(*found),
        )

    def inspect(self, ref: str, *, depth: int = 3) -> Call[Inspection]:
        """The tree, the timeline and the explanation of a run, of one read."""
        from cloaca_tools.views.run import inspection

        return self._of_run(
            ref,
            lambda engine, run_id: inspection.read(engine, run_id, depth),
            inspection.inspection,
        )

    def snapshot(
        self, ref: str, known: Snapshot | None = None, *, depth: int = 3, drawn: int = 0
    ) -> Call[Snapshot]:
        """The same, to be asked for again: ``known`` itself if the run and all below it had ended
        then, and none of them was steered since. That takes one short read. With its graph, if it
        has up to ``drawn`` tasks.
        """
        from cloaca_tools.views.run import inspection

        return self._of_run(
            ref,
            lambda engine, run_id: inspection.read_again(engine, run_id, depth, known, drawn=drawn),
            inspection.snapshot,
        )

    def graph(self, ref: str) -> Call[Graph]:
        """The graph of a run's workflow, with the states of the run."""
        from cloaca_tools.views.run import graph

        return self._of_run(ref, graph.read_run, graph.graph_of_run)

    def workflow_graph(self, workflow_name: str) -> Call[Graph]:
        """The graph of a workflow: of the version registered here, else of the newest recorded."""
        from cloaca_tools.views.run import graph

        name = search.checked_workflow(workflow_name)
        return self._ask(lambda engine: graph.read_workflow(engine, name), graph.graph_of_workflow)

    def changes(self, ref: str, task: str, *, attempt: int | None = None) -> Call[TaskChange]:
        """The input of a task of a run, and what it has made of it; of its latest attempt, or of
        another one. ``TaskNotFoundError`` (a KeyError) for a task without an attempt.
        """
        from cloaca_tools.views.run import changes

        return self._of_run(
            ref,
            lambda engine, run_id: changes.read(engine, run_id, task, attempt),
            changes.task_change,
        )

    def task(self, ref: str, task: str, *, attempt: int | None = None) -> Call[TaskDetails]:
        """One task of a run, closely: attempts, kept values, messages, decision, and the input and
        change of its latest attempt, or of another one. ``TaskNotFoundError`` (a KeyError) if the
        run has no such task or attempt.
        """
        from cloaca_tools.views.run import task_details

        return self._of_run(
            ref,
            lambda engine, run_id: task_details.read(engine, run_id, [task], attempt),
            lambda rows: task_details.task_details(rows)[0],
        )

    def look_at_task(
        self,
        ref: str,
        task: str,
        *,
        attempt: int | None = None,
        explained: bool = False,
        item: int | None = None,
    ) -> Call[TaskLook]:
        """The same, with the log of the attempt and, if it is to be ``explained``, why the run is
        as it is. Of a map with the value of the ``item`` of this index.
        """
        from cloaca_tools.views.run import task_details

        return self._of_run(
            ref,
            lambda engine, run_id: task_details.read_closely(
                engine, run_id, task, attempt, explained=explained, item=item
            ),
            task_details.task_look,
        )

    def items(
        self,
        ref: str,
        task: str,
        *,
        status: str | None = None,
        after: int | None = None,
        limit: int = 100,
        item: ItemName | None = None,
        kept: KeptCells | None = None,
    ) -> Call[MapItems]:
        """The items of a map of a run: how many in each state, and a page of them, in their order:
        of this ``status``, if one is given, after the index ``after``, at most ``limit``; and the
        ``item`` of this index (an integer), or of this label or else index (a text), apart, if
        there is one. ``TaskNotFoundError`` (a KeyError) if the
        run has started no such map. Cells of its strip that do not
        change are read once if the caller has them ``kept``.
        """
        from cloaca_tools.views.run import items
        from cloaca_tools.views.run.item_cells import KeptCells

        page, cells = (
            items.wanted(task, status, after, checked_limit(limit), item),
            kept or KeptCells(),
        )
        return self._of_run(
            ref, lambda engine, run_id: items.read(engine, run_id, page, cells), items.map_items
        )

    def item_cells(
        self, run_id: str, maps: Sequence[SeenMap], kept: KeptCells
    ) -> Call[dict[str, tuple[Cell, ...]]]:
        """The strips of these maps of a run, by task. ``kept`` has the cells that do not change."""
        return self._ask(lambda engine: kept.read(engine, run_id, maps), unchanged)

    def tasks(self, ref: str, tasks: Collection[str]) -> Call[tuple[TaskDetails, ...]]:
        """Several tasks of a run, closely, in this order; reads the run once."""
        from cloaca_tools.views.run import task_details

        return self._of_run(
            ref,
            lambda engine, run_id: task_details.read(engine, run_id, tasks, None),
            task_details.task_details,
        )

    def watch(self, ref: str, *, depth: int = 3) -> Watch[RunTree]:
        """The tree of a run, and another one each time that something in it has changed, until the
        run has ended: ``for tree in …`` or ``async for tree in …``.
        """
        from cloaca_core.operations.watch import Watch
        from cloaca_tools.views.run import tree

        checked = ids.checked_ref(ref)

        async def read(engine: Engine) -> Family:
            return await tree.read_family(engine, await ids.resolved(engine, checked), depth)

        return Watch(self._host, read, tree.told, tree.tree, tree.is_over)

    def notices(self) -> NoticeStream:
        """Tells when anything in the database may have changed, or a runner counts as gone, a few
        times a second at most: ``async with observer.notices() as notices``, then ``async for _ in
        notices``.
        """
        from cloaca_tools.views.notices import NoticeStream

        return NoticeStream(self._host)

    def explain(self, ref: str) -> Call[Explanation]:
        """Why a run and each of its tasks is as it is; see ``RunHandle.explain``."""
        from cloaca_core.views.explain.answer import explanation

        return self._of_run(ref, lambda e, run_id: e.explainer.facts(run_id), explanation)

    def events(self, ref: str) -> Call[list[RunEvent]]:
        """The events of a run so far, in the order of time; see ``RunHandle.events``."""
        from cloaca_core.views.history import run_events
        from cloaca_core.views.run_past import history_of

        return self._of_run(ref, lambda e, run_id: history_of(e, run_id), run_events)

    def start_of(self, ref: str) -> Call[RunStart]:
        """The context, tags and priority of a run, with which another run can be started."""
        from cloaca_tools.views.run import starts

        return self._of_run(ref, starts.read, starts.start_of)

    def last_start(self, workflow: str) -> Call[RunStart | None]:
        """The context, tags and priority of the newest run of a workflow, which is named in full;
        None if it has no run.
        """
        from cloaca_tools.views.run import starts

        return self._ask(lambda engine: starts.read_last(engine, workflow), starts.start_or_none)

    def submitted_by(self, ref: str) -> Call[str | None]:
        """Who has submitted a run; None if that was not said."""
        from cloaca_core.views.history import submitter
        from cloaca_core.views.run_past import history_of

        return self._of_run(
            ref,
            lambda engine, run_id: history_of(engine, run_id),
            lambda history: submitter(history.acts),
        )

    def attempts(self, ref: str) -> Call[list[AttemptInfo]]:
        """All attempts of all tasks of a run; see ``RunHandle.attempts``."""
        from cloaca_core.operations.history import history_and_tasks
        from cloaca_core.views.history import attempt_infos

        return self._of_run(ref, history_and_tasks, lambda found: attempt_infos(*found))

    def rounds(self, ref: str) -> Call[list[RoundInfo]]:
        """The rounds of a run, oldest first; see ``RunHandle.rounds``."""
        from cloaca_core.views.history import round_infos
        from cloaca_core.views.run_past import history_of

        return self._of_run(ref, lambda e, run_id: history_of(e, run_id), round_infos)

    def logs(
        self,
        ref: str,
        task: str | None = None,
        *,
        attempt: int | None = None,
        after: LogLine | int | None = None,
        limit: int = 10_000,
        item: int | str | None = None,
    ) -> Call[list[LogLine]]:
        """The lines that bodies of a run have logged so far; see ``RunHandle.logs``. ``item`` is
        the index (an integer) or the label of an item of ``task``.
        """
        from cloaca_core.features.task_logs.operations import lines_of, wanted_lines
        from cloaca_core.features.task_logs.run_logs import lines_read

        wanted = wanted_lines("", task, attempt, after, checked_limit(limit), item)

        async def answer(engine: Looks, run_id: str) -> list[LogChunk]:
            return await lines_read(engine.store, engine.reader, wanted._replace(run_id=run_id))

        return self._of_run(ref, answer, lines_of(wanted))

    def log_window(self, ref: str, wanted: LogSearch, said: Said) -> Call[LogWindow]:
        """Some of the lines of a run: the newest, or those around a position; see ``LogSearch``.
        ``said`` makes the text of a line as it is shown, in which is looked for the text.
        """
        from cloaca_tools.views.run import log_window

        return self._of_run(
            ref,
            lambda engine, run_id: log_window.read(engine, run_id, wanted),
            lambda found: log_window.window(found, said),
        )

    def follow_logs(
        self,
        ref: str,
        task: str | None = None,
        *,
        attempt: int | None = None,
        after: LogLine | int | None = None,
        item: int | str | None = None,
    ) -> Following:
        """The lines of a run up to its end, as they come: ``for line in …`` or ``async for``."""
        from cloaca_core.features.task_logs.operations import LINES_AT_ONCE, Following, wanted_lines

        checked = ids.checked_ref(ref)
        wanted = wanted_lines("", task, attempt, after, LINES_AT_ONCE, item)
        return Following(self._host, wanted, lambda engine: ids.resolved(engine, checked))

    # -- what starts runs, and who executes them -----------------------------------------------

    def inbox(self, *, limit: int = 20, facts: bool = True) -> Call[Inbox]:
        """What waits for a person: open approvals, and runs that are paused since a task used up
        its attempts; up to ``limit`` of each. It comes sooner without ``facts``: then approvals
        have no ``facts`` and no ``default``.
        """
        from cloaca_tools.views import inbox

        most = checked_limit(limit)
        return self._ask(lambda engine: inbox.read(engine, most, facts=facts), inbox.inbox)

    def question(
        self, run_id: str, name: str, item: tuple[str, int] | None = None
    ) -> Call[OpenApproval | None]:
        """The approval of this name, of a run, if it is open, else None. ``item`` is the map and
        the index of the item whose body asks; without it the first is meant.
        """
        from cloaca_tools.views import inbox

        return self._ask(
            lambda engine: inbox.read_question(engine, run_id, name, item), inbox.question
        )

    def waiting(self) -> Call[WaitingForPeople]:
        """How many decisions and how many stopped runs wait for a person, each up to 100."""
        from cloaca_tools.views import inbox

        return self._ask(inbox.count, unchanged)

    def schedules(self, *, limit: int = 50, offset: int = 0) -> Call[SchedulePage]:
        """Schedules by workflow, with their last ticks and those of the next 24 hours."""
        from cloaca_tools.views import schedules

        most = checked_limit(limit)
        return self._ask(lambda engine: schedules.read_page(engine, most, offset), schedules.page)

    def schedule(self, schedule_id: str) -> Call[ScheduleView]:
        """One schedule; ``ScheduleError`` (a ValueError) if there is none of this id."""
        from cloaca_tools.views import schedules

        return self._ask(lambda engine: schedules.read_one(engine, schedule_id), schedules.view)

    def schedule_id(self, name: str) -> Call[str | None]:
        """The id of the schedule of this name, None if there is none."""
        from cloaca_tools.views import schedules

        return self._ask(lambda engine: schedules.read_id(engine, name), unchanged)

    def workflow_names(self) -> Call[list[str]]:
        """The names of all workflows that are recorded in the database or registered here."""
        from cloaca_tools.views.workflows import statistics

        return self._ask(statistics.read_names, unchanged)

    def workflow_namespaces(self) -> Call[list[str]]:
        """The same workflows by their full namespaces."""
        from cloaca_tools.views.workflows import statistics

        return self._ask(statistics.read_namespaces, unchanged)

    def period(self, schedule_id: str, start: datetime | str, end: datetime | str) -> Call[Period]:
        """The ticks of a schedule from ``start`` on and before ``end``, the first 2,000, and the
        runs that they have; ``ScheduleError`` for a period that cannot be back-filled.
        """
        from cloaca_tools.views import schedules

        first, last = read_instant("start", start), read_instant("end", end)
        return self._ask(
            lambda engine: schedules.read_period(engine, schedule_id, first, last),
            schedules.period,
        )

    def triggers(self, *, limit: int = 50, offset: int = 0) -> Call[TriggerPage]:
        """Triggers by name, with the runs that they fired last."""
        from cloaca_tools.views import triggers

        most = checked_limit(limit)
        return self._ask(lambda engine: triggers.read_page(engine, most, offset), triggers.page)

    def trigger(self, name: str) -> Call[TriggerLine]:
        """One trigger; ``ScheduleError`` (a ValueError) if there is none of this name."""
        from cloaca_tools.views import triggers

        return self._ask(lambda engine: triggers.read_one(engine, name), triggers.one)

    def runners(self) -> Call[tuple[RunnerLine, ...]]:
        """The runners that are registered, oldest first, and those that were lost within a day, the
        latest first.
        """
        from cloaca_tools.views import runners

        return self._ask(runners.read, runners.all_lines)

    def queues(self) -> Call[tuple[QueueLine, ...]]:
        """The queues that have runs, or that a living runner names; by name."""
        from cloaca_tools.views import queues

        return self._ask(queues.read, queues.queue_lines)

    def actions(
        self,
        *,
        limit: int = 100,
        submissions: bool = True,
        by: str | None = None,
        kinds: Collection[str] | None = None,
        before: str | None = None,
        run: str | None = None,
    ) -> Call[list[Action]]:
        """Who has asked what of the database, newest first; see ``Client.actions``. Only what
        ``by`` has asked; only of these ``kinds``; only of ``run``, which is named as a ``ref`` is;
        only what is older than an action whose ``mark`` is ``before``. Without ``submissions``, of
        which there may be as many as runs, they are left out unless ``kinds`` has them. A
        ``before`` that is no mark raises ``FilterError``; names have 1 to 255 characters, others
        are a ``ConfigError``.
        """
        from cloaca_core.views import history
        from cloaca_tools.views import actions

        wanted = actions.search(by, kinds, before, submissions=submissions)
        most = checked_limit(limit)
        if run is None:
            return self._ask(lambda engine: engine.store.search_acts(wanted, most), history.actions)
        ref = ids.checked_ref(run)

        async def answer(engine: Looks) -> list[ActRow]:
            of_run = wanted._replace(run_id=await ids.resolved(engine, ref))
            return await engine.store.search_acts(of_run, most)

        return self._ask(answer, history.actions)

    # -- all of it ---------------------------------------------------------------------------

    def statistics(
        self, workflow_name: str, *, last: int = 50, failures: bool = True
    ) -> Call[WorkflowStatistics]:
        """Counts and durations of a workflow, with a grid of its ``last`` runs and their tasks. It
        comes sooner without ``failures``, the newest of the last 2,000 runs.
        """
        from cloaca_tools.views.workflows import statistics

        name, most = search.checked_workflow(workflow_name), checked_limit(last)
        return self._ask(
            lambda engine: statistics.read(engine, name, most, failures=failures),
            statistics.statistics,
        )

    def strips(
        self, workflows: Sequence[str], *, last: int = 25
    ) -> Call[dict[str, tuple[RunLine, ...]]]:
        """The ``last`` runs of each of these workflows, named in full; newest first."""
        from cloaca_tools.views.workflows import statistics

        names, most = list(workflows), checked_limit(last)
        return self._ask(
            lambda engine: statistics.read_strips(engine, names, most), statistics.strips
        )

    def starters(self, workflow_name: str) -> Call[tuple[Starter, ...]]:
        """The schedules and triggers of a workflow."""
        from cloaca_tools.views.workflows import starters

        name = search.checked_workflow(workflow_name)
        return self._ask(lambda engine: starters.read(engine, name), starters.starters)

    def overview(self) -> Call[Overview]:
        """The state of the database: open runs, recent failures, approvals and runners."""
        from cloaca_tools.views import overview

        backend = self._host.backend.name
        return self._ask(overview.read, lambda state: overview.overview(backend, state))

    def under_way(self, most: int = 10_000) -> Call[dict[str, int]]:
        """How many runs have not ended, by state, each up to ``most``; without zeros."""
        bound = checked_limit(most)
        return self._ask(lambda engine: engine.store.count_under_way(bound), unchanged)

    def activity(self, hours: float = 6) -> Call[Activity]:
        """Runs of the last hours by workflow, at most 24, and the workflows that fail."""
        from cloaca_tools.views.workflows import activity

        if not 0 < hours <= 24:
            raise ConfigError(f"hours must be above 0 and at most 24, not {hours!r:.80}")
        length = round(hours * activity.HOUR)
        return self._ask(lambda engine: activity.read(engine, length), activity.activity)

    # -- all of these ------------------------------------------------------------------------

    def _of_run(
        self,
        ref: str,
        ask: Callable[[Looks, str], Coroutine[Any, Any, A]],
        read: Callable[[A], T],
    ) -> Call[T]:
        checked = ids.checked_ref(ref)

        async def answer(engine: Looks) -> A:
            if not is_run_id(checked):
                return await ask(engine, await ids.resolved(engine, checked))
            try:
                return await ask(engine, checked)  # a whole id needs no search
            except RunNotFoundError:
                await ids.resolved(engine, checked)  # raises with the words of a search
                raise

        return self._ask(answer, read)

    def _ask(
        self, ask: Callable[[Looks], Coroutine[Any, Any, A]], read: Callable[[A], T]
    ) -> Call[T]:
        return Call(lambda: self._host.read(ask), read)


def _filter(terms: tuple[str | Filter, ...]) -> Filter:
    """One filter of texts and filters."""
    texts = [each for each in terms if not isinstance(each, Filter)]
    given = [each for filter_ in terms if isinstance(filter_, Filter) for each in filter_.terms]
    read = parse(*texts).terms if texts else ()
    return Filter((*given, *read))
