"""Definitions: the contract of what runners have registered."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from cloaca_core.store.protocol import KernelStore
from cloaca_core.values.definition_rows import DefinitionName, DefinitionRow, WhenEndedRow


class DefinitionStore(KernelStore, Protocol):
    """Definitions that runners have registered, for programs that lack their code.

    A version of a workflow is recorded once. The newest version is the version that was registered
    last, which may be an older version that came back.
    """

    async def record_definitions(
        self, definitions: Collection[DefinitionRow], when_ended: Collection[WhenEndedRow] = ()
    ) -> None:
        """Record definitions, each of another workflow, as the newest of their workflows, and what
        follows the ends of their runs.

        One that is recorded already keeps its content, and becomes the newest again; if it is that,
        nothing is written. Of concurrent callers with different versions of one workflow the
        version of one of them is the newest afterwards.
        """

    async def keep_definition(self, definition: DefinitionRow) -> None:
        """Record a version of a workflow, which is not made the newest; a recorded version keeps
        its content.
        """

    async def newest_definitions(self, workflows: Collection[str]) -> list[DefinitionName]:
        """The newest recorded version of each of these workflows that has one, by workflow."""

    async def definitions_named(self, name: str) -> list[DefinitionName]:
        """The newest version of each workflow that has this full name, that ends in it, or whose
        builder was given it; by workflow.
        """

    async def list_definitions(self) -> list[DefinitionName]:
        """The newest version of each workflow, by workflow."""

    async def get_definition(self, workflow: str, version: str) -> DefinitionRow | None:
        """One version of a workflow, or None when no runner has recorded it."""
