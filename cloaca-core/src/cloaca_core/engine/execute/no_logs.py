"""Logs of bodies that keep nothing, for a kernel without the feature that keeps them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, Never

from cloaca_core.values.log_levels import OFF, least_number
from cloaca_core.values.payloads.redaction import LineRedact, unchanged

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Mapping

    from cloaca_core.run.active_run import ActiveRun
    from cloaca_core.values.times.clock import Clock


class NoLog:
    """The log of an attempt. Contracts: see ``OpenLog``."""

    closed = False
    least: Final = least_number(OFF)

    def log(self, message: object, level: str, number: int, fields: Mapping[str, object]) -> None:
        """Keep nothing."""

    def tell(self, done: float, total: float | None, text: str | None) -> None:
        """Keep nothing."""

    def take(self, record: logging.LogRecord) -> None:
        """Keep nothing."""

    def take_call(self, names: str, message: object, args: tuple[object, ...]) -> None:
        """Keep nothing."""


class NoLogs:
    """Contracts: see ``TaskLogs``, and ``Riders`` of the journal."""

    redact: LineRedact = unchanged
    waiting: Final[Sequence[Never]] = ()

    def __init__(self, _: Clock) -> None:
        self.due: Callable[[], None] = _nothing

    def open(self, _: ActiveRun, __: str, ___: int) -> NoLog:
        """Make a log that takes nothing."""
        return NoLog()

    def take(self) -> Sequence[Never]:
        """Nothing waits."""
        return ()

    def forget(self) -> None:
        """Nothing waits."""


def _nothing() -> None:
    """Nothing is ever due."""
