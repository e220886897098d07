"""Operations about a runner itself: how it is, and whether it claims runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from cloaca_core.engine.calls.call import Call, unchanged
from cloaca_core.engine.calls.orders import asker
from cloaca_core.engine.recover.liveness import Liveness
from cloaca_core.engine.recover.process_identity import this_process
from cloaca_core.features.steering.noted_acts import NotedActs
from cloaca_core.values.text import checked_text

if TYPE_CHECKING:
    from cloaca_core.assembly.caller import Caller
    from cloaca_core.assembly.engine import Engine
    from cloaca_core.engine.execute.usage import SlotUse


class Health(NamedTuple):
    """The state of the runner, for people and probes, which wait no longer than ``timeout``."""

    timeout: float | None = None

    def call(self, caller: Caller) -> Call[dict[str, Any]]:
        """See ``Operation``."""
        host = caller.host
        return Call(
            lambda: host.send(lambda engine: engine.health()), unchanged, timeout=self.timeout
        )


class Slots(NamedTuple):
    """How the slots for bodies are used now, by their kind; none where bodies never run."""

    def call(self, caller: Caller) -> Call[dict[str, SlotUse]]:
        """See ``Operation``."""

        async def answer(engine: Engine) -> dict[str, SlotUse]:
            return engine.meter.slot_use()

        return caller.act(answer, unchanged)


class DrainRunner(NamedTuple):
    """Request that another runner shuts down; returns whether a live runner has this id."""

    runner_id: str
    by: str | None = None

    def call(self, caller: Caller) -> Call[bool]:
        """See ``Operation``."""
        checked, who = checked_text("runner_id", self.runner_id), asker(self.by)

        async def answer(engine: Engine) -> bool:
            store = engine.store
            alive = Liveness(store, this_process()).is_alive
            if not any(row.id == checked and alive(row) for row in await store.runners()):
                return False
            act = NotedActs(store, engine.ids, who).row("drain_runner", checked)
            is_there = await store.drain(checked, act) is not None
            engine.watchers.wake()
            return is_there

        return caller.act(answer, unchanged)


class Start(NamedTuple):
    """Claim runs."""

    def call(self, caller: Caller) -> Call[None]:
        """See ``Operation``."""
        return caller.act(lambda engine: engine.resume(), unchanged)


class Stop(NamedTuple):
    """Claim no further runs."""

    def call(self, caller: Caller) -> Call[None]:
        """See ``Operation``."""
        return caller.act(lambda engine: engine.pause(), unchanged)
