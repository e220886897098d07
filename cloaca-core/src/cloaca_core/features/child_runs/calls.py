"""Starts child runs for a body and waits for their ends, as the body waits for events.

Runs on the body's own thread or loop.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from cloaca_core.definition.handles.wait_calls import WaitCall
from cloaca_core.errors import PipelineTimeoutError, RunnerUsageError
from cloaca_core.features.child_runs.rows import awaited_end
from cloaca_core.features.waits.calls import AttemptWaits
from cloaca_core.features.waits.rows import is_of_message
from cloaca_core.values.waits import RUN

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cloaca_core.definition.context import Context
    from cloaca_core.definition.handles.child_calls import BegunChild, ChildCall
    from cloaca_core.engine.execute.attempt import Attempt
    from cloaca_core.engine.execute.children import Children
    from cloaca_core.features.steps.records import MemoRow
    from cloaca_core.features.steps.steps import MemoKeeper


class AttemptChildRuns(AttemptWaits):
    """The steps, waits and child runs of one attempt. ``_heard`` has the children whose ends it has
    been told of, with their rounds; ``_names`` the names of the ends that it asks for, ``_awaited``
    the children for which it waits now.
    """

    def __init__(self, keeper: MemoKeeper, attempt: Attempt, children: Children) -> None:
        super().__init__(keeper, attempt, children)
        self._heard: dict[str, int] = {}
        self._names: dict[str, str] = {}
        self._awaited: set[str] = set()

    def start_workflow(self, asked: ChildCall) -> BegunChild:
        """See ``ChildMaker``."""
        self._refuse_ended(is_async=False)
        return self._children.opened().begin_child(self._attempt, asked)

    async def start_workflow_async(self, asked: ChildCall) -> BegunChild:
        """See ``ChildMaker``."""
        self._refuse_ended(is_async=True)
        return await self._children.opened().begin_child_async(self._attempt, asked)

    def child_result(self, child: BegunChild, seconds: float | None) -> Context:
        """See ``ChildMaker``."""
        self._refuse_ended(is_async=False)
        with self._waiting_for(child.run_id):
            self._read_memos()
            if (number := self._known_end(child)) is None:
                told = self.wait(self._wait_call(child, seconds))
                number = self._hear(child, told, seconds)
        return self._children.opened().child_result(self._attempt, child.run_id, number)

    async def child_result_async(self, child: BegunChild, seconds: float | None) -> Context:
        """See ``ChildMaker``."""
        self._refuse_ended(is_async=True)
        with self._waiting_for(child.run_id):
            await self._read_memos_async()
            if (number := self._known_end(child)) is None:
                told = await self.wait_async(self._wait_call(child, seconds))
                number = self._hear(child, told, seconds)
        front = self._children.opened()
        return await front.child_result_async(self._attempt, child.run_id, number)

    def _take(self, found: Sequence[MemoRow] | None) -> None:
        """A time-out counts for its own attempt: a further one waits anew."""
        own = self._attempt.number
        super()._take(
            [
                memo
                for memo in found or ()
                if memo.kind != RUN or memo.attempt == own or is_of_message(memo)
            ]
        )

    def _known_end(self, child: BegunChild) -> int | None:
        """The round whose end this body knows of without a wait. One that has completed does not
        end again, and an earlier attempt may have read the message; but a wait that the body has
        made before comes first, as it may have ended by time.
        """
        if (heard := self._heard.get(child.run_id)) is not None or not child.is_complete:
            return heard
        name = self._name_of_end(child)
        with self._lock:
            number = self._wait_numbers.get((RUN, name), 0) + 1
        made_before = self._known is not None and (RUN, name, number) in self._known
        return None if made_before else child.round

    @contextmanager
    def _waiting_for(self, run_id: str) -> Iterator[None]:
        """A block for the wait for a child: the message of its end is for one wait."""
        with self._lock:
            if run_id in self._awaited:
                raise RunnerUsageError(f"another call of this body waits for run {run_id} already")
            self._awaited.add(run_id)
        try:
            yield
        finally:
            self._awaited.discard(run_id)

    def _wait_call(self, child: BegunChild, seconds: float | None) -> WaitCall:
        return WaitCall(RUN, self._name_of_end(child), seconds, default=None)

    def _name_of_end(self, child: BegunChild) -> str:
        if child.run_id not in self._names:
            memos = () if self._known is None else list(self._known.values())
            name = awaited_end(child.run_id, child.round, self._attempt.number, memos)
            self._names[child.run_id] = name
        return self._names[child.run_id]

    def _hear(self, child: BegunChild, told: object, seconds: float | None) -> int:
        """The round whose end was told; raises after a time-out."""
        if told is None:
            raise PipelineTimeoutError(
                f"{self._attempt} waited {seconds:.10g}s for the end of run {child.run_id}",
                run_id=child.run_id,
                timeout=seconds,
            )
        number = self._heard[child.run_id] = int(cast("dict[str, Any]", told)["round"])
        return number
