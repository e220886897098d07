"""Messages meet waits at each point of what the owner of the run is doing, which then goes on, is
killed there, or stands still until another process has taken its runs over.

Each message is read once, in its order, or refused; the run ends as it does without that.
"""

from __future__ import annotations

import signal
from typing import Any

import pytest

from process.fleet import Fleet, Worker

SHORT = 0.6
"""Seconds of a lease that is to be lost."""
STEPS = ["s0", "s1", "s2", "s3"]
TRAIL = ["s0", "a", "s1", "b", "s2", "s3"]
BODIES = pytest.mark.parametrize("name", ["waiting", "waiting-async"])
FATES = pytest.mark.parametrize("fate", ["goes on", "is killed", "stands still"])
STAYING = pytest.mark.parametrize("evict", [0, 10], ids=["leaving", "staying"])
COMMITS = ["journal.before_commit", "journal.after_commit"]


def owner_at(fleet: Fleet, point: str, name: str, **settings: Any) -> tuple[Worker, str]:
    """A worker that stands at a point of a run that it has submitted, and the run."""
    owner = fleet.start(stop=point, lease_seconds=SHORT, **settings)
    owner.tell("submit", name)
    owner.await_stop()
    ((run_id,),) = fleet.query("SELECT id FROM cloaca_run")
    return owner, run_id


def meet(owner: Worker, fate: str) -> None:
    if fate == "goes on":
        owner.signal(signal.SIGCONT)
    elif fate == "is killed":
        owner.kill()


def is_over(fleet: Fleet, run_id: str) -> None:
    """Nothing is open, and what was read was read once, in its order."""
    assert fleet.query("SELECT 1 FROM cloaca_wait WHERE run_id = ?", run_id) == []
    taken = fleet.query(
        "SELECT number FROM cloaca_message WHERE run_id = ? AND taken_by IS NOT NULL"
        " ORDER BY number",
        run_id,
    )
    assert [number for (number,) in taken] == list(range(1, len(taken) + 1))


def ends(fleet: Fleet, owner: Worker, fate: str) -> None:
    """An owner that lives on has come to terms with what others have done."""
    if fate != "is killed":
        owner.signal(signal.SIGCONT)
        assert owner.end() == (0, "")


# -- a message against time, against the way to the table, against a claim, against the end --------


@FATES
@pytest.mark.parametrize(
    ("point", "count"), [("wait.after_open", 1), *((point, 3) for point in COMMITS)]
)
def test_a_message_against_a_timeout(fleet: Fleet, point: str, count: int, fate: str) -> None:
    """The wait gets it, or the next one does."""
    other = fleet.start(lease_seconds=SHORT)
    owner, run_id = owner_at(fleet, f"{point}:{count}", "impatient")
    assert other.send(run_id, "a")
    meet(owner, fate)
    second = other.try_to_send(run_id, "b")

    status, context = other.result(run_id)

    assert status == "Completed"
    assert context in ({"first": "a", "second": "b"}, {"first": "late", "second": "a"})
    assert second in ("True", "RunEndedError")
    ends(fleet, owner, fate)
    is_over(fleet, run_id)


@FATES
@pytest.mark.parametrize(
    ("point", "name"),
    [
        ("wait.after_open", "mailed"),
        ("wait.after_open", "waiting"),
        ("body.left", "waiting"),
        ("body.left", "waiting-async"),
        ("run.after_park", "mailed"),
        ("run.after_park", "waiting-async"),
    ],
)
def test_a_message_against_the_way_out_of_memory(
    fleet: Fleet, point: str, name: str, fate: str
) -> None:
    other = fleet.start(lease_seconds=SHORT)
    owner, run_id = owner_at(fleet, f"{point}:1", name, evict_after_seconds=0)
    assert other.send(run_id, "a")
    meet(owner, fate)
    assert other.send(run_id, "b")

    status, context = other.result(run_id)

    assert status == "Completed"
    assert context == ({"first": "a", "second": "b"} if name == "mailed" else {"trail": TRAIL})
    ends(fleet, owner, fate)
    is_over(fleet, run_id)


