"""An operation that was checked, to be waited for by blocking or by awaiting.

It is sent when a caller waits for it, so a refusal to
wait leaves nothing behind. The caller's thread turns the engine's answer into the result, to keep
the engine's loop free.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from cloaca_core.engine.calls.user_code import calling_work
from cloaca_core.engine.calls.waiting import awaited, heed_cancel, refuse_blocking_call, wait_for

if TYPE_CHECKING:
    import concurrent.futures
    from collections.abc import Callable, Generator, Sequence

A = TypeVar("A")
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


def unchanged(answer: T) -> T:
    """Read an answer that is the result already."""
    return answer


class Call(Generic[T_co]):
    """Waited for once, by ``wait()`` or ``await``.

    * ``send`` sends it to the engine; called on the thread, and in the context, that waits
    * ``read`` makes the result from the engine's answer
    * ``timeout`` in seconds ends only the wait, ``run`` is the run to name then, as in ``wait_for``
    * ``at_hand`` finds a result without asking the engine, or returns None
    """

    __slots__ = ("_at_hand", "_read", "_run", "_send", "_timeout")

    def __init__(
        self,
        send: Callable[[], concurrent.futures.Future[A]],
        read: Callable[[A], T_co],
        *,
        timeout: float | None = None,
        run: Sequence[str] = (),
        at_hand: Callable[[], T_co | None] | None = None,
    ) -> None:
        # Only ``read`` gets the answer of ``send``, so its type is not kept.
        self._send: Callable[[], concurrent.futures.Future[Any]] = send
        self._read: Callable[[Any], T_co] = read
        self._timeout = timeout
        self._run = run
        self._at_hand = at_hand

    def wait(self) -> T_co:
        """Block until the result is there; refused on a loop that runs task bodies."""
        if calling_work() is not None:
            refuse_blocking_call()
        if self._at_hand is not None and (known := self._at_hand()) is not None:
            return known
        return self._read(wait_for(self._send(), self._timeout, self._run))

    def __await__(self) -> Generator[Any, None, T_co]:
        """Wait for the result, on any loop."""
        return self._awaited().__await__()

    async def _awaited(self) -> T_co:
        heed_cancel()
        if self._at_hand is not None and (known := self._at_hand()) is not None:
            return known
        return self._read(await awaited(self._send(), self._timeout, self._run))
