"""``ChildHandle``: a child run that a body has started, and whose result it may wait for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloaca_core.values.times.durations import Duration, read_seconds

if TYPE_CHECKING:
    from cloaca_core.definition.context import Context
    from cloaca_core.definition.handles.child_calls import BegunChild
    from cloaca_core.definition.handles.wait_calls import ChildMaker


class _Child:
    """A child run of the body that has started it."""

    __slots__ = ("_child", "_maker")

    def __init__(self, child: BegunChild, maker: ChildMaker) -> None:
        self._child = child
        self._maker = maker

    @property
    def run_id(self) -> str:
        """The id of the child run."""
        return self._child.run_id

    def __repr__(self) -> str:
        return f"{type(self).__name__}(run_id={self.run_id!r})"


class ChildHandle(_Child):
    """A child run that ``handle.start_workflow`` has started."""

    __slots__ = ()

    def result(self, timeout: Duration | None = None) -> Context:
        """Wait for the end of the child, and return its final context.

        Waits as ``handle.wait_for`` does: the body gives its slot back, and leaves memory if that
        takes long. A failed child raises ``RunFailedError``, a cancelled child
        ``RunCancelledError``. After ``timeout`` seconds, or a timedelta, it raises
        ``PipelineTimeoutError``; the child keeps running.
        """
        return self._maker.child_result(self._child, _seconds(timeout))


class AsyncChildHandle(_Child):
    """The same for a body that is ``async def``."""

    __slots__ = ()

    async def result(self, timeout: Duration | None = None) -> Context:
        """As ``ChildHandle.result``, awaited."""
        return await self._maker.child_result_async(self._child, _seconds(timeout))


def _seconds(timeout: Duration | None) -> float | None:
    return None if timeout is None else read_seconds("timeout", timeout)
