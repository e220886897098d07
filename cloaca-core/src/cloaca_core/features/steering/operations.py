"""Operations that steer a run or a workflow: cancel, pause, resume."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol, cast

from cloaca_core.definition.context import ContextLike, input_text, items_of
from cloaca_core.engine.calls.arguments import checked_run_id
from cloaca_core.engine.calls.call import Call, unchanged
from cloaca_core.engine.calls.orders import checked_order
from cloaca_core.errors import RunEndedError, RunNotFoundError, RunStateError
from cloaca_core.features.definitions.names import DefinitionEngine, looked_up, name_to_look_up
from cloaca_core.features.steering.results import Steered
from cloaca_core.values import option_names
from cloaca_core.values.arguments import refuse_other_types
from cloaca_core.values.states import RunStatus
from cloaca_core.values.times.given import checked_instant, checked_seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from datetime import datetime, timedelta
    from typing import Any

    from cloaca_core.engine.calls.call import CallerOf, Host
    from cloaca_core.features.steering.steering import Steering
    from cloaca_core.store.acts import Acted

_ENDED = (RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED)


class SteeringEngine(DefinitionEngine, Protocol):
    """The part of an engine that steers runs."""

    @property
    def steering(self) -> Steering:
        """Writes requests about runs."""


class Cancel(NamedTuple):
    """Cancel a run; a run that has ended stays as it is."""

    run_id: str
    reason: str | None = None
    grace: float | timedelta | None = None
    children: bool = True
    by: str | None = None

    def call(self, caller: CallerOf[SteeringEngine, object]) -> Call[Steered]:
        """See ``Operation``."""
        order = checked_order("cancel", self.reason, self.by)
        usual = caller.host.config.shutdown_grace_seconds
        seconds = usual if self.grace is None else checked_seconds("grace", self.grace)
        refuse_other_types("children", self.children, bool, "a bool")
        return _steer(
            caller,
            self.run_id,
            lambda engine, ids: engine.steering.cancel(ids, order, seconds, children=self.children),
            _steered,
        )


class Pause(NamedTuple):
    """Pause a run that has not ended."""

    run_id: str
    reason: str | None = None
    until: datetime | str | None = None
    children: bool = True
    by: str | None = None

    def call(self, caller: CallerOf[SteeringEngine, object]) -> Call[Steered]:
        """See ``Operation``."""
        order = checked_order("pause", self.reason, self.by)
        instant = None if self.until is None else checked_instant("until", self.until)
        refuse_other_types("children", self.children, bool, "a bool")
        return _steer(
            caller,
            self.run_id,
            lambda engine, ids: engine.steering.pause(ids, order, instant, children=self.children),
            lambda acted: _unless_over(self.run_id, "paused", acted),
        )


class Resume(NamedTuple):
    """Resume a paused run, with other values of the keys of ``context``."""

    run_id: str
    context: ContextLike = None
    reason: str | None = None
    by: str | None = None

    def call(self, caller: CallerOf[SteeringEngine, object]) -> Call[Steered]:
        """See ``Operation``."""
        order = checked_order("resume", self.reason, self.by)
        content = replaced_keys(caller.host, self.context)
        return _steer(
            caller,
            self.run_id,
            lambda engine, ids: engine.steering.resume(ids, order, content),
            lambda acted: _resumed(self.run_id, acted, with_keys=content is not None),
        )


class PauseWorkflow(NamedTuple):
    """Pause a workflow: no runner claims runs of it."""

    workflow_name: str
    until: datetime | str | None = None
    reason: str | None = None
    by: str | None = None

    def call(self, caller: CallerOf[SteeringEngine, object]) -> Call[bool]:
        """See ``Operation``."""
        order = checked_order("pause", self.reason, self.by)
        instant = None if self.until is None else checked_instant("until", self.until)
        return _steer_workflow(
            caller,
            self.workflow_name,
            lambda engine, workflow: engine.steering.pause_workflow(workflow, order, instant),
        )


class ResumeWorkflow(NamedTuple):
    """Let runs of a workflow be claimed again."""

    workflow_name: str
    reason: str | None = None
    by: str | None = None

    def call(self, caller: CallerOf[SteeringEngine, object]) -> Call[bool]:
        """See ``Operation``."""
        order = checked_order("resume", self.reason, self.by)
        return _steer_workflow(
            caller,
            self.workflow_name,
            lambda engine, workflow: engine.steering.resume_workflow(workflow, order),
        )


def replaced_keys(host: Host[object, object], context: ContextLike) -> str | None:
    """The keys to replace, as JSON."""
    if context is None:
        return None
    return input_text(items_of(context), host.config.max_context_bytes)


def _steer(
    caller: CallerOf[SteeringEngine, object],
    run_id: str,
    act: Callable[[SteeringEngine, list[str]], Coroutine[Any, Any, dict[str, Acted]]],
    read: Callable[[Acted], Steered],
) -> Call[Steered]:
    """A call that acts on one run, which must exist."""
    checked = checked_run_id(run_id)

    def answered(answer: dict[str, Acted]) -> Steered:
        if (acted := answer.get(checked)) is None:
            raise RunNotFoundError(f"no run with id {checked!r}", run_id=checked)
        return read(acted)

    return caller.act(lambda engine: act(engine, [checked]), answered)


def _steer_workflow(
    caller: CallerOf[SteeringEngine, object],
    workflow_name: str,
    act: Callable[[SteeringEngine, str], Coroutine[Any, Any, bool]],
) -> Call[bool]:
    full_name = caller.host.registry.full_name(workflow_name)
    name = name_to_look_up(caller.host, workflow_name)

    async def answer(engine: SteeringEngine) -> bool:
        return await act(engine, await looked_up(engine, name, full_name))

    return caller.act(answer, unchanged)


def _unless_over(run_id: str, wanted: str, acted: Acted) -> Steered:
    """The answer of an act on a run that must not have ended."""
    if acted.status in _ENDED:
        raise RunEndedError(
            f"run {run_id} is {acted.status}: only a run that has not ended can be {wanted}",
            run_id=run_id,
            status=acted.status,
            accepted=tuple([status.value for status in RunStatus if status not in _ENDED]),
        )
    if acted.status == RunStatus.CANCELLING:
        raise RunStateError(
            f"run {run_id} is being cancelled: it cannot be {wanted}",
            run_id=run_id,
            status=acted.status,
            accepted=("Pending", "Running", "Waiting", "Paused"),
        )
    return _steered(acted)


def _steered(acted: Acted) -> Steered:
    return Steered(cast("option_names.RunStatus", str(acted.status)), acted.changed)


def _resumed(run_id: str, acted: Acted, *, with_keys: bool) -> Steered:
    """The answer of a resume. Raises if keys were given and not used."""
    answer = _unless_over(run_id, "resumed", acted)
    if with_keys and not acted.changed:
        raise RunStateError(
            f"run {run_id} is {acted.status}: its context can be replaced only when it is resumed "
            "from a pause",
            run_id=run_id,
            status=acted.status,
            accepted=(RunStatus.PAUSED.value,),
        )
    return answer
