"""Calls that send: checked when they are made, and answered with the state of the run."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from typing import Any

import pytest
from model.operations import Do, wrong
from tables import each_row

from cloaca_core.assembly.caller import Caller, Operation
from cloaca_core.assembly.engine import Engine
from cloaca_core.assembly.host import EngineHost
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
from cloaca_core.features.steering.operations import Cancel, PauseWorkflow
from cloaca_core.features.steering.results import Steered
from cloaca_core.features.waits import messages as engine_messages
from cloaca_core.features.waits.operations import Approve, Send, WaitingForPeople
from cloaca_core.operations.runs import End, Result
from cloaca_core.operations.submissions import Submit
from cloaca_core.store.messages import MessageRow
from cloaca_core.values.waits import APPROVAL, EVENT

WAIT = 60


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


@pytest.fixture(autouse=True)
def workflows(own_registry: Registry) -> None:
    """The workflows ``signing``, with an approval, and ``plain``."""
    with WorkflowBuilder("signing", registry=own_registry):
        approval("signed", "Pay?", schema=Payment)
    with WorkflowBuilder("plain", registry=own_registry):
        task(id="t")(lambda context: None)


@pytest.fixture
def pending(do: Do) -> str:
    """A run of ``flow`` that does not begin."""
    do(PauseWorkflow("flow"))
    run_id, _ = do(Submit("flow"))
    return run_id


@pytest.fixture
def ended(do: Do) -> str:
    run_id, _ = do(Submit("plain"))
    return do(End(run_id, WAIT))


@pytest.fixture
def asking(do: Do) -> str:
    """A run of ``signing`` whose approval is open."""
    run_id, _ = do(Submit("signing", tags={"customer": "7"}))
    while not do(WaitingForPeople(None, 1)):
        threading.Event().wait(0.001)
    return run_id


def sent(host: EngineHost, run_id: str) -> list[MessageRow]:
    async def ask(engine: Engine) -> list[MessageRow]:
        return await engine.store.sent(run_id, 10)

    return host.send(ask).result(WAIT)


# -- events --------------------------------------------------------------------------------------


def test_a_message_has_what_its_sender_says(do: Do, host: EngineHost, pending: str) -> None:
    answer = do(Send(pending, "paid", {"b": (1, None)}, "k", "ann"))

    assert answer == Steered("Pending", changed=True)
    (message,) = sent(host, pending)
    assert (message.number, message.kind, message.name) == (1, EVENT, "paid")
    assert (message.payload, message.dedupe_key, message.sent_by) == ('{"b":[1,null]}', "k", "ann")
    assert len(message.id) == 36


def test_without_a_name_the_user_of_the_program_has_sent_it(
    do: Do, host: EngineHost, pending: str
) -> None:
    do(Send(pending, "paid"))
    (message,) = sent(host, pending)
    assert message.sent_by is not None
    assert "@" in message.sent_by


def test_a_second_one_with_its_key_is_not_sent_even_after_the_end(
    do: Do, caller: Caller, host: EngineHost, pending: str
) -> None:
    assert do(Send(pending, "paid", 1, "k")).changed
    again = Send(pending, "paid", 2, "k").call(caller)
    assert again.wait() == Steered("Pending", changed=False)
    assert do(Send(pending, "other", 2, "k")).changed
    do(Cancel(pending))

    late = do(Send(pending, "paid", 3, "k"))

    assert late == Steered("Cancelled", changed=False)
    assert [message.payload for message in sent(host, pending)] == ["1", "2"]


def test_a_run_that_takes_none_is_told(
    do: Do, pending: str, ended: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(RunEndedError, match="is Completed: only a run that has not ended"):
        do(Send(ended, "paid"))
    with pytest.raises(RunNotFoundError, match="no run with id 'other'"):
        do(Send("other", "paid"))

    monkeypatch.setattr(engine_messages, "MOST_UNREAD", 1)
    do(Send(pending, "paid"))
    with pytest.raises(MailboxFullError) as caught:
        do(Send(pending, "paid"))
    assert caught.value.run_id == pending


@each_row(
    ("refused", "kind", "message"),
    [
        (wrong(Send, 7, "e"), ConfigTypeError, "run_id must be a str"),
        (wrong(Send, "\0", "e"), RunNotFoundError, "no run with id"),
        (wrong(Send, "r", 7), ConfigTypeError, "event must be a str"),
        (wrong(Send, "r", ""), ConfigError, "event must have 1 to 255"),
        (wrong(Send, "r", "e", {"a": {1}}), ContextTypeError, r"payload\.a: set"),
        (wrong(Send, "r", "e", float("nan")), ContextValueError, "payload: nan"),
        (
            wrong(Send, "r", "e", "x" * 1023),
            ContextValueError,
            "payload is 1025 bytes long; max_context_bytes is 1024",
        ),
        (wrong(Send, "r", "e", key="k" * 256), ConfigError, "key must have 1 to 255"),
        (wrong(Send, "r", "e", by=""), ConfigError, "by must have 1 to 255"),
        (wrong(Submit, "flow", send=["e", 1]), ConfigTypeError, "send must be a pair of an event"),
        (wrong(Submit, "flow", send=("e",)), ConfigTypeError, "send must be a pair of an event"),
        (wrong(Submit, "flow", send=(7, None)), ConfigTypeError, "event must be a str"),
        (wrong(Approve, 7, "t", "a"), ConfigTypeError, "run_id must be"),
        (wrong(Approve, "r", "", "a"), ConfigError, "task_id must have"),
        (wrong(Approve, "r", "t", 7), ConfigTypeError, "choice must be a"),
        (wrong(Approve, "r", "t", "a", {1}), ContextTypeError, "data: set has"),
        (wrong(Approve, "r", "t", "a", note=""), ConfigError, "note must have 1 to"),
        (wrong(Approve, "r", "t", "a", by=7), ConfigTypeError, "by must be a str"),
        (
            wrong(Approve, "r", "t", "a", "x" * 1023),
            ContextValueError,
            "data is 1025 bytes long; max_context_bytes is 1024",
        ),
        (wrong(WaitingForPeople, None, 0), ConfigError, "limit must be 1 to"),
        (
            wrong(Send, "r", "e", None, None, None, 7),
            ConfigTypeError,
            "item must be a pair of a map and an index or label, or a name such as",
        ),
        (
            wrong(Approve, "r", "t", "a", None, None, None, ("t", True)),
            ConfigTypeError,
            "an item must be an index or a label, not bool",
        ),
        (wrong(WaitingForPeople, 7, 1), TypeError, "workflow_name"),
    ],
)
def test_a_wrong_argument_is_refused_before_anything_is_sent(
    caller: Caller, refused: Operation[Any], kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message) as caught:
        refused.call(caller)
    assert isinstance(caught.value, CloacaError)


def test_so_is_an_event_that_its_sender_writes(caller: Caller) -> None:
    with pytest.raises(ConfigError, match="event must have 1 to 255"):
        Send("r", "").outgoing(caller)


def test_an_event_that_its_sender_writes_is_for_an_item_by_its_index(caller: Caller) -> None:
    _, message = Send("r", "paid", item=("each", 2)).outgoing(caller)
    assert (message.for_task, message.for_item) == ("each", 2)
    assert message.reason == "paid for each[2]"
    for item in (("each", "north"), "each[2]", ("each", -1)):
        with pytest.raises(ConfigError, match="a pair of its map and its index"):
            Send("r", "paid", item=item).outgoing(caller)


# -- the first of a run --------------------------------------------------------------------------


def test_a_run_begins_with_a_message(do: Do, host: EngineHost) -> None:
    run_id, created = do(Submit("flow", send=("paid", {"amount": 7})))

    (message,) = sent(host, run_id)
    assert (created, message.number, message.name) == (True, 1, "paid")
    assert message.payload == '{"amount":7}'


def test_a_run_that_has_the_key_gets_it_each_time(do: Do, host: EngineHost) -> None:
    do(PauseWorkflow("flow"))
    made = [do(Submit("flow", idempotency_key="k", send=("paid", number))) for number in range(3)]

    assert [created for _, created in made] == [True, False, False]
    (run_id,) = {run_id for run_id, _ in made}
    found = [(message.number, message.payload) for message in sent(host, run_id)]
    assert found == [(1, "0"), (2, "1"), (3, "2")]


def test_if_that_has_ended_it_is_told_unless_it_begins_again(
    do: Do, caller: Caller, host: EngineHost
) -> None:
    do(PauseWorkflow("flow"))
    run_id, _ = do(Submit("flow", idempotency_key="k"))
    do(Cancel(run_id))

    with pytest.raises(RunEndedError):
        do(Submit("flow", idempotency_key="k", send=("paid", 1)))
    again = Submit("flow", idempotency_key="k", failed_policy="retry", send=("paid", 2)).call(
        caller
    )

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
    do: Do, host: EngineHost, asking: str, data: object, stored: dict[str, object]
) -> None:
    answer = do(Approve(asking, "signed", data=data, note="in time", by="ann"))

    assert answer.changed
    assert do(Result(asking, WAIT)).status == "Completed"
    (message,) = sent(host, asking)
    assert (message.kind, message.name, message.taken_by) == (APPROVAL, "signed", "signed")
    told = json.loads(message.payload)
    assert told.pop("at").endswith("+00:00")
    assert told == {"choice": "approve", "by": "ann", "note": "in time", "data": stored}


def test_another_decision_than_is_asked_for_is_refused(do: Do, asking: str) -> None:
    with pytest.raises(ConfigError, match="choice must be one of 'approve', 'reject'"):
        do(Approve(asking, "signed", "perhaps"))
    with pytest.raises(ConfigError, match=r"data\.amount must be an integer, not a text"):
        do(Approve(asking, "signed", data={"amount": "7"}))
    assert do(Approve(asking, "signed", "reject")).changed


def test_a_decision_that_is_not_open_is_refused(do: Do, pending: str, ended: str) -> None:
    def approve(run_id: str, task_id: str = "first") -> None:
        do(Approve(run_id, task_id))

    with pytest.raises(RunStateError, match="waits for no decision"):
        approve(pending)
    with pytest.raises(TaskNotFoundError, match="of flow has no task 'fiirst'"):
        approve(pending, "fiirst")
    with pytest.raises(RunEndedError):
        approve(ended)
    with pytest.raises(RunNotFoundError):
        approve("other")


def test_of_two_decisions_one_counts(do: Do, own_registry: Registry) -> None:
    with WorkflowBuilder("twice", registry=own_registry):
        approval("a", "?")
        approval("b", "?")
    run_id, _ = do(Submit("twice"))
    while len(do(WaitingForPeople("twice", 9))) < 2:
        threading.Event().wait(0.001)
    do(Approve(run_id, "a", "reject", by="ann"))

    with pytest.raises(AlreadyDecidedError) as caught:
        do(Approve(run_id, "a", by="bob"))

    assert (caught.value.run_id, caught.value.task_id, caught.value.by) == (run_id, "a", "ann")
    assert (caught.value.at or "").endswith("+00:00")


def test_open_approvals_are_listed_by_workflow(do: Do, asking: str) -> None:
    (found,) = do(WaitingForPeople("signing", 9))

    assert (found.run_id, found.workflow_name, found.task_id) == (asking, "signing", "signed")
    assert (found.prompt, found.choices, found.tags) == (
        "Pay?",
        ("approve", "reject"),
        {"customer": "7"},
    )
    assert found.schema is not None
    assert found.schema["required"] == ["amount"]
    assert do(WaitingForPeople("public::embedded::signing", 9)) == [found]
    assert do(WaitingForPeople("flow", 9)) == []
    do(Approve(asking, "signed", "reject"))
    assert do(WaitingForPeople(None, 9)) == []
