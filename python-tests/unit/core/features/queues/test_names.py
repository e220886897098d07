"""Queues that submissions ask for are noted for their workflow, once."""

from __future__ import annotations

from model.memory_store import MemoryStore

from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.registry import Registry
from cloaca_core.definition.task import task
from cloaca_core.engine.submit.request import Request
from cloaca_core.engine.submit.start import Start
from cloaca_core.features.queues.names import QueueNames


class Store(MemoryStore):
    """The model; it counts what is noted."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[str, str]] = []

    async def note_queue(self, workflow: str, name: str) -> None:
        self.asked.append((workflow, name))


def _asking(name: str, queue: str | None) -> Request:
    with WorkflowBuilder(name, registry=Registry()) as builder:
        task(id="a")(lambda context: None)
    return Request(builder.workflow, ["{}"], [{}], "{}", start=Start(queue=queue))


async def test_a_queue_is_noted_once_for_each_workflow_and_the_usual_one_never() -> None:
    names = QueueNames(store := Store())
    one, other = _asking("one", "tape"), _asking("other", "tape")

    for request in (_asking("one", None), _asking("one", "default"), one, one, other):
        await names.note(request)

    assert store.asked == [(each.definition.namespace, "tape") for each in (one, other)]
