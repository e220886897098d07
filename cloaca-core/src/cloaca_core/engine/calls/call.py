"""Operations that were checked, to be waited for by blocking or awaiting, and the objects that
carry them out.

An operation is a ``NamedTuple``: its fields are the arguments as they were given, and its method
``call`` checks them. Client, handle, command line, page and MCP make the same value.

A call is sent when a caller waits for it, so a refusal to wait leaves nothing behind. The caller's
thread turns the engine's answer into the result, to keep the engine's loop free.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from cloaca_core.engine.calls.arguments import Requests
from cloaca_core.engine.calls.user_code import calling_work
from cloaca_core.engine.calls.waiting import (
    awaited,
    raise_if_cancelled,
    refuse_blocking_call,
    wait_for,
)

if TYPE_CHECKING:
    import concurrent.futures
    from collections.abc import Callable, Coroutine, Generator, Sequence

    from cloaca_core.config import DefaultRunnerConfig
    from cloaca_core.definition.registry import Registry
    from cloaca_core.run.watcher import SubmitTracer

A = TypeVar("A")
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
EngineT_co = TypeVar("EngineT_co", covariant=True)
LooksT_co = TypeVar("LooksT_co", covariant=True)


def unchanged(answer: T) -> T:
    """Return an answer that is already the result."""
    return answer


class Call(Generic[T_co]):
    """Waited for once, by ``wait()`` or ``await``.

    * ``send`` sends it to the engine; called on the thread, and in the context, that waits
    * ``read`` makes the result from the engine's answer
    * ``timeout`` in seconds ends only the wait, ``run`` is the run to name then, as in ``wait_for``
    * ``at_hand`` finds a result without asking the engine, or returns None
    * ``writes``: whether it may write, which a transactional body does by its connection only
    """

    __slots__ = ("_at_hand", "_read", "_run", "_send", "_timeout", "_writes")

    def __init__(
        self,
        send: Callable[[], concurrent.futures.Future[A]],
        read: Callable[[A], T_co],
        *,
        timeout: float | None = None,
        run: Sequence[str] = (),
        at_hand: Callable[[], T_co | None] | None = None,
        writes: bool = True,
    ) -> None:
        # Only ``read`` gets the answer of ``send``, so its type is not kept.
        self._send: Callable[[], concurrent.futures.Future[Any]] = send
        self._read: Callable[[Any], T_co] = read
        self._timeout = timeout
        self._run = run
        self._at_hand = at_hand
        self._writes = writes

    def wait(self) -> T_co:
        """Block until the result is there; refused on a loop that runs task bodies."""
        if calling_work() is not None:
            refuse_blocking_call(writes=self._writes)
        if self._at_hand is not None and (known := self._at_hand()) is not None:
            return known
        return self._read(wait_for(self._send(), self._timeout, self._run))

    def __await__(self) -> Generator[Any, None, T_co]:
        """Wait for the result, on any loop."""
        return self._awaited().__await__()

    async def _awaited(self) -> T_co:
        raise_if_cancelled(writes=self._writes)
        if self._at_hand is not None and (known := self._at_hand()) is not None:
            return known
        return self._read(await awaited(self._send(), self._timeout, self._run))


class Host(Protocol[EngineT_co, LooksT_co]):
    """Owns an engine, and calls it on its loop. Any thread may call it."""

    @property
    def registry(self) -> Registry:
        """The definitions of the program."""

    @property
    def config(self) -> DefaultRunnerConfig:
        """The settings of the program."""

    @property
    def works(self) -> bool:
        """Whether it executes bodies. A client leaves that to runners."""

    @property
    def tracer(self) -> SubmitTracer | None:
        """Makes the spans of submissions, None if the program does not trace."""

    @property
    def engine(self) -> EngineT_co:
        """The engine, for attributes that any thread may read."""

    def refuse_closed(self) -> None:
        """Raise the error of a call, if the runner is not open."""

    def send(
        self, ask: Callable[[EngineT_co], Coroutine[Any, Any, A]]
    ) -> concurrent.futures.Future[A]:
        """Run ``ask`` with the engine on its loop."""

    def read(
        self, ask: Callable[[LooksT_co], Coroutine[Any, Any, A]]
    ) -> concurrent.futures.Future[A]:
        """Run ``ask`` with the engine, or with a store that is only looked at."""


class CallerOf(Generic[EngineT_co, LooksT_co]):
    """Makes the calls of one client and its handles. Any thread may call it.

    The type of the caller names the attributes of the engine that an operation needs, so each
    feature names its own part and no more.
    """

    __slots__ = ("_requests", "host")

    def __init__(self, host: Host[EngineT_co, LooksT_co]) -> None:
        self.host: Host[EngineT_co, LooksT_co] = host
        self._requests = Requests(host.registry, host.config, by_name=not host.works)

    def requests(self) -> Requests:
        """The object that checks arguments about runs; a closed client raises first."""
        self.host.refuse_closed()
        return self._requests

    def act(
        self, ask: Callable[[EngineT_co], Coroutine[Any, Any, A]], read: Callable[[A], T]
    ) -> Call[T]:
        """A call that needs the engine. ``read`` makes the result from its answer."""
        return Call(lambda: self.host.send(ask), read)

    def look(
        self, ask: Callable[[LooksT_co], Coroutine[Any, Any, A]], read: Callable[[A], T]
    ) -> Call[T]:
        """A call that only reads. A client of a read-only database answers it too, without an
        engine.
        """
        return Call(lambda: self.host.read(ask), read, writes=False)
