"""Short names of workflows that runners have recorded and a client's program has not registered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloaca_core.values.namespace import SEPARATOR

if TYPE_CHECKING:
    from cloaca_core._engine.engine import Engine
    from cloaca_core.runner.host import EngineHost


def name_to_look_up(host: EngineHost, workflow_name: str) -> str | None:
    """The name, if ``definitions.full_name`` must tell its namespace. A runner looks up none: it
    names the workflows of its own program.
    """
    if host.works or SEPARATOR in workflow_name or host.registry.has_name(workflow_name):
        return None
    return workflow_name


async def looked_up(engine: Engine, name: str | None, otherwise: str) -> str:
    """The namespace of the workflow of a name that is to be looked up, or ``otherwise``; runs on
    the engine's loop.
    """
    return otherwise if name is None else await engine.definitions.full_name(name, otherwise)
