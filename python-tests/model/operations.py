"""Operations that a test carries out by blocking."""

from __future__ import annotations

from typing import Any, TypeVar

from cloaca_core.assembly.caller import Caller, Operation

T = TypeVar("T")


class Do:
    """Carries operations out for one caller: ``do(Cancel(run_id))``."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def __call__(self, operation: Operation[T]) -> T:
        return operation.call(self._caller).wait()


def wrong(operation: Any, *arguments: Any, **options: Any) -> Operation[Any]:
    """An operation with arguments that the type checker would refuse as well."""
    made: Operation[Any] = operation(*arguments, **options)
    return made
