"""The JSON forms of views: their keys and the order of these, which programs and files rely on."""

from __future__ import annotations

from model.families import LATE, attempt, family, run, tasks, view

from cloaca_core.features.schedules.records import TickRow
from cloaca_core.features.triggers.records import EventRow
from cloaca_core.values.payloads.json_forms import json_form
from cloaca_core.views.history import attempt_infos
from cloaca_core.views.results import run_info
from cloaca_core.views.run_past import History
from cloaca_testing.conformance.rows import NOW, schedule, trigger_row
from cloaca_tools.views import schedules, triggers
from cloaca_tools.views.run.changes import Seen, key_change, task_change
from cloaca_tools.views.run.graph import Drawn, graph_of_run
from cloaca_tools.views.run.timeline import timeline
from cloaca_tools.views.run.tree import tree

ROW = run(round=1)
FAMILY = family(view(ROW, attempt("a"), of=tasks(a=[])))


def keys(value: object) -> str:
    """The keys of a form in one line."""
    return " ".join(json_form(value))


def test_the_form_of_a_run() -> None:
    assert keys(run_info(ROW, LATE)) == (
        "id workflow_name workflow version status created_at started_at ended_at seconds "
        "error_message tags round priority parent_id schedule_id singleton queue reason due_at "
        "ran_version runner_gone children active_bodies forked_from follows waits_for"
    )


def test_the_forms_of_tasks() -> None:
    found = tree(FAMILY)
    assert keys(found) == "run tasks children hidden iteration index earlier"
    assert keys(found.tasks[0]) == (
        "task_id kind status depends_on attempts started_at ended_at seconds error error_type "
        "skip_reason retry_at waits_for children progress skip_code queue"
    )
    graph = graph_of_run(Drawn(FAMILY, None))
    assert keys(graph) == "workflow_name workflow version run_id nodes edges"
    assert keys(graph.nodes[0]) == "task kind status attempts seconds rule layer"


def test_the_forms_of_attempts() -> None:
    found = timeline(FAMILY, ())
    assert keys(found) == "run at begins ends bars pauses children hidden"
    assert keys(found.bars[0]) == (
        "task attempt round status queued_at started_at ended_at queued_seconds seconds error "
        "crashes waits kept"
    )
    (info,) = attempt_infos(History(ROW, [attempt("a")], [], [], []), ["a"])
    assert keys(info) == (
        "task_id attempt round status started_at ended_at retry_at error error_type traceback "
        "skip_reason crashes skip_code runner process host"
    )
    change = task_change(Seen(ROW, attempt("a"), [attempt("a")], None, (), ()))
    assert keys(change) == "run_id task attempt status input changes result error traceback"
    assert keys(key_change("k", "added", None, 1)) == "key kind before after diff"


def test_the_forms_of_a_schedule_and_a_trigger() -> None:
    tick = TickRow("s", NOW, "r", "Fired", NOW)
    (line,) = schedules.page(
        schedules.Rows(NOW, [schedule("s")], {"s": [tick]}, {}, frozenset())
    ).schedules
    assert keys(line) == (
        "id name workflow_name workflow cron_expression timezone words error enabled paused "
        "catchup_policy overlap_policy jitter_seconds start_date end_date params time_limit "
        "queue next_tick due_at last_tick created_at updated_at ticks lag day in_day"
    )
    assert keys(line.ticks[0]) == "at outcome decided_at run_id run lag"

    event = EventRow("e", "t", "h", "r", NOW, None)
    shown = triggers.one(triggers.Rows(NOW, [trigger_row("t")], {"t": [event]}, {}))
    assert keys(shown) == (
        "name workflow_name workflow poll_seconds cron_expression timezone allow_concurrent "
        "enabled last_poll next_poll late created_at updated_at events "
        "last_error failing_since failed_polls"
    )
    assert keys(shown.events[0]) == "at run_id run"
