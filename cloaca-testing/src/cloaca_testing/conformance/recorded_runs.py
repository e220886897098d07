"""Contract of telling how a run stands."""

from __future__ import annotations

from cloaca_core.assembly.store import Store
from cloaca_core.features.explain.records import (
    Holds,
    RecordedRun,
    Suspect,
    UnendedChild,
    Unread,
    WorkflowPause,
)
from cloaca_core.features.steering.records import PauseRow, Reopening
from cloaca_core.run.rows import NewRun, RestartRow
from cloaca_core.values.states import ReasonCode, RunStatus, TaskStatus
from cloaca_testing.conformance.commits import fence, fire, keep, note, park, record, stored, submit
from cloaca_testing.conformance.rows import (
    LATER,
    NOW,
    WORKFLOW,
    act,
    approval,
    attempt,
    closed,
    decision,
    memo,
    message,
    new_run,
    new_tick,
    run_end,
    runner,
    schedule,
    wait,
)

OTHER = "public::embedded::other"


class RecordedRunConformance:
    """Part of ``StoreConformance``."""

    # -- recorded ----------------------------------------------------------------------------

    async def test_an_unknown_run_has_no_standing(self, store: Store) -> None:
        assert await store.recorded_run("unknown", 9) is None

    async def test_a_run_stands_as_it_is_without_payloads(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"), new_run("b"))
        await record(
            store,
            [
                attempt("a", "load", 1, status=TaskStatus.FAILED, error="no"),
                attempt("a", "load", 2),
                attempt("a", "begin"),
                attempt("b"),
            ],
        )

        stands = await _recorded(store, "a")

        row = await stored(store, "a")
        assert stands.row == row._replace(input="", final_context="")
        assert stands.holds == Holds()
        assert (stands.paused, stands.ahead, stands.children) == (None, 0, [])
        assert stands.restarts == []
        known = await store.load_attempts(["a"])
        assert stands.attempts == [each._replace(change=None) for each in known]
        assert [each.task_id for each in stands.attempts] == ["begin", "load", "load"]

    async def test_what_holds_a_run_is_told(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(
            store,
            new_run("a"),
            new_run("b", owner=None, due_at=LATER + 50, start_by=LATER + 60),
        )
        await store.pause(["b"], act(because="paused by ann"), LATER + 9, children=False)
        await store.cancel(["a"], act("y", because="no use"), LATER + 70, children=False)

        cancelled, paused = await _recorded(store, "a"), await _recorded(store, "b")

        assert cancelled.holds == Holds(cancel_at=LATER + 70)
        assert (cancelled.row.status, cancelled.row.steer_reason) == ("Cancelling", "no use")
        assert paused.holds == Holds(
            paused_at=LATER,
            paused_until=LATER + 9,
            start_by=LATER + 60,
        )
        assert (paused.row.due_at, paused.row.steer_reason) == (LATER + 50, "paused by ann")

    async def test_a_run_tells_behind_which_other_it_waits(self, store: Store) -> None:
        await store.put_schedule(schedule("s"))
        await fire(store, new_tick("s", "a"))
        second = new_tick("s", "b", tick=NOW + 1, generation=1)
        await fire(store, second._replace(behind="a"))

        assert (await _recorded(store, "a")).holds.behind is None
        holds = (await _recorded(store, "b")).holds
        assert (holds.behind, holds.behind_status) == ("a", RunStatus.PENDING)

    async def test_a_paused_workflow_is_told_with_who_paused_it(self, store: Store) -> None:
        await submit(store, _waiting("a"), _waiting("b", workflow=OTHER))
        await store.pause_workflow(WORKFLOW, act("1", now=NOW)._replace(asked_by="bob"), None)
        await store.resume_workflow(WORKFLOW, act("2", now=NOW + 1))
        await store.pause_workflow(WORKFLOW, act("3", now=NOW + 2), LATER + 9)
        await store.pause_workflow(WORKFLOW, act("4", now=NOW + 2)._replace(asked_by="cleo"), None)

        assert (await _recorded(store, "a")).paused == WorkflowPause(LATER + 9, "ann", "a reason")
        assert (await _recorded(store, "b")).paused is None

    async def test_who_has_paused_a_workflow_is_known_also_if_the_clock_was_set_back(
        self, store: Store
    ) -> None:
        await submit(store, new_run("a", owner=None))
        await store.pause_workflow(WORKFLOW, act("z", now=LATER), None)
        await store.resume_workflow(WORKFLOW, act("y", now=LATER))
        later = act("a", now=NOW)._replace(asked_by="bob", reason="again")
        await store.pause_workflow(WORKFLOW, later, None)

        assert (await _recorded(store, "a")).paused == WorkflowPause(None, "bob", "again")
        assert await store.pauses() == [PauseRow(WORKFLOW, NOW, None, "bob", "again")]

    async def test_the_runs_that_come_first_are_counted(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(
            store,
            _waiting("c", created_at=NOW + 5),
            _waiting("a", created_at=NOW + 5),
            _waiting("b", created_at=NOW + 5),
            _waiting("h", created_at=NOW + 9, priority=1),
            _waiting("e", created_at=NOW + 4),
            _waiting("z", created_at=NOW + 5),
            _waiting("l", created_at=NOW, priority=-1),
            _waiting("o", created_at=NOW, workflow=OTHER),
            _waiting("d", created_at=NOW, due_at=LATER),
            _waiting("p", created_at=NOW),
            new_run("r", created_at=NOW),
        )
        await store.pause(["p"], act(), None, children=False)

        assert (await _recorded(store, "c")).ahead == 4  # h, e, a and b
        assert (await _recorded(store, "h")).ahead == 0
        assert (await _recorded(store, "l")).ahead == 6
        assert (await _recorded(store, "l", most=2)).ahead == 2

    async def test_children_that_have_not_ended_are_told(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"), new_run("z"))
        await submit(
            store,
            new_run("d", parent="a"),
            new_run("c", parent="a", owner=None, key="a::load::1", workflow=OTHER, detached=True),
            new_run("b", parent="a"),
            new_run("e", parent="z"),
        )
        await record(store, ends=[run_end("b")])

        assert (await _recorded(store, "a")).children == [
            UnendedChild("c", OTHER, RunStatus.PENDING, "a::load::1"),
            UnendedChild("d", WORKFLOW, RunStatus.RUNNING, None),
        ]
        assert [each.id for each in (await _recorded(store, "a", most=1)).children] == ["c"]

    async def test_runners_are_told_with_what_they_own(self, store: Store) -> None:
        await store.register(runner("r2", started_at=NOW + 1))
        await store.register(runner("r1"))
        await store.register(runner("r3", started_at=NOW + 2))
        await submit(store, _waiting("a", workflow=OTHER), new_run("b"), new_run("c"), new_run("d"))
        await submit(store, new_run("e", owner="r2", workflow=OTHER), runner_id="r2")
        await record(store, ends=[run_end("d")])
        await store.fence("r3", 0)

        found = (await _recorded(store, "a")).runners

        told = [(each.row.id, each.owned, each.owns_workflow) for each in found]
        assert told == [("r1", 2, False), ("r2", 1, True), ("r3", 0, False)]
        assert [each.row for each in found] == await store.runners()
        assert [each.owned for each in (await _recorded(store, "a", most=1)).runners] == [1, 1, 0]

    async def test_restarted_tasks_are_told(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"))
        await record(
            store,
            [attempt("a", status=TaskStatus.FAILED, error="no")],
            [run_end("a", status=RunStatus.FAILED)],
        )
        await store.retry([Reopening("a", 1, {"load": 2})], act())

        assert (await _recorded(store, "a")).restarts == [RestartRow("a", "load", 2, 2)]

    async def test_a_run_that_waits_for_its_time_is_held_by_that_alone(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"))
        await fence(store, "a")
        await park(store, "a", LATER)

        stands = await _recorded(store, "a")

        assert (stands.row.status, stands.row.owner, stands.row.due_at) == ("Waiting", None, LATER)
        assert stands.holds == Holds()

    async def test_open_waits_are_told_by_their_keys_until_the_run_ends(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"), new_run("b"))
        asked, body = approval("a"), wait("a", task_id="load", number=2, due_at=LATER)
        await note(store, asked, body, wait("a", "other"), wait("b"))
        await note(store, closed=[closed(wait("a", "other"))])

        assert (await _recorded(store, "a")).waits == [body, asked]

        await record(store, ends=[run_end("a")])
        assert (await _recorded(store, "a")).waits == []

    async def test_unread_messages_are_counted_by_kind_and_name(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"), new_run("b"))
        await note(store, approval("a"), wait("a"))
        for number, name in enumerate(["paid", "paid", "other", "paid"]):
            await store.send(message(f"m{number}", name=name), 9)
        await store.send(message("m", "b"), 9)
        await store.send(decision("d"), 9)
        for number, item in enumerate([2, 1, 2]):
            to_it = message(f"n{number}")._replace(for_task="each", for_item=item)
            await store.send(to_it, 9)
        to_items = [Unread("event", "paid", 1, "each", 1), Unread("event", "paid", 2, "each", 2)]
        assert (await _recorded(store, "a")).unread == [
            Unread("approval", "sign", 1, "sign"),
            Unread("event", "other", 1),
            Unread("event", "paid", 3),
            *to_items,
        ]

        await note(store, closed=[closed(approval("a"), "d"), closed(wait("a"), "m0")])

        left = (await _recorded(store, "a")).unread
        assert left == [Unread("event", "other", 1), Unread("event", "paid", 2), *to_items]

    async def test_kept_steps_are_counted_by_task(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"), new_run("b"))
        end_of_a_wait = memo("a")._replace(kind="event")
        await keep(store, *[memo("a", number=number) for number in range(3)], end_of_a_wait)
        await keep(store, memo("a", task_id="begin"), memo("b", "other"))

        assert (await _recorded(store, "a")).steps == {"begin": 1, "load": 3}

    async def test_the_suspect_in_the_process_of_the_owner_is_told(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, *[new_run(run_id) for run_id in "abc"])
        for died, (epoch, owner) in enumerate([(1, "r1"), (3, "r2")]):
            begun = attempt("b", "burn", epoch=epoch, status=TaskStatus.RUNNING, crashes=died)
            pool = begun._replace(run_id="a", crashes=2, reason_code=ReasonCode.ELSEWHERE)
            await record(store, [begun, pool], runner_id=owner)
            assert (await _recorded(store, "a")).suspect is None
            await store.fence(owner, 0)
            await store.take_over(owner, 9)
            await store.register(runner(f"r{died + 2}"))
            await store.claim(f"r{died + 2}", [WORKFLOW], 9, LATER)
        await submit(store, new_run("here"), new_run("free", owner=None), runner_id="r3")
        await submit(store, new_run("there", owner="r4"), runner_id="r4")

        burning, here = Suspect("burn", "b"), ["a", "b", "c"]
        assert [(await _recorded(store, each)).suspect for each in here] == [burning] * 3
        assert (await _recorded(store, "free")).suspect is None
        assert (await _recorded(store, "there")).suspect is None

        alone = attempt("c", epoch=5, status=TaskStatus.RUNNING, crashes=2, reason=ReasonCode.ALONE)
        await record(store, [alone], runner_id="r3")
        assert (await _recorded(store, "a")).suspect == Suspect("load", "c")
        await record(store, [attempt("c", epoch=5, crashes=2)], runner_id="r3")
        assert (await _recorded(store, "a")).suspect == burning
        await record(store, ends=[run_end("b", epoch=5)], runner_id="r3")
        assert (await _recorded(store, "a")).suspect is None


def _waiting(
    run_id: str,
    *,
    workflow: str = WORKFLOW,
    created_at: int = NOW,
    priority: int = 0,
    due_at: int | None = None,
) -> NewRun:
    return new_run(
        run_id,
        owner=None,
        workflow=workflow,
        created_at=created_at,
        priority=priority,
        due_at=due_at,
    )


async def _recorded(store: Store, run_id: str, most: int = 9) -> RecordedRun:
    found = await store.recorded_run(run_id, most)
    assert found is not None
    return found
