"""An operation of the engine as a value, the same for the blocking and the awaiting façade.

Arguments are checked before a call is made. It is sent when a caller waits for it, so a refusal to
wait leaves nothing behind. The caller's thread turns the engine's answer into the result, to keep
the engine's loop free.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from cloaca_core.runner.waiting import awaited, heed_cancel, refuse_blocking_call, wait_for

if TYPE_CHECKING:
    import concurrent.futures
    from collections.abc import Callable, Generator, Sequence

A = TypeVar("A")
T = TypeVar("T")


def unchanged(answer: T) -> T:
    """Read an answer that is the result already."""
    return answer


def _is_not_at_hand() -> None:
    """Find no result without the engine, as for most operations."""


class Call(Generic[T]):
    """Waited for once, by ``wait()`` or ``await``.

    * ``send`` sends it to the engine; called on the thread, and in the context, that waits
    * ``read`` makes the result from the engine's answer
    * ``timeout`` in seconds ends only the wait, ``run`` is the run to name then, as in ``wait_for``
    * ``at_hand`` finds a result without asking the engine, or None
    """

    __slots__ = ("_at_hand", "_read", "_run", "_send", "_timeout")

    def __init__(
        self,
        send: Callable[[], concurrent.futures.Future[A]],
        read: Callable[[A], T],
        *,
        timeout: float | None = None,
        run: Sequence[str] = (),
        at_hand: Callable[[], T | None] = _is_not_at_hand,
    ) -> None:
        # Only ``read`` gets the answer of ``send``, so its type is not kept.
        self._send: Callable[[], concurrent.futures.Future[Any]] = send
        self._read: Callable[[Any], T] = read
        self._timeout = timeout
        self._run = run
        self._at_hand = at_hand

    def wait(self) -> T:
        """Block until the result is there; refused on a loop that runs task bodies."""
        refuse_blocking_call()
        if (known := self._at_hand()) is not None:
            return known
        return self._read(wait_for(self._send(), self._timeout, self._run))

    def __await__(self) -> Generator[Any, None, T]:
        """Wait for the result, on any loop."""
        return self._awaited().__await__()

    async def _awaited(self) -> T:
        heed_cancel()
        if (known := self._at_hand()) is not None:
            return known
        return self._read(await awaited(self._send(), self._timeout, self._run))
