"""Short names of workflows that runners have recorded and a client's program has not registered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloaca_core.values.namespace import SEPARATOR

if TYPE_CHECKING:
    from cloaca_core.runner.host import EngineHost


def name_to_look_up(host: EngineHost, workflow_name: str) -> str | None:
    """The name, if ``definitions.full_name`` must tell its namespace. A runner looks up none: it
    names the workflows of its own program.
    """
    if host.works or SEPARATOR in workflow_name or host.registry.has_name(workflow_name):
        return None
    return workflow_name
