"""The loops of runners and callers, on one thread."""

from __future__ import annotations

from cloaca_testing.driver import DrivenLoop


class WorldLoop(DrivenLoop):
    """A loop whose calls all come from the thread of the test: nothing has to wake it."""

    def looks_outside(self) -> bool:
        return self.has_sockets()

    def _write_to_self(self) -> None:
        """Do nothing: it sleeps in no select."""
