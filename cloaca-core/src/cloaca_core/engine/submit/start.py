"""When a new run may start, and which other runs start before it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Start:
    """The start options of a request. Instants and times are in µs.

    ``priority`` None means the priority of the run whose body submits, or 0. A run is due at
    ``run_at``, or ``delay`` after it was submitted. It is cancelled if it has not begun by
    ``start_by``, or ``start_within`` after it was due. A run that is ``detached`` is not paused or
    cancelled with the run whose body submits it.
    """

    priority: int | None = None
    run_at: int | None = None
    delay: int = 0
    start_by: int | None = None
    start_within: int | None = None
    detached: bool = False

    def due_at(self, now: int) -> int | None:
        """The instant before which the run must not start; None if it may start at once. ``now``
        and the answer are by the store's clock.
        """
        due_at = now + self.delay if self.run_at is None else self.run_at
        return due_at if due_at > now else None

    def latest(self, now: int, due_at: int | None) -> int | None:
        """The instant by which the run must have begun, None for no limit."""
        if self.start_within is None:
            return self.start_by
        return self.start_within + (now if due_at is None else due_at)


AT_ONCE: Final = Start()
"""No options."""
