"""Calls that send: checked when they are made, and answered with the state of the run."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from tables import each_row

from cloaca_core._engine.engine import Engine
from cloaca_core._engine.steer import messages as engine_messages
from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.nodes.approval import approval
from cloaca_core.definition.registry import Registry
from cloaca_core.definition.task import task
from cloaca_core.errors import (
    AlreadyDecidedError,
    CloacaError,
    ConfigError,
    ConfigTypeError,
    ContextTypeError,
    ContextValueError,
    MailboxFullError,
    RunEndedError,
    RunNotFoundError,
    RunStateError,
    TaskNotFoundError,
)
from cloaca_core.records.waits import APPROVAL, EVENT, MessageRow
from cloaca_core.runner.calls.call import Call
from cloaca_core.runner.calls.messages import MessageCalls
from cloaca_core.runner.calls.runs import RunCalls
from cloaca_core.runner.host import EngineHost
from cloaca_core.runner.results import Steered

WAIT = 20


@dataclass
class Payment:
    amount: int
    mode: str = "usual"


class Model:
    """Looks like a pydantic model."""

    def model_dump(self, mode: str) -> dict[str, object]:
        return {"amount": 7, "mode": mode}

    @classmethod
    def model_validate(cls, value: object) -> Model:
        raise NotImplementedError


@pytest.fixture
def runs(host: EngineHost, own_registry: Registry) -> RunCalls:
    with WorkflowBuilder("signing", registry=own_registry):
        approval("signed", "Pay?", schema=Payment)
    with WorkflowBuilder("plain", registry=own_registry):
        task(id="t")(lambda context: None)
    return RunCalls(host)


@pytest.fixture
def messages(runs: RunCalls) -> MessageCalls:
    return runs.messages


@pytest.fixture
def pending(runs: RunCalls) -> str:
    """A run of ``flow`` that does not begin."""
    runs.steering.pause_workflow("flow", None, None, None).wait()
    run_id, _ = runs.submit("flow", None, None, None).wait()
    return run_id


@pytest.fixture
def ended(runs: RunCalls) -> str:
    run_id, _ = runs.submit("plain", None, None, None).wait()
    return runs.end(run_id, WAIT).wait()


@pytest.fixture
def asking(runs: RunCalls) -> str:
    """A run of ``signing`` whose approval is open."""
    run_id, _ = runs.submit("signing", None, None, {"customer": "7"}).wait()
    while not runs.messages.waiting_for_people(None, 1).wait():
        threading.Event().wait(0.001)
    return run_id


def sent(host: EngineHost, run_id: str) -> list[MessageRow]:
    async def ask(engine: Engine) -> list[MessageRow]:
        return await engine.store.sent(run_id, 10)

    return host.send(ask).result(WAIT)


# -- events --------------------------------------------------------------------------------------


def test_a_message_has_what_its_sender_says(
    host: EngineHost, messages: MessageCalls, pending: str
) -> None:
    answer = messages.send(pending, "paid", {"b": (1, None)}, "k", "ann").wait()

    assert answer == Steered("Pending", changed=True)
    (message,) = sent(host, pending)
    assert (message.number, message.kind, message.name) == (1, EVENT, "paid")
    assert (message.payload, message.dedupe_key, message.sent_by) == ('{"b":[1,null]}', "k", "ann")
    assert len(message.id) == 36


def test_without_a_name_the_user_of_the_program_has_sent_it(
    host: EngineHost, messages: MessageCalls, pending: str
) -> None:
    messages.send(pending, "paid", None, None, None).wait()
    (message,) = sent(host, pending)
    assert message.sent_by is not None
    assert "@" in message.sent_by


def test_a_second_one_with_its_key_is_not_sent_even_after_the_end(
    host: EngineHost, messages: MessageCalls, runs: RunCalls, pending: str
) -> None:
    assert messages.send(pending, "paid", 1, "k", None).wait().changed
    again = messages.send(pending, "paid", 2, "k", None)
    assert again.wait() == Steered("Pending", changed=False)
    assert messages.send(pending, "other", 2, "k", None).wait().changed
    runs.steering.cancel(pending, None, None, True, None).wait()

    late = messages.send(pending, "paid", 3, "k", None).wait()

    assert late == Steered("Cancelled", changed=False)
    assert [message.payload for message in sent(host, pending)] == ["1", "2"]


def test_a_run_that_takes_none_is_told(
    messages: MessageCalls, pending: str, ended: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(RunEndedError, match="is Completed: only a run that has not ended"):
        messages.send(ended, "paid", None, None, None).wait()
    with pytest.raises(RunNotFoundError, match="no run with id 'other'"):
        messages.send("other", "paid", None, None, None).wait()

    monkeypatch.setattr(engine_messages, "MOST_UNREAD", 1)
    messages.send(pending, "paid", None, None, None).wait()
    with pytest.raises(MailboxFullError) as caught:
        messages.send(pending, "paid", None, None, None).wait()
    assert caught.value.run_id == pending


@each_row(
    ("refused", "kind", "message"),
    [
        (lambda m: m.send(7, "e", None, None, None), ConfigTypeError, "run_id must be a str"),
        (lambda m: m.send("\0", "e", None, None, None), RunNotFoundError, "no run with id"),
        (lambda m: m.send("r", 7, None, None, None), ConfigTypeError, "event must be a str"),
        (lambda m: m.send("r", "", None, None, None), ConfigError, "event must have 1 to 255"),
        (lambda m: m.send("r", "e", {"a": {1}}, None, None), ContextTypeError, r"payload\.a: set"),
        (lambda m: m.send("r", "e", float("nan"), None, None), ContextValueError, "payload: nan"),
        (
            lambda m: m.send("r", "e", "x" * 1023, None, None),
            ContextValueError,
            "payload is 1025 bytes long; max_context_bytes is 1024",
        ),
        (lambda m: m.send("r", "e", None, "k" * 256, None), ConfigError, "key must have 1 to 255"),
        (lambda m: m.send("r", "e", None, None, ""), ConfigError, "by must have 1 to 255"),
        (lambda m: m.outgoing("r", "", None, None, None), ConfigError, "event must have"),
        (
            lambda m: m.first(["e", None], None),
            ConfigTypeError,
            "send must be a pair of an event and",
        ),
        (lambda m: m.first(("e",), None), ConfigTypeError, "send must be a pair of an event and"),
        (lambda m: m.first((7, None), None), ConfigTypeError, "event must be a str"),
        (lambda m: m.approve(7, "t", "a", None, None, None), ConfigTypeError, "run_id must be"),
        (lambda m: m.approve("r", "", "a", None, None, None), ConfigError, "task_id must have"),
        (lambda m: m.approve("r", "t", 7, None, None, None), ConfigTypeError, "choice must be a"),
        (lambda m: m.approve("r", "t", "a", {1}, None, None), ContextTypeError, "data: set has"),
        (lambda m: m.approve("r", "t", "a", None, "", None), ConfigError, "note must have 1 to"),
        (lambda m: m.approve("r", "t", "a", None, None, 7), ConfigTypeError, "by must be a str"),
        (
            lambda m: m.approve("r", "t", "a", "x" * 1023, None, None),
            ContextValueError,
            "data is 1025 bytes long; max_context_bytes is 1024",
        ),
        (lambda m: m.waiting_for_people(None, 0), ConfigError, "limit must be 1 to"),
        (lambda m: m.waiting_for_people(7, 1), TypeError, "workflow_name"),
    ],
)
def test_a_wrong_argument_is_refused_before_anything_is_sent(
    messages: MessageCalls,
    refused: Callable[[MessageCalls], Call[Any]],
    kind: type[Exception],
    message: str,
) -> None:
    with pytest.raises(kind, match=message) as caught:
        refused(messages)
    assert isinstance(caught.value, CloacaError)


# -- the first of a run --------------------------------------------------------------------------


def test_a_run_begins_with_a_message(
    host: EngineHost, runs: RunCalls, messages: MessageCalls
) -> None:
    run_id, created = runs.submit("flow", None, None, None, send=("paid", {"amount": 7})).wait()

    (message,) = sent(host, run_id)
    assert (created, message.number, message.name) == (True, 1, "paid")
    assert message.payload == '{"amount":7}'


def test_a_run_that_has_the_key_gets_it_each_time(
    host: EngineHost, runs: RunCalls, messages: MessageCalls
) -> None:
    runs.steering.pause_workflow("flow", None, None, None).wait()
    made = [
        runs.submit("flow", None, "k", None, send=("paid", number)).wait() for number in range(3)
    ]

    assert [created for _, created in made] == [True, False, False]
    (run_id,) = {run_id for run_id, _ in made}
    found = [(message.number, message.payload) for message in sent(host, run_id)]
    assert found == [(1, "0"), (2, "1"), (3, "2")]


def test_if_that_has_ended_it_is_told_unless_it_begins_again(
    host: EngineHost, runs: RunCalls, messages: MessageCalls
) -> None:
    runs.steering.pause_workflow("flow", None, None, None).wait()
    run_id, _ = runs.submit("flow", None, "k", None).wait()
    runs.steering.cancel(run_id, None, None, True, None).wait()

    with pytest.raises(RunEndedError):
        runs.submit("flow", None, "k", None, send=("paid", 1)).wait()
    again = runs.submit("flow", None, "k", None, None, failed_policy="retry", send=("paid", 2))

    assert again.wait() == (run_id, False)
    assert [message.payload for message in sent(host, run_id)] == ["2"]


# -- decisions -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "stored"),
    [
        (Payment(7), {"amount": 7, "mode": "usual"}),
        (Model(), {"amount": 7, "mode": "json"}),
        ({"amount": 7}, {"amount": 7}),
    ],
)
def test_a_decision_is_sent_with_its_data_as_json(
    host: EngineHost,
    messages: MessageCalls,
    runs: RunCalls,
    asking: str,
    data: object,
    stored: dict[str, object],
) -> None:
    answer = messages.approve(asking, "signed", "approve", data, "in time", "ann").wait()

    assert answer.changed
    assert runs.result(asking, WAIT).wait().status == "Completed"
    (message,) = sent(host, asking)
    assert (message.kind, message.name, message.taken_by) == (APPROVAL, "signed", "signed")
    told = json.loads(message.payload)
    assert told.pop("at").endswith("+00:00")
    assert told == {"choice": "approve", "by": "ann", "note": "in time", "data": stored}


def test_another_decision_than_is_asked_for_is_refused(messages: MessageCalls, asking: str) -> None:
    with pytest.raises(ConfigError, match="choice must be one of 'approve', 'reject'"):
        messages.approve(asking, "signed", "perhaps", None, None, None).wait()
    with pytest.raises(ConfigError, match=r"data\.amount must be an integer, not a text"):
        messages.approve(asking, "signed", "approve", {"amount": "7"}, None, None).wait()
    assert messages.approve(asking, "signed", "reject", None, None, None).wait().changed


def test_a_decision_that_is_not_open_is_refused(
    messages: MessageCalls, pending: str, ended: str
) -> None:
    def approve(run_id: str, task_id: str = "first") -> None:
        messages.approve(run_id, task_id, "approve", None, None, None).wait()

    with pytest.raises(RunStateError, match="waits for no decision"):
        approve(pending)
    with pytest.raises(TaskNotFoundError, match="of flow has no task 'fiirst'"):
        approve(pending, "fiirst")
    with pytest.raises(RunEndedError):
        approve(ended)
    with pytest.raises(RunNotFoundError):
        approve("other")


def test_of_two_decisions_one_counts(
    messages: MessageCalls, runs: RunCalls, own_registry: Registry
) -> None:
    with WorkflowBuilder("twice", registry=own_registry):
        approval("a", "?")
        approval("b", "?")
    run_id, _ = runs.submit("twice", None, None, None).wait()
    while len(messages.waiting_for_people("twice", 9).wait()) < 2:
        threading.Event().wait(0.001)
    messages.approve(run_id, "a", "reject", None, None, "ann").wait()

    with pytest.raises(AlreadyDecidedError) as caught:
        messages.approve(run_id, "a", "approve", None, None, "bob").wait()

    assert (caught.value.run_id, caught.value.task_id, caught.value.by) == (run_id, "a", "ann")
    assert (caught.value.at or "").endswith("+00:00")


def test_open_approvals_are_listed_by_workflow(messages: MessageCalls, asking: str) -> None:
    (found,) = messages.waiting_for_people("signing", 9).wait()

    assert (found.run_id, found.workflow_name, found.task_id) == (asking, "signing", "signed")
    assert (found.prompt, found.choices, found.tags) == (
        "Pay?",
        ("approve", "reject"),
        {"customer": "7"},
    )
    assert found.schema is not None
    assert found.schema["required"] == ["amount"]
    assert messages.waiting_for_people("public::embedded::signing", 9).wait() == [found]
    assert messages.waiting_for_people("flow", 9).wait() == []
    messages.approve(asking, "signed", "reject", None, None, None).wait()
    assert messages.waiting_for_people(None, 9).wait() == []
