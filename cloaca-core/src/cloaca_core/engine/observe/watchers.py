"""Wakes callers that watch runs, whenever anything may have changed, here or elsewhere.

It does not say what has changed: a caller that is woken reads again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cloaca_core.engine.subjects import Subjects
    from cloaca_core.store.protocol import KernelStore


class Notices:
    """The notices for one caller. Belongs to the engine's loop."""

    def __init__(self) -> None:
        self._came = asyncio.Event()
        self._failure: Exception | None = None

    async def next(self) -> None:
        """Return when a notice has come since the last return, also if it came before this call."""
        await self._came.wait()
        self._came.clear()
        self.refuse_closed()

    def refuse_closed(self) -> None:
        """Raise the error of the runner's end, once it has ended."""
        if self._failure is not None:
            raise self._failure

    def come(self, failure: Exception | None = None) -> None:
        """There is a notice; with ``failure``, there will be no further one."""
        self._failure = self._failure or failure
        self._came.set()


class Watchers:
    """Belongs to the engine's loop. While a caller listens, the store reports steps of other
    processes, and the journal its own commits: ``after_turns`` takes the function to call.
    """

    def __init__(
        self,
        store: KernelStore,
        after_turns: Callable[[Callable[[], None] | None], None],
        subjects: Subjects,
    ) -> None:
        self._store = store
        self._after_turns = after_turns
        self._notices: set[Notices] = set()
        self._failure: Exception | None = None
        for each in (
            subjects.claimable,
            subjects.schedules,
            subjects.triggers,
            subjects.limits,
            subjects.display_changed,
        ):
            each.subscribe(self.wake)

    @contextmanager
    def listening(self) -> Iterator[Notices]:
        """Notices of all changes from now on."""
        if self._failure is not None:
            raise self._failure
        notices = Notices()
        self._notices.add(notices)
        self._after_turns(self.wake)
        self._store.set_watched(watched=True)
        try:
            yield notices
        finally:
            self._notices.discard(notices)
            if not self._notices:
                self._after_turns(None)
                self._store.set_watched(watched=False)

    def wake(self) -> None:
        """Something may have changed."""
        for each in self._notices:
            each.come()

    def fail_all(self, failure: Exception) -> None:
        """The runner ends: fail all listening callers, now and from now on."""
        self._failure = failure
        for each in self._notices:
            each.come(failure)
