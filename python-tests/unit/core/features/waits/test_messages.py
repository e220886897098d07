"""A message reaches its run, or its sender hears why not."""

from __future__ import annotations

from collections.abc import Collection

import pytest
from model.memory_store import MemoryStore
from tables import each_row

from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.registry import Registry
from cloaca_core.definition.task import task
from cloaca_core.engine.observe.run_reader import RunReader
from cloaca_core.engine.orchestrate.active_runs import ActiveRuns
from cloaca_core.engine.subjects import Subjects
from cloaca_core.errors import (
    AlreadyDecidedError,
    CloacaError,
    ConfigError,
    MailboxFullError,
    RunEndedError,
    RunNotFoundError,
    RunStateError,
    TaskNotFoundError,
)
from cloaca_core.features.definitions.recorded_definitions import RecordedDefinitions
from cloaca_core.features.maps.records import MapRow
from cloaca_core.features.waits.decisions import Decision
from cloaca_core.features.waits.messages import MOST_UNREAD, Messages
from cloaca_core.features.waits.records import OpenApprovalRow, WaitRow
from cloaca_core.run.rows import AttemptRow
from cloaca_core.store.messages import MessageRow, NewMessage, Sent
from cloaca_core.values.ids import RunIds
from cloaca_core.values.times.clock import SYSTEM_CLOCK
from cloaca_core.values.times.instants import instant_text
from cloaca_core.values.waits import APPROVAL, EVENT
from cloaca_testing.conformance.commits import record, submit
from cloaca_testing.conformance.rows import LATER, NOW, attempt, new_run, runner

EVENT_TO_R = NewMessage("m", "r", EVENT, "paid", "7", None, "ann", NOW)
APPROVE = Decision("signed", "approve", "ann", None, None)
WAIT = WaitRow(
    "r", "signed", APPROVAL, "signed", 0, 1, "", NOW, LATER, '{"choices":["approve","reject"]}'
)
MAP = MapRow("r", "each", 1, 1, "v", 3, "d", 1, '["east","north","south"]', None)
PAYLOAD = '{"choice":"reject","by":"bob","at":"2026-01-02T03:04:05+00:00"}'
OF_FIRST = MessageRow("r", 2, "m", APPROVAL, "signed", PAYLOAD, None, "bob", NOW, None, "each", 0)
"""The unread decision of the first item of a map."""


class Post(MemoryStore):
    """Takes what is sent to it, and answers as the test says."""

    def __init__(self) -> None:
        super().__init__()
        self.answer: Sent | None = Sent("Waiting", 1, changed=True)
        self.first_answer: Sent | None = None
        self.open: list[WaitRow] = []
        self.unread: list[MessageRow] = []
        self.read: list[MessageRow] = []
        self.taken: list[NewMessage] = []

    async def send(self, message: NewMessage, most: int) -> Sent | None:
        assert most == MOST_UNREAD
        self.taken.append(message)
        answer, self.first_answer = self.first_answer or self.answer, None
        return answer

    async def waits(self, run_ids: Collection[str]) -> list[WaitRow]:
        return [wait for wait in self.open if wait.run_id in run_ids]

    async def messages(self, run_ids: Collection[str], after: int = 0) -> list[MessageRow]:
        unread = [message for message in self.unread if message.run_id in run_ids]
        return [message for message in unread if message.number > after]

    async def sent(self, run_id: str, limit: int) -> list[MessageRow]:
        return [each for each in self.read if each.run_id == run_id][:limit]

    async def open_approvals(
        self, limit: int, workflow: str | None = None
    ) -> list[OpenApprovalRow]:
        return [
            OpenApprovalRow("r", str(workflow), "t", "t", NOW, None, "{}", "Waiting", "{}")
        ] * limit


