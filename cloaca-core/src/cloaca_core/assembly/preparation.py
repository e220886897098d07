"""Calls the program's own functions before an engine opens: they return secrets and make
executors.
"""

from __future__ import annotations

import concurrent.futures
import threading
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cloaca_core.assembly.redact import Sources
    from cloaca_core.config import DefaultRunnerConfig
    from cloaca_core.definition.registry import Registry
    from cloaca_core.features.executors.given import Executors
    from cloaca_core.features.executors.supply import Supply
    from cloaca_core.values.payloads.redaction import Redaction


class Preparation:
    """``redact`` gets the secrets that the functions of ``secrets`` return. ``supplies`` are the
    executors of the program; none is made unless ``makes_executors``.
    """

    def __init__(
        self,
        secrets: Sources,
        redact: Redaction,
        supplies: tuple[Supply, ...],
        *,
        makes_executors: bool,
    ) -> None:
        self._secrets = secrets
        self._redact = redact
        self.supplies: tuple[Supply, ...] = supplies
        self.makes_executors: bool = makes_executors

    def begin(
        self, registry: Registry, *, may_block: bool
    ) -> concurrent.futures.Future[None] | None:
        """Call the functions, on this thread if it ``may_block``, otherwise on a thread of their
        own. None if there are none to call. Executors that the tasks of ``registry`` cannot use are
        refused.
        """
        supplies = self._fit(registry)
        if not (supplies or self._secrets.has_functions):
            return None
        make = partial(self._make, supplies)
        if not may_block:
            return _beside(make)
        make()
        return None

    def _fit(self, registry: Registry) -> tuple[Supply, ...]:
        """The executors to make, if the tasks can use them."""
        if not self.makes_executors or not (self.supplies or _wants_executors(registry)):
            return ()
        from cloaca_core.features.executors.given import refuse_unfit  # few programs have executors

        refuse_unfit(self.supplies, registry)
        return self.supplies

    def _make(self, supplies: tuple[Supply, ...]) -> None:
        """A failure leaves nothing behind."""
        self._secrets.load(self._redact)
        try:
            for supply in supplies:
                supply.open()
        except BaseException:
            _close(supplies)
            raise

    def undo(self, making: concurrent.futures.Future[None] | None) -> None:
        """Close the executors, as soon as the functions that ``begin`` calls have returned."""
        supplies = self.supplies
        if making is None:
            _close(supplies)
        else:  # their functions may still be at it
            making.add_done_callback(lambda _: _close(supplies))

    def renew(self) -> None:
        """Allow another opening after one that failed."""
        self.supplies = tuple([each.anew() for each in self.supplies])


def supplies_of(
    executors: Executors | None,
    executor_slots: Mapping[str, int] | None,
    config: DefaultRunnerConfig,
) -> tuple[Supply, ...]:
    """The executors that a program gives, checked."""
    in_settings = config.executors or config.executor_slots
    if executors is None and executor_slots is None and not in_settings:
        return ()
    from cloaca_core.features.executors.given import supplies  # few programs have executors

    return supplies(executors, executor_slots, config)


def _beside(make: Callable[[], None]) -> concurrent.futures.Future[None]:
    """Call a function of the program on its own thread. The call cannot be cancelled."""
    made = concurrent.futures.Future[None]()
    made.set_running_or_notify_cancel()

    def call() -> None:
        try:
            make()
        except BaseException as error:  # noqa: BLE001 # of user code; the future hands it on
            made.set_exception(error)
        else:
            made.set_result(None)

    threading.Thread(target=call, name="cloaca-opening", daemon=True).start()
    return made


def _close(supplies: tuple[Supply, ...]) -> None:
    for supply in supplies:
        supply.close()


def _wants_executors(registry: Registry) -> bool:
    tasks = (task for workflow in registry.workflows() for task in workflow.tasks)
    return any(task.executor is not None for task in tasks)
