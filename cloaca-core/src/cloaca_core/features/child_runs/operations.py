"""Operations of bodies on their child runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from cloaca_core.engine.calls.call import Call, unchanged

if TYPE_CHECKING:
    from cloaca_core.engine.calls.call import CallerOf
    from cloaca_core.features.child_runs.child_runs import ChildCalls
    from cloaca_core.run.rows import RunRow


class ChildRunEngine(Protocol):
    """The part of an engine that has child runs."""

    @property
    def child_runs(self) -> ChildCalls:
        """Begins child runs, and reads their ends."""


class EndOfChild(NamedTuple):
    """A child run as a round of it has ended."""

    run_id: str
    round: int

    def call(self, caller: CallerOf[ChildRunEngine, object]) -> Call[RunRow]:
        """See ``Operation``."""
        return caller.act(
            lambda engine: engine.child_runs.ended(self.run_id, self.round), unchanged
        )