class Desk:
    """The messages of a store that has one run ``r``, and those that it was told of."""

    def __init__(self) -> None:
        self.store = Post()
        self.registry = Registry()
        definitions = RecordedDefinitions(self.store, self.registry)
        reader = RunReader(self.store, ActiveRuns(), definitions.of_run)
        self.came: list[tuple[NewMessage, int]] = []
        self.is_here = False
        self.claimable = 0
        subjects = Subjects()
        subjects.claimable.subscribe(self._count)
        ids = RunIds(SYSTEM_CLOCK)
        self.messages = Messages(self.store, reader, ids, self._tell, subjects)

    def _count(self) -> None:
        self.claimable += 1

    def _tell(self, message: NewMessage, number: int) -> bool:
        self.came.append((message, number))
        return self.is_here

    async def record(self, *attempts: AttemptRow) -> None:
        await record(self.store, attempts)

    async def refused(self, decision: Decision = APPROVE, run_id: str = "r") -> CloacaError:
        """The error for a decision, which is not sent."""
        with pytest.raises(CloacaError) as caught:
            await self.messages.decide(run_id, decision)
        assert (self.store.taken, self.came) == ([], [])
        return caught.value


@pytest.fixture
async def desk() -> Desk:
    desk = Desk()
    await desk.store.register(runner("r1"))
    await submit(desk.store, new_run("r"))
    return desk


# -- events --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("changed", "came"), [(True, [(EVENT_TO_R, 3)]), (False, [])])
async def test_who_has_the_run_gets_a_new_message_before_the_sender_goes_on(
    desk: Desk, changed: bool, came: list[tuple[NewMessage, int]]
) -> None:
    desk.store.answer = Sent("Waiting", 3, changed)

    assert await desk.messages.send(EVENT_TO_R) == Sent("Waiting", 3, changed)
    assert (desk.store.taken, desk.came, desk.claimable) == ([EVENT_TO_R], came, 1)


@pytest.mark.parametrize(("changed", "claimable"), [(True, 0), (False, 1)])
async def test_a_new_message_that_its_run_here_has_heard_of_makes_no_run_claimable(
    desk: Desk, changed: bool, claimable: int
) -> None:
    """One that was sent before may have been cut off from its wake-up."""
    desk.is_here, desk.store.answer = True, Sent("Waiting", 3, changed)

    await desk.messages.send(EVENT_TO_R)

    assert desk.claimable == claimable


@pytest.mark.parametrize("item", [("each", 2), ("each", "south"), "each[south]"])
async def test_an_event_for_an_item_names_it(desk: Desk, item: tuple[str, int | str] | str) -> None:
    desk.store.opened_maps["r", "each"] = MAP

    await desk.messages.send(EVENT_TO_R, item)

    (message,) = desk.store.taken
    assert (message.for_task, message.for_item) == ("each", 2)
    assert message.reason == "paid for each[south]"


@each_row(
    ("run_id", "item", "kind", "text"),
    [
        ("r", ("each", 3), TaskNotFoundError, "map each of run r has no item 3; it has 3"),
        ("r", ("each", "up"), TaskNotFoundError, "map each of run r has no item 'up'; it has 3"),
        ("r", ("other", 0), TaskNotFoundError, "run r has started no map 'other'"),
        ("r", "each", TaskNotFoundError, "run r has started no map with an item 'each'"),
        ("x", ("each", 0), RunNotFoundError, "no run with id 'x'"),
    ],
)
async def test_an_item_that_the_run_lacks_is_refused(
    desk: Desk, run_id: str, item: tuple[str, int | str] | str, kind: type[Exception], text: str
) -> None:
    desk.store.opened_maps["r", "each"] = MAP

    with pytest.raises(kind) as sent:
        await desk.messages.send(EVENT_TO_R._replace(run_id=run_id), item)
    with pytest.raises(kind) as decided:
        await desk.messages.decide(run_id, APPROVE, item)

    assert str(sent.value) == str(decided.value) == text
    assert desk.store.taken == []


@each_row(
    ("answer", "kind", "message"),
    [
        (None, RunNotFoundError, "no run with id 'r'"),
        (
            Sent("Failed", None, changed=False, refusal="ended"),
            RunEndedError,
            "run r is Failed: only a run that has not ended takes messages",
        ),
        (
            Sent("Running", None, changed=False, refusal="full"),
            MailboxFullError,
            "run r has 10,000 unread messages: it takes no more before it has read some",
        ),
    ],
)
async def test_a_run_that_takes_no_message_is_told_with_the_reason(
    desk: Desk, answer: Sent | None, kind: type[CloacaError], message: str
) -> None:
    desk.store.answer = answer

    with pytest.raises(kind) as caught:
        await desk.messages.send(EVENT_TO_R)

    assert str(caught.value) == message
    assert desk.came == []
    if isinstance(caught.value, RunEndedError):
        assert caught.value.accepted == ("Pending", "Running", "Waiting", "Paused", "Cancelling")
    if isinstance(caught.value, MailboxFullError):
        assert (caught.value.run_id, caught.value.limit) == ("r", 10_000)


