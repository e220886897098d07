"""``Operation``: what a caller asks of an engine, as a value that says how it is done.

Client, handle, command line, page and MCP make the same value, and a ``Caller`` carries it out. It
is a ``NamedTuple``: its fields are the arguments as they were given, and ``call`` checks them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from cloaca_core.engine.calls.arguments import Requests
from cloaca_core.engine.calls.call import Call

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from cloaca_core.assembly.engine import Engine
    from cloaca_core.assembly.host import EngineHost
    from cloaca_core.assembly.onlooker import Looks

A = TypeVar("A")
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Operation(Protocol[T_co]):
    """One operation with its arguments; its result is a ``T``."""

    def call(self, caller: Caller) -> Call[T_co]:
        """Check the arguments. Nothing is sent before the call is waited for."""


class Caller:
    """Makes the calls of one client and its handles. Any thread may ask."""

    __slots__ = ("_requests", "host")

    def __init__(self, host: EngineHost) -> None:
        self.host: EngineHost = host
        self._requests = Requests(host.registry, host.config, by_name=not host.works)

    def requests(self) -> Requests:
        """The object that checks arguments about runs; a closed client raises first."""
        self.host.refuse_closed()
        return self._requests

    def act(
        self, ask: Callable[[Engine], Coroutine[Any, Any, A]], read: Callable[[A], T]
    ) -> Call[T]:
        """A call that needs the engine; ``read`` makes the result of its answer."""
        return Call(lambda: self.host.send(ask), read)

    def look(
        self, ask: Callable[[Looks], Coroutine[Any, Any, A]], read: Callable[[A], T]
    ) -> Call[T]:
        """A call that a client in a database for reading alone answers too, without an engine."""
        return Call(lambda: self.host.read(ask), read)
