"""Records the limits that a program defines, and refuses a runner whose tasks use unknown ones.

A program without limits records nothing, and reads nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloaca_core.features.limits.records import LimitDefinition

if TYPE_CHECKING:
    from cloaca_core.definition.registry import Registry
    from cloaca_core.definition.workflow import Workflow
    from cloaca_core.engine.subjects import Subjects
    from cloaca_core.features.limits.part import LimitStore
    from cloaca_core.store.acts import ActRow
    from cloaca_core.values.ids import RunIds


class LimitRecorder:
    """Belongs to the engine's loop."""

    def __init__(
        self, store: LimitStore, ids: RunIds, registry: Registry, subjects: Subjects
    ) -> None:
        self._store = store
        self._ids = ids
        self._registry = registry
        self._subjects = subjects
        self._recorded: dict[str, str] = {}
        self._joined: set[frozenset[str]] = set()

    async def refuse_unknown(self) -> None:
        """Raise ``DefinitionError`` if a workflow uses a limit that no program has defined."""
        workflows = [each for each in self._registry.workflows() if _uses_limits(each)]
        if not workflows:
            return
        from cloaca_core.definition.limits.known import (  # few programs have limits
            refused_limits,
            unknown_limits,
        )

        defined = self._registry.limits()
        if not (unknown := unknown_limits(workflows, defined)):
            return
        recorded = {each.name for each in await self._store.list_limits()}
        if unknown := tuple([each for each in unknown if each.name not in recorded]):
            raise refused_limits(unknown, sorted(recorded | {each.name for each in defined}))

    def used(self) -> set[str]:
        """The names of the limits that tasks and workflows of this program use."""
        return {
            use.name
            for each in self._registry.workflows()
            if _uses_limits(each)
            for uses in (each.limits, *[task.limits for task in each.tasks])
            for use in uses
        }

    async def record(self) -> None:
        """Record the limits of this program that it has not recorded yet."""
        limits = {each.name: each.settings.content() for each in self._registry.limits()}
        new = {name: text for name, text in limits.items() if self._recorded.get(name) != text}
        joined = {names for each in self._registry.workflows() for names in _taken_together(each)}
        together = joined - self._joined
        if not new and not together:
            return
        definitions = [
            LimitDefinition(name, text, self._act(name, text)) for name, text in sorted(new.items())
        ]
        await self._store.record_limits(definitions, sorted(map(sorted, together)))
        self._recorded |= new
        self._joined |= together
        self._subjects.claimable.publish()  # runs that no runner has may have got places

    def _act(self, name: str, text: str) -> ActRow:
        """It is noted if another definition was recorded."""
        from cloaca_core.engine.calls.orders import asker  # few programs have limits
        from cloaca_core.features.steering.noted_acts import NotedActs
        from cloaca_core.values.limits.settings import LimitSettings

        acts = NotedActs(self._store, self._ids, asker(None))
        return acts.row("define_limit", f"{name}: {LimitSettings.read(text).words()}")


def _uses_limits(workflow: Workflow) -> bool:
    return bool(workflow.limits) or any(task.limits for task in workflow.tasks)


def _taken_together(workflow: Workflow) -> list[frozenset[str]]:
    """The names of the limits of each task that has several, and of the runs."""
    taken = [workflow.limits, *[task.limits for task in workflow.tasks]]
    return [frozenset([use.name for use in uses]) for uses in taken if len(uses) > 1]
