"""Refuses what a transactional body cannot do: steps, waits and children are written and kept
beside its transaction, which may be rolled back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

from cloaca_core.engine.calls.waiting import not_in_transaction
from cloaca_core.values.waits import APPROVAL, EVENT, SLEEP

if TYPE_CHECKING:
    from cloaca_core.definition.handles.child_calls import ChildCall
    from cloaca_core.definition.handles.wait_calls import BodyCalls, WaitCall

_NAMES = {SLEEP: "sleep", EVENT: "wait_for", APPROVAL: "approval"}


class RefusedCalls:
    """Stands for ``BodyCalls``: only results of maps, which are read, are passed on."""

    def __init__(self, task_id: str, calls: BodyCalls) -> None:
        self._task_id = task_id
        self.results: Callable[[str], Any] = calls.results

    def _refuse(self, call: str) -> NoReturn:
        raise not_in_transaction(self._task_id, f"handle.{call}")

    def step(self, *_: object) -> NoReturn:
        self._refuse("step")

    async def step_async(self, *_: object) -> NoReturn:
        self._refuse("step")

    def with_options(self, *_: object, is_async: bool) -> NoReturn:  # noqa: ARG002 - of the protocol
        self._refuse("with_options")

    def wait(self, call: WaitCall) -> NoReturn:
        self._refuse(_NAMES.get(call.kind, "wait"))

    async def wait_async(self, call: WaitCall) -> NoReturn:
        self._refuse(_NAMES.get(call.kind, "wait"))

    def defer(self, *_: object) -> NoReturn:
        self._refuse("defer_until")

    async def defer_async(self, *_: object) -> NoReturn:
        self._refuse("defer_until")

    def submit(self, _: object) -> NoReturn:
        self._refuse("submit")

    async def submit_async(self, _: object) -> NoReturn:
        self._refuse("submit")

    def submit_many(self, _: object) -> NoReturn:
        self._refuse("submit_many")

    async def submit_many_async(self, _: object) -> NoReturn:
        self._refuse("submit_many")

    def start_workflow(self, asked: ChildCall) -> NoReturn:
        self._refuse(asked.kind)

    async def start_workflow_async(self, asked: ChildCall) -> NoReturn:
        self._refuse(asked.kind)

    def child_result(self, *_: object) -> NoReturn:
        self._refuse("run_workflow")

    async def child_result_async(self, *_: object) -> NoReturn:
        self._refuse("run_workflow")
