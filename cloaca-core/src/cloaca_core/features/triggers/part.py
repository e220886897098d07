"""Triggers: the contract of event triggers and their events."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from cloaca_core.features.triggers.records import EventRow, TriggerRow
from cloaca_core.store.acts import ActRow
from cloaca_core.store.protocol import KernelStore


class TriggerStore(KernelStore, Protocol):
    """Event triggers and their events.

    Events are written by ``commit``, only if their trigger, which is locked first, is enabled and
    in the generation that they name, if they name one. An event is not written if another event of
    the trigger has its key; nor, without ``allow_concurrent``, while a run of the trigger with the
    same workflow and context hash has not ended, earlier events of this batch included. The run is
    inserted, without an owner, only with its event. Then ``turns`` go on as in ``take_polls``.
    """

    async def add_trigger(self, trigger: TriggerRow) -> bool:
        """Add a trigger that has not been polled; false, and nothing is done, when there is one of
        its name: of two concurrent callers one adds it.
        """

    async def change_trigger(self, trigger: TriggerRow, act: ActRow | None = None) -> bool:
        """Note the act, and replace all but id, name, ``last_poll_at``, the error and creation;
        generation + 1. False, and nothing is done, when the trigger is not in the generation of
        ``trigger`` any more: a concurrent change or poll was faster.
        """

    async def take_polls(self, polls: Sequence[TriggerRow]) -> set[str]:
        """Move triggers on to these ``last_poll_at`` and ``next_poll_at``, generation + 1, each if
        it is enabled and in the generation given. The ids of the triggers that were moved: of any
        number of concurrent callers one gets a poll.
        """

    async def note_poll(
        self, trigger_id: str, generation: int, error: str | None, now: int
    ) -> None:
        """Note the error of the last poll of a trigger, or that it was good: with an error
        ``last_error`` and ``error_at`` are written, and where there was none before,
        ``failing_since`` is ``now`` and ``failed_polls`` 1. Each poll that is taken then adds one.
        Without an error all four are cleared. The generation stays. Nothing is noted if the trigger
        is not in this generation any more: a later poll was taken, whose outcome counts.
        """

    async def triggers_named(self, names: Collection[str]) -> list[TriggerRow]:
        """The triggers of these names that exist, in any order."""

    async def list_triggers(
        self, *, enabled_only: bool, limit: int, offset: int
    ) -> list[TriggerRow]:
        """Triggers by name."""

    async def failing_triggers(self, limit: int) -> list[TriggerRow]:
        """Up to ``limit`` enabled triggers with a ``last_error``, by ``failing_since``. Only
        reads.
        """

    async def known_events(self, trigger_id: str, keys: Collection[str]) -> set[str]:
        """Which of these keys events of this trigger have."""

    async def list_events(self, trigger_id: str, *, limit: int, offset: int) -> list[EventRow]:
        """Events of a trigger that made runs, newest first."""
