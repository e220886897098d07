"""The part of the store contract that is about acts on no run, as plain Python over dicts."""

from __future__ import annotations

from cloaca_core.store.acts import ActRow


class MemoryActs:
    """Part of ``MemoryStore``. ``noted`` has the acts by their runs and ids."""

    noted: dict[tuple[str, str], ActRow]

    async def note(self, act: ActRow) -> None:
        self.note_act(act)

    def note_act(self, act: ActRow | None) -> None:
        """Write an act down, if there is one, unless it is there."""
        if act is not None:
            self.noted.setdefault((act.run_id, act.id), act)
