"""A tree has the tasks of a run, and the runs that they submitted."""

from __future__ import annotations

from model.families import attempt, child, family, run, tasks, view

from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.nodes.sleep import sleep
from cloaca_core.definition.registry import Registry
from cloaca_core.definition.task import task
from cloaca_testing.conformance.rows import told as told_row
from cloaca_tools.cli.runs.lines import task_about
from cloaca_tools.views.run.tree import is_over, told, tree

OF = tasks(load=[], send=["load"])


def test_tasks_are_in_the_order_of_the_definition_with_their_states() -> None:
    found = tree(family(view(run(status="Running"), attempt("load", begins=1, ends=4), of=OF)))

    assert [(each.task_id, each.status, each.depends_on) for each in found.tasks] == [
        ("load", "Completed", ()),
        ("send", "NotStarted", ("load",)),
    ]
    assert [each.seconds for each in found.tasks] == [3.0, None]
    assert [each.kind for each in found.tasks] == ["task", "task"]
    assert found.run.seconds == 99.0


def test_seconds_go_on_until_now_or_the_end_of_the_run() -> None:
    going = attempt("load", begins=10, ends=None, status="Running")

    (node,) = tree(family(view(run(status="Running"), going))).tasks
    assert (node.seconds, node.kind) == (90.0, None)
    (node,) = tree(family(view(run(status="Cancelled"), going))).tasks
    assert (node.seconds, node.status) == (40.0, "Cancelled")


def test_tasks_name_their_queues_if_any_names_one() -> None:
    registry = Registry()
    with WorkflowBuilder("flow", registry=registry):
        task(id="load")(lambda context: None)
        task(id="train", queue="gpu", dependencies=["load"])(lambda context: None)
        sleep("nap", seconds=1)
    with WorkflowBuilder("plain", registry=registry):
        task(id="load")(lambda context: None)
    with_queues, plain = registry.workflows()
    nodes = {each.id: each for each in with_queues.tasks}

    seen = view(run(), of=nodes)._replace(definition=with_queues)
    shown = tree(family(seen)).tasks
    assert [each.queue for each in shown] == ["default", "gpu", None]
    assert [task_about(each) for each in shown] == ["queue default", "queue gpu", ""]
    asked = seen._replace(row=seen.row._replace(asked_queue="tape"))
    assert [each.queue for each in tree(family(asked)).tasks] == ["tape", "gpu", None]
    usual = view(run(), of=nodes)._replace(definition=plain)
    assert {each.queue for each in tree(family(usual)).tasks} == {None}


def test_children_are_under_the_task_that_their_keys_name() -> None:
    children = [
        child("a", key="r::load::1"),
        child("b", key="r::send::1::2"),
        child("c", key="their own"),
        child("d", key="r::gone::1"),
        child("unread", key="r::load::2"),
    ]
    views = [view(run(name)) for name in "abcd"]

    found = tree(family(view(run(), of=OF), *views, children=children))

    assert [[each.run.id for each in node.children] for node in found.tasks] == [["a"], ["b"]]
    assert [each.run.id for each in found.children] == ["c", "d"]
    assert found.hidden == 1


def test_a_child_that_goes_on_is_what_its_task_waits_for() -> None:
    waiting = attempt("load", ends=None, status="Waiting")
    children = [child("k", key="r::load::1", status="Running")]

    found = tree(family(view(run(status="Running"), waiting, of=OF), children=children))

    assert found.tasks[0].waits_for is not None
    assert (found.tasks[0].waits_for.kind, found.tasks[0].waits_for.name) == ("run", "k")


def test_progress_is_that_of_the_latest_attempt_and_a_change() -> None:
    going = attempt("load", begins=10, ends=None, status="Running")
    one = view(run(status="Running"), going)
    half = one._replace(progress=[told_row("r", 1.0, 2.0, "half")])

    (node,) = tree(family(half)).tasks

    assert str(node.progress) == "1 of 2: half"
    assert told(family(one)) != told(family(half))
    (node,) = tree(family(half._replace(progress=[told_row("r", attempt=7)]))).tasks
    assert node.progress is None


def test_time_that_passes_is_no_change() -> None:
    one = family(view(run(status="Running")))

    assert told(one) == told(one._replace(now=one.now + 5))
    assert not is_over(one)
    assert is_over(family(view(run())))
