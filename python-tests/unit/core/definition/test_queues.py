"""In which queue a run begins."""

from __future__ import annotations

from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.nodes.sleep import sleep
from cloaca_core.definition.queues import first_queue, named_queues, planned_queue, queues_of
from cloaca_core.definition.recorded import RecordedWorkflow, content
from cloaca_core.definition.registry import Registry
from cloaca_core.definition.task import task
from cloaca_core.definition.workflow import Workflow
from cloaca_core.values.definition_rows import DefinitionRow
from cloaca_core.values.queue_names import PlannedQueue


def nothing(context: object) -> None: ...


def workflow(
    *queues: str | None, after: tuple[str | None, ...] = (), queue: str | None = None, naps: int = 0
) -> Workflow:
    """First tasks with these queues, then tasks that depend on the first one, then sleeps."""
    builder = WorkflowBuilder("flow", registry=Registry())
    if queue is not None:
        builder.queue(queue)
    with builder:
        for number, name in enumerate(queues):
            task(id=f"t{number}", queue=name)(nothing)
        for number, name in enumerate(after):
            task(id=f"after{number}", dependencies=["t0"], queue=name)(nothing)
        for number in range(naps):
            sleep(f"nap{number}", seconds=1)
    return builder.workflow


def test_a_task_asks_for_its_own_queue_else_for_that_of_its_run() -> None:
    flow = workflow(None, "gpu", queue="big")
    assert list(queues_of(flow, None)) == ["big", "gpu"]
    assert list(queues_of(flow, "night")) == ["night", "gpu"]
    assert list(queues_of(workflow(None), None)) == ["default"]


def test_a_run_begins_where_most_of_its_first_tasks_ask_to() -> None:
    assert first_queue(workflow("gpu", "cpu", "cpu", after=("gpu", "gpu")), None) == "cpu"
    assert first_queue(workflow("gpu", "cpu"), None) == "gpu"
    assert first_queue(workflow(None, None, "gpu"), "night") == "night"
    assert first_queue(workflow("gpu", after=(None,), naps=3), None) == "gpu"
    assert first_queue(workflow(queue="big", naps=1), None) == "big"


def test_a_node_asks_for_the_usual_queue_only_where_a_body_does() -> None:
    assert list(queues_of(workflow("gpu", "cpu", "cpu", naps=1), None))[-1] == "cpu"
    assert list(queues_of(workflow("gpu", naps=1), "night"))[-1] == "gpu"
    assert list(queues_of(workflow("gpu", None, naps=1), None))[-1] == "default"
    assert list(queues_of(workflow(naps=1), "night")) == ["night"]


def test_a_run_with_results_begins_where_most_of_the_tasks_after_them_ask_to() -> None:
    flow = workflow("cpu", None, after=("gpu", "gpu", None), queue="big")
    assert planned_queue(flow, []) == PlannedQueue("cpu", "big")
    assert planned_queue(flow, ["t0", "t1"]) == PlannedQueue("gpu", "big")
    assert planned_queue(flow, ["t0", "after0", "after1"]) == PlannedQueue(None, "big")
    assert planned_queue(workflow(None), []) == PlannedQueue(None, "default")


def test_a_record_says_the_same() -> None:
    flow = workflow(None, "gpu", after=("tape",), queue="big")
    row = DefinitionRow(flow.namespace, flow.version, flow.name, content(flow), 0)
    read = RecordedWorkflow.read(row)
    assert (read.queue, read.begins_in, read.queues) == ("big", "big", ("big", "gpu", "tape"))
    assert [each.queue for each in read.tasks] == [None, "gpu", "tape"]
    assert named_queues(workflow(None, "default")) == ()


def test_a_queue_counts_in_the_version_and_none_leaves_it_as_it_was() -> None:
    versions = {workflow(None).version, workflow("gpu").version, workflow(None, queue="a").version}
    assert len(versions) == 3