# -- decisions -----------------------------------------------------------------------------------


async def test_of_two_questions_of_a_body_by_one_name_the_open_one_is_decided(desk: Desk) -> None:
    over = WAIT._replace(task_id="t", number=1, timed_out=1, detail='{"choices":["no"]}')
    desk.store.open = [over, WAIT._replace(task_id="t", number=2)]

    await desk.messages.decide("r", APPROVE)

    assert [each.name for each in desk.store.taken] == ["signed"]


async def test_of_two_questions_by_one_name_the_decided_one_is_told_and_not_the_late_one(
    desk: Desk,
) -> None:
    late = WAIT._replace(task_id="t", number=1, timed_out=1)
    desk.store.open = [late, WAIT._replace(task_id="t", number=2)]
    desk.store.unread = [OF_FIRST._replace(for_task="t", for_item=WAIT.item)]
    desk.store.answer = Sent("Waiting", None, changed=False, refusal="decided")

    with pytest.raises(AlreadyDecidedError) as caught:
        await desk.messages.decide("r", APPROVE)

    assert caught.value.by == "bob"


async def test_a_decision_that_a_body_has_taken_is_told(desk: Desk) -> None:
    """That of a node is told by its record alone: it may be asked again."""
    row = MessageRow("r", 1, "m", APPROVAL, "signed", PAYLOAD, None, "bob", NOW, "t")
    desk.store.read = [row]
    error = await desk.refused()
    assert isinstance(error, AlreadyDecidedError)
    assert error.by == "bob"

    desk.store.read = [row._replace(taken_by="signed")]
    assert type(await desk.refused()) is RunStateError


async def test_a_decision_is_sent_once_its_approval_is_open(desk: Desk) -> None:
    other = WAIT._replace(task_id="other", name="other", detail="{}")
    event = WAIT._replace(kind=EVENT, detail="{}")
    desk.store.open = [other, event, WAIT]

    await desk.messages.decide("r", APPROVE)

    (message,) = desk.store.taken
    assert (message.run_id, message.kind, message.name, message.sent_by) == (
        "r",
        APPROVAL,
        "signed",
        "ann",
    )
    assert len(message.id) == 36
    assert f'"at":"{instant_text(message.sent_at)}"' in message.payload
    assert desk.came == [(message, 1)]


async def test_a_decision_about_an_item_is_judged_by_what_that_asks(desk: Desk) -> None:
    desk.store.opened_maps["r", "each"] = MAP
    asked = WAIT._replace(task_id="each", number=1)
    desk.store.open = [asked._replace(item=0), asked._replace(item=2, detail='{"choices":["go"]}')]

    await desk.messages.decide("r", APPROVE._replace(choice="go"), ("each", "south"))

    (message,) = desk.store.taken
    assert (message.for_task, message.for_item) == ("each", 2)
    assert message.reason == "signed: go, for each[south]"
    with pytest.raises(ConfigError):
        await desk.messages.decide("r", APPROVE._replace(choice="go"), ("each", 0))
    with pytest.raises(RunStateError) as caught:
        await desk.messages.decide("r", APPROVE, ("each", 1))
    text = "'signed' of each[north] of run r, which is Running, waits for no decision"
    assert str(caught.value) == text


async def test_without_an_item_the_first_that_is_not_decided_gets_the_decision(desk: Desk) -> None:
    """The decision of the first has been sent, and its run has not read it. That of the second is
    sent meanwhile.
    """
    asked = WAIT._replace(task_id="each", number=1)
    desk.store.open = [asked._replace(item=item) for item in range(3)]
    desk.store.unread = [OF_FIRST]
    desk.store.first_answer = Sent("Running", None, changed=False, refusal="decided")

    await desk.messages.decide("r", APPROVE)

    assert [(each.for_task, each.for_item) for each in desk.store.taken] == [
        ("each", 1),
        ("each", 2),
    ]
    assert [message.for_item for message, _ in desk.came] == [2]


