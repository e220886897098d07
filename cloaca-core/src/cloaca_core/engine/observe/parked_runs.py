"""Executes plain runs for threads that wait for nothing but the end of their run.

The calling thread waits on its call; the entry of the journal and then the end of the run answer
it, without a task of the loop. Anything that must be waited for before the submission goes the way
of all other calls (``run_waits``).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cloaca_core.engine.observe.completion import Completion
    from cloaca_core.engine.observe.recent_runs import Ended
    from cloaca_core.engine.runtime.thread_calls import ParkedCall
    from cloaca_core.engine.submit.request import Request
    from cloaca_core.engine.submit.submitter import Accepted, Submitter


class ParkedRuns:
    """Belongs to the engine's loop."""

    def __init__(self, submitter: Submitter, completion: Completion) -> None:
        self._submitter = submitter
        self._completion = completion

    def begin(self, request: Request, call: ParkedCall[Ended]) -> bool:
        """Submit a run, and answer the call at its end; false if that must wait for something."""
        return self._submitter.submit_now(request, _Submitted(call, self._completion))


class _Submitted:
    """The answer to a submission, for a caller that waits for the end of the run."""

    __slots__ = ("_call", "_completion")

    def __init__(self, call: ParkedCall[Ended], completion: Completion) -> None:
        self._call = call
        self._completion = completion

    def done(self) -> bool:
        """Whether the caller has stopped waiting."""
        return self._call.is_withdrawn

    def set_exception(self, error: BaseException) -> None:
        """The run was not accepted."""
        self._call.fail(error)

    def set_result(self, found: Accepted | None) -> None:
        """The run is durable, and has begun if it is ours."""
        assert found is not None, "only a run with a key is held back"
        (run_id,), _ = found
        self._call.accept(run_id)
        if not self._completion.park(run_id, self._call):
            end = self._completion.of(run_id)
            self._call.follow(asyncio.get_running_loop().create_task(end))
