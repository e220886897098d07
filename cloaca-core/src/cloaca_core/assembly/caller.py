"""The caller of operations with the whole engine, the kernel and all features."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from cloaca_core.engine.calls.call import CallerOf

if TYPE_CHECKING:
    from cloaca_core.assembly.engine import Engine  # noqa: F401 - named in the base of a class
    from cloaca_core.assembly.host import EngineHost
    from cloaca_core.assembly.onlooker import Looks  # noqa: F401 - as well
    from cloaca_core.engine.calls.call import Call

T_co = TypeVar("T_co", covariant=True)


class Caller(CallerOf["Engine", "Looks"]):
    """Carries out operations of the kernel and of all features."""

    __slots__ = ()

    host: EngineHost

    def __init__(self, host: EngineHost) -> None:
        super().__init__(host)


class Operation(Protocol[T_co]):
    """One operation with its arguments; its result is a ``T``."""

    def call(self, caller: Caller) -> Call[T_co]:
        """Check the arguments. Nothing is sent before the call is waited for."""
