"""Pauses of workflows: the contract of acts on them."""

from __future__ import annotations

from typing import Protocol

from cloaca_core.features.steering.records import Act, PauseRow
from cloaca_core.store.protocol import KernelStore


class PausedWorkflowStore(KernelStore, Protocol):
    """Acts on workflows, which are noted as those on runs are (see ``SteeringStore``)."""

    async def pause_workflow(self, workflow: str, act: Act, until: int | None) -> bool:
        """Have no run of this workflow claimed; false if that was so already. Runs keep their
        states and owners, new ones are inserted without owner. A claim or commit that is under way
        may still take some.
        """

    async def resume_workflow(self, workflow: str, act: Act) -> bool:
        """Let runs of this workflow be claimed again; false if it was not paused."""

    async def end_pause_of_workflow(self, workflow: str, act: Act) -> bool:
        """Resume it if its pause has come to its end by ``act.now``; else that is not noted."""

    async def paused_workflows(self) -> dict[str, int | None]:
        """Workflows that are paused, and until when. Only reads."""

    async def pauses(self) -> list[PauseRow]:
        """The pauses of workflows, by workflow, each with the act that began it. Only reads."""
