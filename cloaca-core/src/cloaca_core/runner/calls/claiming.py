"""Calls about a runner itself: how it is, and whether it claims runs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from cloaca_core._engine.recover.liveness import Liveness
from cloaca_core._engine.recover.process_identity import this_process
from cloaca_core.runner.calls.call import Call, unchanged
from cloaca_core.runner.calls.noted_acts import NotedActs
from cloaca_core.runner.calls.orders import asker
from cloaca_core.values.text import checked_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloaca_core._engine.engine import Engine
    from cloaca_core.runner.host import EngineHost
    from cloaca_core.telemetry.sample import SlotUse


class ClaimingCalls:
    """Makes the calls of one runner. Any thread may ask."""

    def __init__(self, host: EngineHost) -> None:
        self._host = host

    def health(self, timeout: float | None = None) -> Call[dict[str, Any]]:
        """The state of the runner, for people and probes, which wait no longer than ``timeout``."""
        return Call(
            lambda: self._host.send(lambda engine: engine.health()), unchanged, timeout=timeout
        )

    def slots(self) -> Call[dict[str, SlotUse]]:
        """How the slots for bodies are used now, by their kind; none where bodies never run."""

        async def answer(engine: Engine) -> dict[str, SlotUse]:
            return engine.slot_use()

        return Call(lambda: self._host.send(answer), unchanged)

    def when_over(self, callback: Callable[[], object]) -> None:
        """Call ``callback`` once the engine has shut down or died, on a thread of its own."""
        never = self._host.send(lambda _: asyncio.Event().wait())
        never.add_done_callback(lambda _: callback())

    def when_asked_to_leave(self, callback: Callable[[], object]) -> None:
        """Call ``callback`` on the engine's loop when another program has made it shut down."""
        self._host.leaving = callback

    def drain(self, runner_id: str, by: str | None = None) -> Call[bool]:
        """Ask another runner to leave; whether one of this id is there and alive."""
        checked, who = checked_text("runner_id", runner_id), asker(by)

        async def answer(engine: Engine) -> bool:
            store = engine.store
            alive = Liveness(store, this_process()).is_alive
            if not any(row.id == checked and alive(row) for row in await store.runners()):
                return False
            act = NotedActs(store, engine.ids, who).row("drain_runner", checked)
            is_there = await store.drain(checked, act) is not None
            engine.watchers.wake()
            return is_there

        return Call(lambda: self._host.send(answer), unchanged)

    def start(self) -> Call[None]:
        """Claim runs."""
        return Call(lambda: self._host.send(lambda engine: engine.resume()), unchanged)

    def stop(self) -> Call[None]:
        """Claim no further runs."""
        return Call(lambda: self._host.send(lambda engine: engine.pause()), unchanged)