@FATES
@pytest.mark.parametrize("name", ["mailed", "waiting"])
def test_a_message_against_a_claim(fleet: Fleet, name: str, fate: str) -> None:
    """The run is claimed because of one message, and its owner has not heard of the other."""
    other = fleet.start(lease_seconds=SHORT, evict_after_seconds=0)
    run_id = other.submit(name)
    while not fleet.query("SELECT 1 FROM cloaca_run WHERE status = 'Waiting'"):
        continue
    other.tell("stop")
    other.hear("stopped")
    assert other.send(run_id, "a")
    owner = fleet.launch(stop="claim.after_commit:1", lease_seconds=SHORT, evict_after_seconds=0)
    owner.await_stop()
    assert other.send(run_id, "b")
    other.tell("start")
    meet(owner, fate)

    status, context = other.result(run_id)

    assert status == "Completed"
    assert context == ({"first": "a", "second": "b"} if name == "mailed" else {"trail": TRAIL})
    ends(fleet, owner, fate)
    is_over(fleet, run_id)


@FATES
@pytest.mark.parametrize("point", ["run.before_end", "run.after_end"])
def test_a_message_against_the_end(fleet: Fleet, point: str, fate: str) -> None:
    """It is kept unread, or refused."""
    other = fleet.start(lease_seconds=SHORT)
    owner, run_id = owner_at(fleet, f"{point}:1", "one")
    answer = other.try_to_send(run_id, "a")
    meet(owner, fate)

    assert other.result(run_id) == ("Completed", {"trail": ["a"]})
    assert answer == ("True" if point == "run.before_end" else "RunEndedError")
    assert other.try_to_send(run_id, "b") == "RunEndedError"
    sent = fleet.query("SELECT taken_by FROM cloaca_message")
    assert sent == ([(None,)] if answer == "True" else [])
    ends(fleet, owner, fate)


# -- owners that die ------------------------------------------------------------------------------


@BODIES
@pytest.mark.parametrize(
    ("point", "count", "evict"),
    [
        *((point, count, 0) for point in COMMITS for count in (3, 4, 5, 6)),
        *((point, count, 10) for point in COMMITS for count in (3, 5)),
        ("wait.after_open", 1, 10),
        ("wait.before_close", 2, 0),
        ("wait.before_close", 2, 10),
        ("wait.before_close", 3, 10),
        ("body.left", 1, 0),
        ("body.left", 2, 0),
    ],
)
def test_no_step_is_called_twice_although_the_owner_of_a_body_that_waits_dies_at(
    fleet: Fleet, name: str, point: str, count: int, evict: float
) -> None:
    sender = fleet.start()
    sender.tell("stop")
    sender.hear("stopped")
    victim = fleet.start(fault=f"{point}:{count}", evict_after_seconds=evict)
    victim.tell("submit", name)
    while not (found := fleet.query("SELECT id FROM cloaca_run")):
        continue
    ((run_id,),) = found
    assert [sender.send(run_id, payload) for payload in "ab"] == [True, True]
    assert victim.exit_code() == -signal.SIGKILL
    kept = fleet.query("SELECT value FROM cloaca_memo WHERE kind = 'step'")
    before = fleet.executions(run_id)

    rescuer = fleet.start(evict_after_seconds=evict)

    assert rescuer.result(run_id) == ("Completed", {"trail": TRAIL})
    executions = fleet.executions(run_id)
    assert all(executions[value.strip('"')] == 1 for (value,) in kept)
    assert sum(executions[step] for step in STEPS) <= len(STEPS) + 1
    assert sum(before[step] for step in STEPS) - len(kept) in (0, 1)
    is_over(fleet, run_id)


def asked(fleet: Fleet) -> str:
    """The run that asks a person, once it does."""
    while not (found := fleet.query("SELECT run_id FROM cloaca_wait WHERE kind = 'approval'")):
        continue
    return str(found[0][0])


def test_a_person_has_decided_although_the_owner_of_the_body_that_asked_dies(fleet: Fleet) -> None:
    other = fleet.start()
    other.tell("stop")
    other.hear("stopped")
    victim = fleet.start(fault="wait.before_close:1")
    victim.tell("submit", "asking")
    run_id = asked(fleet)
    assert other.approve(run_id, "sign", "ann") == "True"
    assert victim.exit_code() == -signal.SIGKILL
    assert other.approve(run_id, "sign", "bob") == "AlreadyDecidedError"

    rescuer = fleet.start()

    assert rescuer.result(run_id) == ("Completed", {"trail": ["s0", "ann", "s1"]})
    assert rescuer.approve(run_id, "sign", "bob") == "AlreadyDecidedError"
    assert fleet.executions(run_id)["s0"] == 1
    is_over(fleet, run_id)


