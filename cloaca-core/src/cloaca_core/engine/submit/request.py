"""A checked request of a caller to submit runs of one workflow."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cloaca_core.definition.unregistered import Unregistered
from cloaca_core.definition.workflow import Workflow
from cloaca_core.engine.submit.start import AT_ONCE
from cloaca_core.store.batch import NO_ROWS
from cloaca_core.store.messages import MESSAGES
from cloaca_core.values.namespace import SEPARATOR

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cloaca_core.definition.recorded import RecordedWorkflow
    from cloaca_core.engine.execute.attempt import Attempt
    from cloaca_core.engine.submit.start import Start
    from cloaca_core.run.order import Order
    from cloaca_core.store.batch import Rows
    from cloaca_core.store.messages import NewMessage
    from cloaca_core.values.payloads.json_values import JsonValue


@dataclass(frozen=True, slots=True)
class Request:
    """Runs of one workflow to be submitted together.

    ``workflow`` may be a name at first: the record of that name takes its place before anything is
    submitted. Runs of a recorded workflow are for other runners.

    ``texts`` are their inputs as they are stored; ``data`` the first of them decoded: as many as
    could begin at once. ``tags`` is JSON; ``time_limit`` is in the form of rows.

    ``further_keys`` are for a body that is tried again: each takes the place of the one before it
    when the run that an earlier attempt started has failed. ``retry`` asks for the next round of
    the run that has the key, if that has failed. ``by_right`` says that a body of ours waits for
    it: it begins even if no place is free, as its own parent holds one. ``message`` is sent to the
    run, which is one then, in the commit that inserts it; its ``run_id`` is still to be filled in.
    ``trace`` is in the form of rows. ``asked_by`` is who is to be noted to have submitted it.
    """

    workflow: Workflow | RecordedWorkflow | Unregistered
    texts: Sequence[str]
    data: Sequence[dict[str, JsonValue]]
    tags: str
    idempotency_key: str | None = None
    further_keys: Sequence[str] = ()
    by_right: bool = False
    parent: Attempt | None = None
    time_limit: int | None = None
    start: Start = AT_ONCE
    retry: Order | None = None
    message: NewMessage | None = None
    trace: str | None = None
    asked_by: str | None = None

    @property
    def is_by_name(self) -> bool:
        """Whether the record of the workflow is still to be found."""
        return isinstance(self.workflow, Unregistered)

    @property
    def is_plain(self) -> bool:
        """Whether its runs can be submitted as it is, by a runner: no record is to be found or
        written before, and no body, key or message is to be thought of.
        """
        workflow = self.workflow
        return (
            isinstance(workflow, Workflow)
            and not workflow.when_ended
            and self.parent is None
            and self.idempotency_key is None
            and self.message is None
        )

    @property
    def followed(self) -> Workflow | None:
        """The workflow, if this program has its code and other runs follow those of it."""
        if isinstance(self.workflow, Workflow) and self.workflow.when_ended:
            return self.workflow
        return None

    @property
    def definition(self) -> Workflow | RecordedWorkflow:
        """The workflow, which is known by now."""
        assert not isinstance(self.workflow, Unregistered)
        return self.workflow

    def parts(self) -> Iterator[Request]:
        """A request for each of its runs."""
        for position, text in enumerate(self.texts):
            yield replace(self, texts=[text], data=self.data[position : position + 1])

    def message_to(self, run_id: str) -> NewMessage | None:
        """The message, to the run that was made."""
        return None if self.message is None else self.message._replace(run_id=run_id)

    def beside(self, run_id: str) -> Rows:
        """What features write with the run that is made."""
        if self.message is None:
            return NO_ROWS
        return MESSAGES.rows((self.message._replace(run_id=run_id),))

    def message_to_earlier(self, run_id: str) -> NewMessage | None:
        """The message, to the run that had the key before. None if a call of a body has made that
        key: then this call made the run, when the body ran before, and it has the message.
        """
        if self.parent is not None:
            own = f"{self.parent.run_id}{SEPARATOR}"
            if self.idempotency_key is not None and self.idempotency_key.startswith(own):
                return None
        return self.message_to(run_id)

    @property
    def depth(self) -> int:
        """How many runs, one above the other, wait for these in their bodies."""
        return self.parent.owner.depth + 1 if self.by_right and self.parent is not None else 0
