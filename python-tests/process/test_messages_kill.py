"""Senders and readers are killed; each message is read once, in its order, and none is lost."""

from __future__ import annotations

import signal

import pytest

from process.fleet import Fleet

BOTH = {"first": "a", "second": "b"}
TAKEN = "SELECT number, payload, taken_by FROM cloaca_message ORDER BY number"
READ = [(1, '"a"', "first"), (2, '"b"', "second")]


@pytest.mark.parametrize(
    ("point", "is_new"), [("send.before_commit", True), ("send.after_commit", False)]
)
def test_a_sender_that_died_sends_again_with_the_key(
    fleet: Fleet, point: str, is_new: bool
) -> None:
    reader = fleet.start()
    run_id = reader.submit("mailed")
    victim = fleet.start(fault=point)
    victim.tell("send", run_id, "a")
    assert victim.exit_code() == -signal.SIGKILL

    sender = fleet.start()
    answers = [sender.send(run_id, payload) for payload in "aab"]

    assert answers == [is_new, False, True]
    assert reader.result(run_id) == ("Completed", BOTH)
    assert fleet.query(TAKEN) == READ


@pytest.mark.parametrize("count", [1, 2, 3, 4])
@pytest.mark.parametrize("point", ["journal.before_commit", "journal.after_commit"])
def test_a_message_is_read_once_although_its_reader_dies_at(
    fleet: Fleet, point: str, count: int
) -> None:
    """The commits are those that read the messages and wait anew, or that let the run go."""
    sender = fleet.start()
    sender.tell("stop")
    sender.hear("stopped")
    run_id = sender.submit("mailed")
    victim = fleet.launch(fault=f"{point}:{count}")
    assert [sender.send(run_id, payload) for payload in "ab"] == [True, True]
    victim.exit_code()

    rescuer = fleet.start()

    assert rescuer.result(run_id) == ("Completed", BOTH)
    assert fleet.query(TAKEN) == READ
    assert not any(sender.send(run_id, payload) for payload in "ab")