async def test_without_an_item_it_is_judged_by_what_the_first_undecided_asks(desk: Desk) -> None:
    asked = WAIT._replace(task_id="each", number=1)
    desk.store.open = [asked._replace(item=0), asked._replace(item=1, detail='{"choices":["go"]}')]
    desk.store.unread = [OF_FIRST]

    assert isinstance(await desk.refused(), ConfigError)
    await desk.messages.decide("r", APPROVE._replace(choice="go"))

    assert [message.for_item for message, _ in desk.came] == [1]


async def test_a_second_decision_about_an_item_hears_of_the_first(desk: Desk) -> None:
    """Its body has taken that, and decisions about other items are others."""
    desk.store.opened_maps["r", "each"] = MAP
    row = MessageRow("r", 1, "m", APPROVAL, "signed", PAYLOAD, None, "bob", NOW, "each", "each", 2)
    other = row._replace(number=2, payload=PAYLOAD.replace("bob", "cid"), for_item=1)
    desk.store.read = [row, other]

    with pytest.raises(AlreadyDecidedError) as caught:
        await desk.messages.decide("r", APPROVE, ("each", 2))

    text = "'signed' of each[south] of run r is decided already, by bob at "
    assert str(caught.value) == f"{text}2026-01-02T03:04:05+00:00"
    desk.store.open = [WAIT._replace(task_id="each", number=1, item=2)]  # as it was found before
    desk.store.answer = Sent("Running", None, changed=False, refusal="not_open")
    with pytest.raises(AlreadyDecidedError):
        await desk.messages.decide("r", APPROVE, ("each", 2))


async def test_one_that_the_approval_does_not_ask_for_is_not_sent(desk: Desk) -> None:
    desk.store.open = [WAIT]
    error = await desk.refused(APPROVE._replace(choice="perhaps"))
    assert isinstance(error, ConfigError)


async def test_one_that_is_wrong_as_well_as_late_is_late(desk: Desk) -> None:
    desk.store.open = [WAIT]
    desk.store.unread = [
        MessageRow("r", 1, "m", APPROVAL, "signed", PAYLOAD, None, "bob", NOW, None, "signed")
    ]
    error = await desk.refused(APPROVE._replace(choice="perhaps"))
    assert isinstance(error, AlreadyDecidedError)


async def test_before_it_is_open_the_state_of_the_run_is_told(desk: Desk) -> None:
    error = await desk.refused()

    assert str(error) == "'signed' of run r, which is Running, waits for no decision"
    assert type(error) is RunStateError
    assert (error.run_id, error.status) == ("r", "Running")
    assert error.accepted == ("Running", "Waiting", "Paused")


async def test_a_run_that_is_not_there_is_told(desk: Desk) -> None:
    assert isinstance(await desk.refused(run_id="other"), RunNotFoundError)


async def test_a_run_that_has_ended_is_told(desk: Desk) -> None:
    desk.store.runs["r"] = desk.store.runs["r"]._replace(status="Completed", ended_at=LATER)
    assert isinstance(await desk.refused(), RunEndedError)


@pytest.mark.parametrize("ended_meanwhile", [False, True])
async def test_a_second_decision_hears_of_the_first_though_the_run_has_ended_since(
    desk: Desk, ended_meanwhile: bool
) -> None:
    await desk.record(attempt("r", "signed")._replace(change=f'{{"set":{{"signed":{PAYLOAD}}}}}'))
    desk.store.runs["r"] = desk.store.runs["r"]._replace(status="Completed", ended_at=LATER)
    if ended_meanwhile:  # it was found open
        desk.store.open = [WAIT]
        desk.store.answer = Sent("Completed", None, changed=False, refusal="ended")

    with pytest.raises(AlreadyDecidedError) as caught:
        await desk.messages.decide("r", APPROVE)

    assert (caught.value.by, caught.value.status) == ("bob", "Completed")


