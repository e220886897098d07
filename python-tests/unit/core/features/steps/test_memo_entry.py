"""A body goes on once its memo is durable, or gets the database's error."""

from __future__ import annotations

from collections.abc import Iterable

from model.runs import active_run, graph_of

from cloaca_core.engine.execute.attempt import Attempt
from cloaca_core.engine.record.entries import Draft
from cloaca_core.engine.record.run_entry import RunEntry
from cloaca_core.errors import StoreDataError, StoreError
from cloaca_core.features.steps.memo_entry import MemoEntry
from cloaca_core.features.steps.records import MEMOS
from cloaca_core.features.steps.steps import Answer
from cloaca_core.run.active_run import ActiveRun
from cloaca_core.store.batch import Committed
from cloaca_testing.conformance.rows import attempt as attempt_row, memo

RUN = active_run(graph_of(t={}))
MEMO = memo("r")
MARK = attempt_row("r", "t", status="Running")
OURS = Committed(frozenset(), {}, frozenset(["r"]))
NOT_OURS = Committed(frozenset(), {}, frozenset())


class Scene:
    """An entry, and what is told of it, in order."""

    def __init__(self) -> None:
        self.heard: list[object] = []
        self.entry = MemoEntry(self, RUN, MEMO, [MARK], self._tell, lambda: None)

    def _tell(self, answer: Answer) -> None:
        self.heard.append(("body", answer))

    def start_reserved(self, attempts: Iterable[Attempt]) -> None:
        raise AssertionError(attempts)

    def messages_sent(self, run: ActiveRun, messages: int) -> None:
        raise AssertionError(run, messages)

    def decided(self, _: ActiveRun, __: Committed) -> None:
        raise AssertionError("no run has limits")

    def call_off(self, entry: RunEntry) -> None:
        self.heard.append(("called off", entry.stop_request))

    def recorded(self, _: RunEntry) -> None:
        self.heard.append("recorded")

    def lost(self, _: RunEntry) -> None:
        self.heard.append("lost")

    def refused(self, entry: RunEntry, error: StoreError) -> None:
        raise AssertionError(entry, error)


def test_it_is_written_with_its_mark_under_the_epoch_of_its_run() -> None:
    draft = Draft()

    Scene().entry.add_to(draft)

    batch = draft.batch("r1")
    assert (batch.of(MEMOS), batch.attempts, batch.fences) == ([MEMO], [MARK], {"r": RUN.epoch})


def test_a_long_value_weighs_more() -> None:
    scene = Scene()
    long = MemoEntry(scene, RUN, MEMO._replace(value=1001 * "1"), [MARK], scene._tell, lambda: None)

    assert long.weight - scene.entry.weight == 1000


def test_the_body_goes_on_where_the_commit_lands() -> None:
    scene = Scene()
    assert scene.entry.on_commit is not None

    scene.entry.on_commit(OURS)

    assert scene.heard == [("body", None)]


def test_the_body_goes_on_even_if_the_store_has_not_called() -> None:
    scene = Scene()

    scene.entry.settled(OURS)

    assert scene.heard[0] == ("body", None)
    assert scene.heard[-1] == "recorded"


def test_a_wish_that_the_commit_has_met_is_told_after_the_body() -> None:
    scene = Scene()

    scene.entry.settled(OURS._replace(stop_requests={"r": "Cancelled"}))

    assert scene.heard == [("body", None), ("called off", "Cancelled"), "recorded"]


def test_a_run_that_is_lost_tells_its_body_nothing() -> None:
    scene = Scene()
    assert scene.entry.on_commit is not None

    scene.entry.on_commit(NOT_OURS)
    scene.entry.settled(NOT_OURS)

    assert scene.heard == ["lost"]


def test_a_value_that_the_database_refuses_is_the_bodys_error() -> None:
    scene, error = Scene(), StoreDataError("not this")

    scene.entry.refused(error)

    assert scene.heard == [("body", error)]
