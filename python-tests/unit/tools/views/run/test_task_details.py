"""One task of a run, told from the rows of the run."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from model.families import at, attempt, run
from model.runs import graph_of

from cloaca_core.definition.recorded import RecordedWorkflow
from cloaca_core.definition.waits.kinds import Approval, WaitFor
from cloaca_core.errors import TaskNotFoundError
from cloaca_core.features.steps.records import MemoRow
from cloaca_core.features.waits.records import WaitRow
from cloaca_core.run.rows import AttemptRow, RestartRow, RoundRow
from cloaca_core.store.messages import MessageRow
from cloaca_core.values.payloads.digests import digest_of
from cloaca_core.values.times.rfc3339 import rfc3339
from cloaca_tools.views.run.task_details import Rows, TaskDetails, task_details

DECIDED = '{"choice":"yes","by":"ann","at":"2023","note":"well","data":{"n":1}}'


def flow() -> RecordedWorkflow:
    graph = graph_of(load={}, ask={"dependencies": ["load"]}, listen={})
    known: Any = {task.id: task for task in graph.tasks}
    ask = replace(known["ask"], wait=Approval("Well?", ("yes", "no"), schema={"type": "object"}))
    listen = replace(known["listen"], wait=WaitFor("mail"))
    return RecordedWorkflow("public::embedded::flow", "flow", "v", (known["load"], ask, listen))


def rows_of(task: str, *attempts: AttemptRow, status: str = "Running", **fields: Any) -> Rows:
    row = run(status=status, input='{"n":1}', round=fields.pop("round", 1))
    rows = Rows(
        tasks=[task],
        attempt=None,
        run=row,
        attempts=attempts,
        restarts=(),
        rounds=(),
        definition=flow(),
        forks=(),
        replacements=(),
        waits=(),
        messages=(),
        memos={},
    )
    return rows._replace(**fields)


def details(task: str, *attempts: AttemptRow, **fields: Any) -> TaskDetails:
    (found,) = task_details(rows_of(task, *attempts, **fields))
    return found


def message(
    name: str, payload: str, kind: str = "event", taken_by: str | None = None
) -> MessageRow:
    sent_at = at(3) or 0
    row = MessageRow("r", 1, f"m {name}", kind, name, payload, None, "ann", sent_at, taken_by)
    return row._replace(for_task=name) if kind == "approval" else row


def wait(task: str, kind: str, name: str, **fields: Any) -> WaitRow:
    row = WaitRow("r", task, kind, name, 0, 1, "", at(2) or 0, at(90))
    return row._replace(**fields)


def test_attempts_come_oldest_first_and_change_is_that_of_the_latest() -> None:
    second = attempt("load", 2, 5, 6, change='{"set": {"a": 2}, "removed": []}')
    found = details("load", attempt("load", 1, 1, 2, "Failed", retry=5), second)

    assert [each.attempt for each in found.attempts] == [1, 2]
    assert found.change is not None
    assert (found.change.attempt, found.change.result) == (2, {"a": 2})
    assert (found.kind, found.most_attempts, found.question) == ("task", 3, None)


def test_another_attempt_can_be_asked_for() -> None:
    rows = rows_of("load", attempt("load", 1, 1, 2, "Failed"), attempt("load", 2, 5, 6))
    (found,) = task_details(rows._replace(attempt=1))

    assert found.change is not None
    assert found.change.error == "ValueError: it broke"
    with pytest.raises(TaskNotFoundError, match="no attempt 9"):
        task_details(rows._replace(attempt=9))


def test_a_task_that_has_not_begun_has_no_change() -> None:
    found = details("load")
    assert (found.attempts, found.change, found.kept) == ((), None, ())


def test_an_unknown_task_is_refused() -> None:
    with pytest.raises(TaskNotFoundError, match="no task 'nothing'"):
        details("nothing")


def test_a_task_that_only_the_rows_know_is_shown() -> None:
    found = details("gone", attempt("gone"))
    assert (found.kind, found.most_attempts, len(found.attempts)) == (None, None, 1)


def test_attempts_of_this_round_begin_at_the_restart() -> None:
    restarts = [RestartRow("r", "load", 2, 2)]
    first = RoundRow("r", 1, "Failed", None, None, None, None, at(1), at(50) or 0)
    found = details(
        "load",
        attempt("load", 1, 1, 2, "Failed"),
        attempt("load", 2, 60, None, "Running"),
        round=2,
        restarts=restarts,
        rounds=[first],
    )
    assert (found.first_attempt, [each.round for each in found.attempts]) == (2, [1, 2])


def test_kept_values_say_whether_they_count() -> None:
    own = digest_of({"n": 1})
    memos = [
        MemoRow("r", "load", "step", "b", 1, "another", 1, "2", 0, at(4) or 0),
        MemoRow("r", "load", "step", "a", 1, own, 1, '{"x": 1}', 0, at(3) or 0),
    ]
    found = details("load", attempt("load"), memos={"load": memos})

    assert [(each.name, each.value, each.counts) for each in found.kept] == [
        ("a", {"x": 1}, True),
        ("b", 2, False),
    ]


def test_an_open_approval_is_asked_as_its_wait_has_it() -> None:
    detail = json.dumps({"prompt": "Really?", "choices": ["yes"], "schema": None})
    opened = wait("ask", "approval", "ask", detail=detail)
    found = details("ask", attempt("ask", ends=None, status="Waiting"), waits=[opened])

    assert found.question is not None
    assert (found.question.prompt, found.question.choices) == ("Really?", ("yes",))
    assert found.question.is_open
    assert found.question.opened_at == rfc3339(at(2) or 0)
    assert (found.decision, found.most_attempts) == (None, None)


def test_an_approval_with_a_decision_that_is_still_to_be_taken_is_not_open() -> None:
    opened = wait("ask", "approval", "ask", answered=1)
    sent = [message("ask", DECIDED, "approval")]
    found = details(
        "ask", attempt("ask", ends=None, status="Waiting"), waits=[opened], messages=sent
    )

    assert found.question is not None
    assert not found.question.is_open
    assert found.decision is not None
    assert (found.decision.choice, found.decision.by, found.decision.note) == ("yes", "ann", "well")
    assert (found.decision.data, found.decision.at) == ({"n": 1}, rfc3339(at(3) or 0))


def test_of_items_that_ask_the_first_without_a_decision_is_shown() -> None:
    asked = wait("each", "approval", "ask", number=1)
    sent = [message("ask", DECIDED, "approval")._replace(for_task="each", for_item=2)]
    found = details(
        "each",
        attempt("each", ends=None, status="Running"),
        waits=[asked._replace(item=2, answered=1), asked._replace(item=5)],
        messages=sent,
    )

    assert found.question is not None
    assert (found.question.is_open, found.question.item) == (True, 5)


def test_the_choice_of_a_timeout_is_by_nobody() -> None:
    chosen = '{"set": {"ask": {"choice": "no", "by": null, "at": "2023"}}, "removed": []}'
    found = details("ask", attempt("ask", change=chosen), status="Completed")

    assert found.question is not None
    assert (found.question.prompt, found.question.is_open) == ("Well?", False)
    assert found.decision is not None
    assert (found.decision.choice, found.decision.by) == ("no", None)


def test_messages_are_those_that_it_took_or_waits_for() -> None:
    sent = [
        message("mail", "1", taken_by="listen"),
        message("mail", "2", taken_by="load"),
        message("mail", "3"),
        message("mail", "5")._replace(for_task="each", for_item=1),
        message("other", "4"),
        message("ask", DECIDED, "approval", "ask"),
    ]
    waits = [wait("listen", "event", "mail")]
    found = details("listen", attempt("listen"), waits=waits, messages=sent)

    assert [(each.payload, each.is_taken) for each in found.messages] == [(1, True), (3, False)]
    assert (found.event, found.kind) == ("mail", "event")


def test_a_damaged_payload_is_shown_as_text() -> None:
    found = details("listen", messages=[message("mail", "{", taken_by="listen")])
    assert found.messages[0].payload == "{"