async def test_a_task_that_the_workflow_has_not_is_told_where_that_is_known(desk: Desk) -> None:
    with WorkflowBuilder("flow", registry=desk.registry) as builder:
        task(id="signed")(lambda context: None)
    assert builder.workflow is not None
    workflow, row = builder.workflow, desk.store.runs["r"]
    named = row._replace(workflow=workflow.namespace, version=workflow.version)
    desk.store.runs["r"] = named

    error = await desk.refused(APPROVE._replace(name="signned"))
    assert isinstance(error, TaskNotFoundError)
    told = "no task 'signned', and none of its bodies asks for an approval of that name now"
    assert (str(error), error.task_id) == (f"run r of flow has {told}", "signned")
    assert type(await desk.refused()) is RunStateError


@pytest.mark.parametrize(
    ("row", "by", "at", "message"),
    [
        (
            attempt("r", "signed")._replace(change=f'{{"set":{{"signed":{PAYLOAD}}}}}'),
            "bob",
            "2026-01-02T03:04:05+00:00",
            "'signed' of run r is decided already, by bob at 2026-01-02T03:04:05+00:00",
        ),
        (
            attempt("r", "signed", status="Failed", error="no")._replace(
                error_type="EventTimeoutError"
            ),
            None,
            instant_text(NOW + 5),
            f"the time of 'signed' of run r is over, since {instant_text(NOW + 5)}",
        ),
        (
            attempt("r", "signed", status="Failed", error="no")._replace(
                error_type="ApprovalRejectedError"
            ),
            None,
            instant_text(NOW + 5),
            "'signed' of run r is decided already",
        ),
    ],
)
async def test_of_one_that_has_ended_it_is_told_who_has_decided(
    desk: Desk, row: AttemptRow, by: str | None, at: str, message: str
) -> None:
    await desk.record(row)

    error = await desk.refused()

    assert isinstance(error, AlreadyDecidedError)
    assert (str(error), error.task_id, error.by, error.at) == (message, "signed", by, at)
    assert (error.run_id, error.status, error.accepted) == ("r", "Running", ())


@pytest.mark.parametrize(
    "row",
    [
        attempt("r", "signed"),
        attempt("r", "signed")._replace(change='{"set":{"signed":{"at":"noon"}}}'),
        attempt("r", "signed", status="Failed", error="no"),
        attempt("r", "signed", status="Skipped"),
    ],
)
async def test_a_task_with_a_body_is_never_decided(desk: Desk, row: AttemptRow) -> None:
    await desk.record(row)
    assert type(await desk.refused()) is RunStateError


async def test_one_whose_time_is_over_is_decided_before_its_run_has_heard_of_that(
    desk: Desk,
) -> None:
    desk.store.open = [WAIT._replace(timed_out=1)]

    error = await desk.refused()

    assert isinstance(error, AlreadyDecidedError)
    assert (error.by, error.at) == (None, instant_text(LATER))


async def test_of_two_decisions_the_second_hears_of_the_first(desk: Desk) -> None:
    """Both were found open; the store has refused the second."""
    desk.store.open = [WAIT]
    desk.store.answer = Sent("Waiting", None, changed=False, refusal="decided")
    row = MessageRow("r", 2, "m", APPROVAL, "signed", PAYLOAD, None, "bob", NOW, None)
    desk.store.unread = [row._replace(name="other", payload="{}"), row]

    with pytest.raises(AlreadyDecidedError) as caught:
        await desk.messages.decide("r", APPROVE)

    assert (caught.value.by, caught.value.at) == ("bob", "2026-01-02T03:04:05+00:00")
    assert (caught.value.status, desk.came) == ("Waiting", [])


@pytest.mark.parametrize(
    ("refusal", "kind"), [("decided", AlreadyDecidedError), ("not_open", RunStateError)]
)
async def test_one_that_was_closed_meanwhile_is_told(
    desk: Desk, refusal: str, kind: type[CloacaError]
) -> None:
    desk.store.open = [WAIT]
    desk.store.answer = Sent("Running", None, changed=False, refusal=refusal)

    with pytest.raises(kind) as caught:
        await desk.messages.decide("r", APPROVE)

    assert type(caught.value) is kind
