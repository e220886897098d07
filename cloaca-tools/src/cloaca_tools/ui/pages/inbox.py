"""Work for people: decisions, and runs that a failure has paused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from starlette.responses import Response

from cloaca_core.views.history import Action
from cloaca_tools.ui.forms.schema_fields import Field, fields_of
from cloaca_tools.ui.payloads.context_facts import Facts, facts_of
from cloaca_tools.ui.visit import Address, Visit
from cloaca_tools.ui.words.schedule_texts import ACTS as ACTS_TOLD
from cloaca_tools.views.inbox import Question

if TYPE_CHECKING:
    from cloaca_core.features.waits.approvals import OpenApproval
    from cloaca_core.values.payloads.redaction import Redact

PAGE: Final = 20
ACTS: Final = 200
"""Acts that are looked through for the decisions among them."""
LATELY: Final = 8
_DECISIONS: Final = ("approve", "resume")
_DONE_HERE: Final = (*_DECISIONS, "cancel")


@dataclass(frozen=True, slots=True)
class Wrong:
    """A form that comes back: what it had, and why it was refused, unless it asked for a row.
    ``item`` is the map and the index of the item that it was about, None for none.
    """

    run_id: str
    task: str = ""
    fields: tuple[Field, ...] = ()
    note: str = ""
    context: str = ""
    error: str = ""
    item: tuple[str, int] | None = None


@dataclass(frozen=True, slots=True)
class Late:
    """A decision that another person has taken before."""

    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Card:
    """A decision as it is shown. ``id`` is the id of its element."""

    id: str
    question: Question
    facts: Facts
    fields: tuple[Field, ...]
    note: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision that was taken: ``what`` of a task or a run."""

    action: Action
    task: str
    choice: str
    rejects: bool = field(default=False)


async def inbox(visit: Visit) -> Response:
    """The page of the inbox."""
    return await shown(visit)


async def shown(
    visit: Visit, status: int = 200, *, wrong: Wrong | None = None, late: Late | None = None
) -> Response:
    """The inbox, with a form as it was filled in wrongly, or with what came too late."""
    found = await visit.site.observer.inbox(limit=PAGE)
    acts = await visit.site.observer.actions(limit=ACTS, submissions=False)
    return await visit.page(
        "inbox.html",
        status,
        inbox=found,
        cards=[card(each, wrong, visit.site.redact) for each in found.questions],
        decided=decided_in(acts)[:LATELY],
        done=done_in(acts, visit.query("run"), visit.query("task")),
        wrong=wrong,
        late=late,
        still=status != 200 or wrong is not None,
    )


def card(question: Question, wrong: Wrong | None, redact: Redact) -> Card:
    """The card of a decision; that which was filled in wrongly keeps what it had."""
    asked = question.approval
    name, facts = card_id(asked), facts_of(question.facts, redact)
    item = None if asked.item is None else (asked.task_id, asked.item)
    its_own = (asked.run_id, asked.name, item)
    if wrong is not None and (wrong.run_id, wrong.task, wrong.item) == its_own:
        return Card(name, question, facts, wrong.fields, wrong.note, wrong.error)
    return Card(name, question, facts, fields_of(asked.schema))


def card_id(asked: OpenApproval) -> str:
    """The id of the element of a decision's card."""
    item = "" if asked.item is None else f"-{asked.item}"
    return f"ask-{asked.run_id}-{asked.name}{item}"


def decided_in(acts: Sequence[Action]) -> list[Decided]:
    """The decisions about runs among acts, newest first."""
    of_runs = [each for each in acts if each.run_id is not None and each.changed]
    return [_decided(each) for each in of_runs if each.kind in _DECISIONS]


def _decided(act: Action) -> Decided:
    if act.kind != "approve":
        did = ACTS_TOLD[act.kind]
        return Decided(act, "", did if act.reason is None else f"{did}, {act.reason}")
    task, _, choice = (act.reason or "").partition(": ")
    return Decided(act, task, choice, choice.partition(",")[0] == "reject")


def done_in(acts: Sequence[Action], run_id: str, task: str) -> Decided | None:
    """The newest decision about a task, or (``task`` empty) resume or cancel of a run."""
    found = [_decided(each) for each in acts if each.kind in _DONE_HERE and each.changed]
    wanted = (run_id, task)
    return next((each for each in found if (each.action.run_id, each.task) == wanted), None)


ROUTES: Final[tuple[Address, ...]] = (("GET", "/inbox", inbox),)