def test_a_person_is_asked_by_the_next_owner_of_a_body_that_was_leaving(fleet: Fleet) -> None:
    victim = fleet.start(fault="body.left:1", evict_after_seconds=0)
    victim.tell("submit", "asking")
    assert victim.exit_code() == -signal.SIGKILL

    rescuer = fleet.start(evict_after_seconds=0)
    run_id = asked(fleet)
    assert rescuer.approve(run_id, "sign", "ann") == "True"

    assert rescuer.result(run_id) == ("Completed", {"trail": ["s0", "ann", "s1"]})
    assert fleet.executions(run_id)["s0"] == 1
    is_over(fleet, run_id)


@BODIES
@STAYING
def test_an_owner_that_stands_still_keeps_nothing_of_a_body_that_another_has_finished(
    fleet: Fleet, name: str, evict: float
) -> None:
    """Messages come before and while it stands still."""
    owner = fleet.start(hold=["s1"], lease_seconds=SHORT, evict_after_seconds=evict)
    run_id = owner.submit(name)
    other = fleet.start()
    other.tell("stop")
    other.hear("stopped")
    assert other.send(run_id, "a")
    owner.hear("holding")
    owner.freeze()
    assert other.send(run_id, "b")
    rescuer = fleet.start(lease_seconds=SHORT, evict_after_seconds=evict)
    assert rescuer.result(run_id) == ("Completed", {"trail": TRAIL})
    rows = "SELECT task_id, kind, name, number, attempt, value, created_at FROM cloaca_memo"
    kept = sorted(fleet.query(rows))

    owner.signal(signal.SIGCONT)
    owner.tell("release")

    assert owner.result(run_id) == ("Completed", {"trail": TRAIL})
    assert owner.end()[0] == 0
    assert sorted(fleet.query(rows)) == kept
    assert fleet.executions(run_id)["s2"] == 1
    is_over(fleet, run_id)


# -- bodies with several waits --------------------------------------------------------------------


@STAYING
@pytest.mark.parametrize("kill", [False, True], ids=["", "killed"])
def test_a_thread_of_a_body_that_waits_beside_it(fleet: Fleet, evict: float, kill: bool) -> None:
    """The body waits for the thread before it leaves; the message may come long afterwards."""
    owner = fleet.start(evict_after_seconds=evict)
    run_id = owner.submit("spread")
    count = "SELECT 1 FROM cloaca_wait WHERE run_id = ? AND kind = 'event'"
    while not fleet.query(count, run_id):
        continue
    if kill:
        owner.kill()
        owner = fleet.start(evict_after_seconds=evict)
    while fleet.query("SELECT 1 FROM cloaca_wait WHERE kind = 'sleep'") and evict == 0:
        continue  # it slept though the thread waits for ever
    assert owner.send(run_id, "a")

    assert owner.result(run_id) == ("Completed", {"trail": ["slept", "a"]})
    assert fleet.executions(run_id)["helped"] == 1
    is_over(fleet, run_id)


@STAYING
@pytest.mark.parametrize("kill", [False, True], ids=["", "killed"])
def test_waits_of_a_body_that_gathers_them(fleet: Fleet, evict: float, kill: bool) -> None:
    owner = fleet.start(evict_after_seconds=evict)
    run_id = owner.submit("gathering")
    waits = "SELECT count(*) FROM cloaca_wait WHERE kind = 'event'"
    while fleet.query(waits) != [(2,)]:
        continue
    assert owner.send(run_id, "a")
    while fleet.query(waits) != [(1,)]:
        continue
    if kill:
        owner.kill()
        owner = fleet.start(evict_after_seconds=evict)
    assert owner.send(run_id, "b")

    assert owner.result(run_id) == ("Completed", {"trail": ["a", None, "b"]})
    is_over(fleet, run_id)


def test_a_body_that_takes_the_signal_for_an_error_fails_its_attempt(fleet: Fleet) -> None:
    owner = fleet.start(evict_after_seconds=0)
    run_id = owner.submit("stubborn")
    failed = "SELECT error_type FROM cloaca_attempt WHERE status = 'Failed'"
    while not (found := fleet.query(failed)):
        continue
    assert found == [("BodySuspended",)]
    while fleet.query("SELECT status FROM cloaca_run") != [("Waiting",)]:
        continue
    owner.kill()
    rescuer = fleet.start(evict_after_seconds=0)
    assert rescuer.send(run_id, "a")

    assert rescuer.result(run_id) == ("Completed", {"trail": [2, "a"]})
    is_over(fleet, run_id)
