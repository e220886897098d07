"""Makes active runs from rows that this runner owns, and starts or resumes them.

Submissions and claims pass the rows; this module does not know how this runner came to own them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from cloaca_core.errors import ContextValueError, InputError
from cloaca_core.logs import SafeLogger
from cloaca_core.run.active_run import ActiveRun, ActiveRunFactory
from cloaca_core.run.merge import Change
from cloaca_core.run.reasons import Reason
from cloaca_core.run.restore import Restored, first_due, restore, shifted
from cloaca_core.values.payloads.json_values import JsonValue, decode, encode
from cloaca_core.values.states import ReasonCode

if TYPE_CHECKING:
    from cloaca_core.definition.inputs.declared import Input
    from cloaca_core.definition.workflow import Workflow
    from cloaca_core.engine.orchestrate.orchestrator import Orchestrator
    from cloaca_core.run.graph import Node, NodeGraph
    from cloaca_core.run.planner import DefaultRule
    from cloaca_core.run.replacements import Keys
    from cloaca_core.run.rows import AttemptRow, ForkRow, ReplacementRow, RestartRow, RunRow
    from cloaca_core.values.times.clock import Clock

log = SafeLogger("cloaca.engine")


class PastRows(NamedTuple):
    """Rows of a claimed run from before the claim: its attempts, the tasks that were restarted, the
    source of a fork, and replaced keys. Each function of ``adopt`` hands the run, before it
    resumes, to a feature that has rows of it, with the instant that came if the run was claimable
    because its time had come. ``due`` are the instants at which rows of features are due.
    ``workflow`` is the one that the run uses, if it is registered.
    """

    attempts: list[AttemptRow]
    restarts: list[RestartRow]
    forks: list[ForkRow]
    replacements: list[ReplacementRow]
    adopt: list[Callable[[ActiveRun, int | None], None]]
    due: list[int]
    workflow: Workflow | None = None

    @classmethod
    def none(cls, workflow: Workflow | None = None) -> PastRows:
        """No rows, for a run of which nothing was read yet."""
        return cls([], [], [], [], [], [], workflow)


NO_PAST: Final = PastRows.none()


class Adoption:
    """Starts the runs that this runner has submitted or claimed. Belongs to the engine's loop."""

    def __init__(self, orchestrator: Orchestrator, default_rule: DefaultRule, clock: Clock) -> None:
        self._orchestrator = orchestrator
        self._clock = clock
        self._factory = ActiveRunFactory(default_rule)

    def begin(
        self,
        workflow: Workflow,
        new: Iterable[tuple[RunRow, dict[str, JsonValue]]],
        depth: int,
    ) -> None:
        """Start new runs of a workflow: each row with its decoded input."""
        graph = self._factory.graph_of(workflow)
        if workflow.input is not None:
            for row, _ in new:
                self.resume(workflow, row, NO_PAST, depth=depth)
            return
        for row, run_input in new:
            run = self._factory.make(row, graph, run_input)
            run.depth = depth
            self._orchestrator.guarded(run, self._orchestrator.adopt, run)

    def resume(
        self,
        workflow: Workflow,
        row: RunRow,
        recorded: PastRows,
        refusal: Reason | None = None,
        depth: int = 0,
    ) -> None:
        """Start a claimed run, or resume it from the records of earlier owners. With a ``refusal``
        the run ends instead. A run that has not begun ends if its workflow does not take its input.
        """
        graph = self._factory.graph_of(workflow)
        try:
            past: Restored | None = None
            if recorded.attempts:
                past = restore(graph, recorded.attempts, recorded.restarts)
            came: int | None = None
            if past is not None and row.came_due:
                came = first_due(past, recorded.due)
                late = 0 if came is None else self._clock.wall() - came
                past = past._replace(resume=shifted(past.resume, late))
            patches = patches_of(graph, recorded.forks) if recorded.forks else None
            replaced = keys_of(recorded.replacements) if recorded.replacements else ()
            given = _input_of(row)
            opening = None
            if workflow.input is not None:
                opening = opened(workflow.input, given, recorded)
                given = opening.given
            run = self._factory.make(row, graph, given, past, patches, replaced)
            run.depth = depth
            for hand_over in recorded.adopt:
                hand_over(run, came)
            if refusal is not None:
                self._orchestrator.refuse(run, refusal)
            elif opening is not None:
                self._open(run, opening)
            else:
                self._orchestrator.adopt(run)
        except Exception as error:  # damaged rows must not keep the others from their work
            log.exception("run %s cannot be read", row.id, extra={"run_id": row.id})
            bare = self._factory.make(row._replace(input="{}"), graph, {})
            text = f"the rows of this run cannot be read: {error!r}"
            reason = Reason(ReasonCode.UNREADABLE, text)
            self._orchestrator.refuse(bare, reason, unreadable=True)

    def _open(self, run: ActiveRun, opening: Opening) -> None:
        """Start a run of a workflow with an input, or end it if that does not fit."""
        if opening.has_defaults:
            run.has_defaults, run.defaults = True, opening.defaults
            run.size_bound += len(encode(opening.given).encode())
        if opening.error is None:
            self._orchestrator.adopt(run)
        else:
            self._orchestrator.refuse_input(run, opening.error)


class Opening(NamedTuple):
    """How a run of a workflow with an input begins: the input with its defaults, the defaults that
    are still to be recorded (a JSON object, or empty), and why the run cannot begin, if it cannot.
    """

    given: dict[str, JsonValue]
    defaults: str
    has_defaults: bool
    error: InputError | None = None


def opened(declared: Input, row_input: dict[str, JsonValue], recorded: PastRows) -> Opening:
    """Check and complete the input of a run that has not begun. One that has goes on with the
    defaults that were recorded then, as another version may have others.
    """
    known = defaults_of(recorded.replacements)
    given = {**row_input, **known}
    if recorded.attempts:
        return Opening(given, "", bool(known))
    seen = dict(given)  # what the first tasks see
    for keys in keys_of(recorded.replacements):
        seen.update(keys)
    for fork in recorded.forks:
        if fork.content is not None:
            seen.update(cast("dict[str, JsonValue]", decode(fork.content)))
    try:
        added = declared.added(seen)
    except InputError as error:
        return Opening(given, "", bool(known), error)
    if known or not added:
        return Opening(given, "", bool(known))
    return Opening({**given, **added}, encode(added), has_defaults=True)


def defaults_of(replacements: Iterable[ReplacementRow]) -> dict[str, JsonValue]:
    """The defaults that were filled into the input of a run: its replacement number 0."""
    return {
        key: value
        for each in replacements
        if each.number == 0
        for key, value in cast("dict[str, JsonValue]", decode(each.content)).items()
    }


def patches_of(graph: NodeGraph[Node], forks: Sequence[ForkRow]) -> dict[int, Change]:
    """The keys that the caller set when the run was forked, by the index of the task that sees them
    first.
    """
    return {
        graph.position[fork.from_task]: Change(
            cast("dict[str, JsonValue]", decode(fork.content)), []
        )
        for fork in forks
        if fork.content is not None and fork.from_task in graph.position
    }


def keys_of(replacements: Iterable[ReplacementRow]) -> list[Keys]:
    """The keys that were replaced, with their values."""
    return [
        cast("dict[str, JsonValue]", decode(each.content))
        for each in replacements
        if each.number > 0
    ]


def _input_of(row: RunRow) -> dict[str, JsonValue]:
    data = decode(row.input)
    if not isinstance(data, dict):
        raise ContextValueError("the input is no JSON object")
    return data
