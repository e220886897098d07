"""``CallerOf``: carries out what is asked of an engine, by any of its clients.

An operation is a ``NamedTuple``: its fields are the arguments as they were given, and ``call``
checks them. Client, handle, command line, page and MCP make the same value. What an operation needs
of the engine is the type of its caller, so that each feature names its own part and no more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from cloaca_core.engine.calls.arguments import Requests
from cloaca_core.engine.calls.call import Call

if TYPE_CHECKING:
    import concurrent.futures
    from collections.abc import Callable, Coroutine

    from cloaca_core.config import DefaultRunnerConfig
    from cloaca_core.definition.registry import Registry
    from cloaca_core.run.watcher import SubmitTracer

A = TypeVar("A")
T = TypeVar("T")
EngineT_co = TypeVar("EngineT_co", covariant=True)
LooksT_co = TypeVar("LooksT_co", covariant=True)


class Host(Protocol[EngineT_co, LooksT_co]):
    """Owns an engine, and asks it on its loop. Any thread may ask."""

    @property
    def registry(self) -> Registry:
        """What the program defines."""

    @property
    def config(self) -> DefaultRunnerConfig:
        """The settings of the program."""

    @property
    def works(self) -> bool:
        """Whether it executes bodies; a client leaves that to runners."""

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
    """Makes the calls of one client and its handles. Any thread may ask."""

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
        """A call that needs the engine; ``read`` makes the result of its answer."""
        return Call(lambda: self.host.send(ask), read)

    def look(
        self, ask: Callable[[LooksT_co], Coroutine[Any, Any, A]], read: Callable[[A], T]
    ) -> Call[T]:
        """A call that a client in a database for reading alone answers too, without an engine."""
        return Call(lambda: self.host.read(ask), read)
