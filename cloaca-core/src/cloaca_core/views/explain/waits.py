"""Describes the waits of nodes and bodies: for an instant, an event, a person, a run. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cloaca_core.features.waits.decisions import asked_in
from cloaca_core.features.waits.records import WaitRow
from cloaca_core.run.rows import THE_TASK
from cloaca_core.values.namespace import short_name
from cloaca_core.values.states import ReasonCode, TaskStatus
from cloaca_core.values.waits import APPROVAL, EVENT, RUN, SLEEP, answered_text, run_of_end
from cloaca_core.values.wording import counted
from cloaca_core.views.explain.words import listed, moment, short
from cloaca_core.views.task_results import waits_of_attempt

if TYPE_CHECKING:
    from cloaca_core.features.explain.facts import Facts
    from cloaca_core.run.rows import AttemptRow


def wait_text(facts: Facts, row: AttemptRow, waits: Sequence[WaitRow], *, orphaned: bool) -> str:
    """The open waits of an attempt, the oldest first, and where its body is."""
    first = waits[0]
    its_body = "" if first.is_of_node else "its body "
    text = f"{its_body}{_awaited(facts, first)}"
    if len(waits) > 1:
        text += f"; it has {counted(len(waits) - 1, 'more wait')}"
    if first.is_of_node:
        return text
    if has_left(row):
        return f"{text}; the body has left memory, and runs again from its top after that"
    if orphaned:
        return f"{text}; its runner is gone, and the body runs again from its top elsewhere"
    return text


def waits_of_items(task_id: str, waits: Sequence[WaitRow]) -> list[WaitRow]:
    """The open waits of the items of a map, in the order of these."""
    its = [each for each in waits if each.task_id == task_id and each.item != THE_TASK]
    return sorted(its, key=lambda wait: (wait.item, wait.opened_at))


def item_waits_text(facts: Facts, waits: Sequence[WaitRow]) -> str:
    """How many items of a map wait, and for what the first of them does."""
    first, count = waits[0], len({wait.item for wait in waits})
    others = "" if count == 1 else f"{count:,} of them wait; "
    return f"{others}{first.task_id}[{first.item}] {_awaited(facts, first)}"


def has_left(row: AttemptRow) -> bool:
    """Whether the body of an attempt that waits is in no memory."""
    return row.reason_code == ReasonCode.HAS_LEFT


def bodies_in_memory(facts: Facts, latest: Sequence[AttemptRow]) -> list[str]:
    """The tasks whose bodies wait in the memory of their runner."""
    waiting = [each for each in latest if each.status == TaskStatus.WAITING and not has_left(each)]
    return [
        each.task_id
        for each in waiting
        if not any(wait.is_of_node for wait in waits_of_attempt(each, facts.recorded.waits))
    ]


def unread_text(facts: Facts) -> str | None:
    """The messages to a run that are unread and that nothing waits for; None if there are none."""
    wanted = [each for each in facts.recorded.waits if not each.timed_out]
    left = [
        each
        for each in facts.recorded.unread
        if each.kind != RUN and not any(map(each.may_end, wanted))
    ]
    if not left:
        return None
    count = sum(each.messages for each in left)
    names = listed(list(dict.fromkeys(short(each.name) for each in left)))
    verb, it = ("is", "it") if count == 1 else ("are", "them")
    waits = "" if facts.recorded.row.ended_at is not None else f", and nothing waits for {it} yet"
    return f"{counted(count, 'message')} ({names}) {verb} unread{waits}"


def _awaited(facts: Facts, wait: WaitRow) -> str:
    """A wait: its subject, its beginning and end, and how to end it."""
    if wait.kind == SLEEP:
        return f"sleeps {_until(facts, wait)}"
    since = f"since {moment(wait.opened_at, facts.now)}, {_until(facts, wait)}"
    come = _come(facts, wait)
    to = "" if wait.item == THE_TASK else f", item={(wait.task_id, wait.item)!r}"
    if wait.kind == APPROVAL:
        asked = asked_in(wait.detail)
        choices = " or ".join(map(repr, asked.choices))
        end = come or f"run.approve({wait.name!r}, …{to}) decides, with {choices}"
        return f"waits for a person {since}: {short(asked.prompt)}; {end}"
    if wait.kind == RUN:
        return f"waits for the end of {_child(facts, run_of_end(wait.name))} {since}"
    assert wait.kind == EVENT, wait.kind
    end = come or f"runner.send(run_id, {wait.name!r}, …{to}) ends that"
    return f"waits for the event {wait.name} {since}; {end}"


def _child(facts: Facts, run_id: str) -> str:
    """A child run, and its state if it is under way and one of the first, which were read."""
    for each in facts.recorded.children:
        if each.id == run_id:
            return f"run {run_id} of {short_name(each.workflow)}, which is {each.status},"
    return f"run {run_id}"


def _until(facts: Facts, wait: WaitRow) -> str:
    if wait.due_at is None:
        return "without a time-out"
    if wait.due_at <= facts.now:
        over = "its time is over, and a runner is to record that"
        return f"until {moment(wait.due_at, facts.now)}: {over}"
    return f"until {moment(wait.due_at, facts.now)}"


def _come(facts: Facts, wait: WaitRow) -> str | None:
    """The messages for a wait that were not read yet."""
    if not wait.answered:
        return None
    if wait.kind == APPROVAL:
        return f"it {answered_text(wait.kind, wait.name)}"
    own = sum(each.messages for each in facts.recorded.unread if each.may_end(wait))
    return f"{counted(own, 'message')} of it {'has' if own == 1 else 'have'} come, unread yet"
