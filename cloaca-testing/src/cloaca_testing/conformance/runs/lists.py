"""Contract of reading, and of every stored value."""

from __future__ import annotations

from typing import Any

from cloaca_core.assembly.store import Store
from cloaca_core.run.rows import WaitingRow
from cloaca_core.store.batch import Waiting
from cloaca_core.values.states import RunStatus
from cloaca_testing.conformance.commits import fire, park, record, stored, submit
from cloaca_testing.conformance.rows import (
    LATER,
    NOW,
    WORKFLOW,
    act,
    any_run,
    new_run,
    new_tick,
    run_end,
    runner,
    schedule,
)

FILTERS: list[tuple[dict[str, Any], str]] = [
    ({"status": RunStatus.PENDING}, "db"),
    ({"status": RunStatus.FAILED}, "c"),
    ({"workflow": "public::embedded::other"}, "cb"),
    ({"workflow": "public::embedded::other", "status": RunStatus.PENDING}, "b"),
    ({"tags": (("team", "x"),)}, "dca"),
    ({"tags": (("team", "x"), ("tier", "1"))}, "da"),
    ({"tags": (("team", "x"),), "status": RunStatus.PENDING}, "d"),
    ({"tags": (("team", "x"),), "workflow": WORKFLOW, "before": "d"}, "a"),
    ({"tags": (("team", "y"),)}, ""),
    ({"tags": (("tier", "x"),)}, ""),
    ({"workflow": "orders"}, ""),
    ({"workflow": "public::embedded::other", "status": RunStatus.FAILED}, "c"),
    ({"after": "b", "before": "d"}, "cb"),
    ({"status": RunStatus.PENDING, "after": "c"}, "d"),
    ({"since": NOW + 2}, "dc"),
    ({"until": NOW + 2}, "ba"),
    ({"since": NOW + 1, "until": NOW + 2}, "b"),
    ({"since": NOW + 1, "status": RunStatus.PENDING}, "db"),
    ({"until": NOW + 3, "status": RunStatus.FAILED}, "c"),
    ({"until": NOW + 2, "workflow": "public::embedded::other"}, "b"),
    ({"since": NOW + 1, "tags": (("team", "x"),)}, "dc"),
    ({"parent_id": "a"}, "dc"),
    ({"parent_id": "a", "status": RunStatus.FAILED}, "c"),
    ({"parent_id": "a", "status": RunStatus.PENDING}, "d"),
    ({"parent_id": "a", "workflow": WORKFLOW, "since": NOW + 3}, "d"),
    ({"parent_id": "a", "tags": (("tier", "1"),)}, "d"),
    ({"parent_id": "b"}, ""),
    ({"error": "IT broke"}, "c"),
    ({"error": "b"}, "c"),
    ({"error": "it broke%"}, ""),
    ({"error": "it_broke"}, ""),
    ({"error": "broke", "status": RunStatus.FAILED}, "c"),
    ({"error": "broke", "status": RunStatus.PENDING}, ""),
    ({"error": "broke", "workflow": WORKFLOW}, ""),
    ({"error": "BROKE", "tags": (("team", "x"),)}, "c"),
    ({"error": "broke", "parent_id": "a"}, "c"),
]
"""The runs of a listing with a filter. Nothing is changed, so one database has all of them."""


class ObserveConformance:
    """Part of ``StoreConformance``."""

    # -- observe -----------------------------------------------------------------------------

    async def test_an_unknown_run_is_none(self, store: Store) -> None:
        assert await store.get_run("unknown") is None

    async def test_a_listing_is_newest_first_and_without_payloads(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, *[new_run(name) for name in "abc"])
        await record(store, ends=[run_end("b")])

        listed = await store.list_runs(any_run())

        assert [run.id for run in listed] == ["c", "b", "a"]
        assert {(run.input, run.final_context) for run in listed} == {("", "")}
        run = await stored(store, "b")
        assert listed[1] == run._replace(input="", final_context="")

    async def test_a_listing_is_cut_and_goes_on_before_a_run(self, store: Store) -> None:
        await submit(store, *[new_run(name, owner=None) for name in "abcd"])

        assert await self._listed(store, limit=2) == "dc"
        assert await self._listed(store, limit=2, before="c") == "ba"
        assert await self._listed(store, limit=0) == ""

    async def test_a_listing_filters(self, store: Store) -> None:
        await store.register(runner("r1"))
        other = "public::embedded::other"
        await submit(store, new_run("a", tags='{"team":"x","tier":"1"}'))
        await submit(
            store,
            new_run("b", owner=None, workflow=other, created_at=NOW + 1),
            new_run("c", workflow=other, tags='{"team":"x"}', parent="a", created_at=NOW + 2),
            new_run(
                "d",
                owner=None,
                tags='{"tier":"1","team":"x"}',
                parent="a",
                created_at=NOW + 3,
                detached=True,
            ),
        )
        await record(store, ends=[run_end("c", status=RunStatus.FAILED)])

        for wanted, expected in FILTERS:
            found = await self._listed(store, **wanted), await store.count_runs(any_run(**wanted))
            assert found == (expected, len(expected)), wanted

    async def test_an_error_is_found_at_every_state_that_has_one(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, *[new_run(name) for name in "abc"], new_run("d", owner=None))
        await record(store, ends=[run_end("a"), run_end("b", status=RunStatus.FAILED)])
        await store.cancel(["d"], act(because="it is broken"), LATER, children=True)

        assert await self._listed(store, error="IT ") == "db"
        assert await self._listed(store, error="it", workflow=WORKFLOW) == "db"
        assert await store.count_runs(any_run(error="broke")) == 2

    async def test_runs_of_several_states_are_in_one_order(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, *[new_run(name) for name in "ace"], new_run("b", owner=None))
        await submit(store, new_run("d", owner=None))
        await record(store, ends=[run_end("c"), run_end("e", status=RunStatus.FAILED)])
        several = (RunStatus.PENDING, RunStatus.FAILED, RunStatus.COMPLETED, RunStatus.PENDING)
        wanted = any_run()._replace(statuses=several)

        listed = [run.id for run in await store.list_runs(wanted)]
        page = [run.id for run in await store.list_runs(wanted._replace(limit=2, before="e"))]

        assert (listed, page) == (["e", "d", "c", "b"], ["d", "c"])
        assert await store.count_runs(wanted) == 4

    async def test_runs_are_found_by_their_state_wherever_they_wait(self, store: Store) -> None:
        """Owned, held by a pause, a time or another run, claimable anew or for the first time."""
        await store.register(runner("r1"))
        await store.put_schedule(schedule())
        owned = ("owned", "cancelling", "pausing", "given up", "later", "woken")
        free = [new_run(name, owner=None) for name in ("free", "paused")]
        await submit(store, *[new_run(name) for name in owned], *free)
        await submit(store, new_run("due", owner=None, due_at=LATER))
        await fire(store, new_tick("s", "behind")._replace(behind="owned"))
        await store.cancel(["cancelling"], act("c"), LATER, children=True)
        await store.pause(["pausing", "paused"], act("p"), None, children=False)
        await park(store, "given up", None)
        await park(store, "later", LATER)
        await park(store, "woken", NOW)
        await store.make_due_claimable([WORKFLOW], NOW, 9)

        listed = {
            status: sorted(run.id for run in await store.list_runs(any_run(status=status)))
            for status in RunStatus
        }

        assert {status: ids for status, ids in listed.items() if ids} == {
            RunStatus.PENDING: ["behind", "due", "free"],
            RunStatus.RUNNING: ["given up", "owned"],
            RunStatus.WAITING: ["later", "woken"],
            RunStatus.PAUSED: ["paused", "pausing"],
            RunStatus.CANCELLING: ["cancelling"],
        }
        for status, ids in listed.items():
            wanted = any_run(status=status)
            assert await store.count_runs(wanted) == len(ids)
            page = await store.list_runs(wanted._replace(limit=1))
            assert [run.id for run in page] == ids[-1:]
            assert await store.count_runs(wanted._replace(workflow="other")) == 0
            assert await store.count_runs(wanted._replace(workflow=WORKFLOW)) == len(ids)
            assert await store.count_runs(wanted._replace(error="why")) == 0

    async def test_a_run_whose_key_was_taken_leaves_no_tags(self, store: Store) -> None:
        await submit(store, new_run("a", owner=None, key="k"))
        await submit(store, new_run("b", owner=None, key="k", tags='{"team":"x"}'))

        assert await self._listed(store, tags=(("team", "x"),)) == ""

    async def test_ended_answers_those_that_have_ended(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"), new_run("b"))
        await record(store, ends=[run_end("b")])

        assert await store.ended(["a", "b", "unknown"]) == [await store.get_run("b")]
        assert await store.ended([]) == []

    @staticmethod
    async def _listed(store: Store, **wanted: object) -> str:
        runs = await store.list_runs(any_run(**wanted))  # type: ignore[arg-type] # as given
        return "".join(run.id for run in runs)

    async def test_what_waits_is_told_by_workflow_and_counted_no_further_than_asked(
        self, store: Store
    ) -> None:
        other = "public::embedded::other"
        await submit(
            store,
            *[new_run(name, owner=None) for name in "cab"],
            new_run("d", owner=None, workflow=other)._replace(created_at=NOW + 7),
        )
        row = schedule("s")._replace(workflow=other, due_at=NOW + 5)
        await store.put_schedule(row)
        await store.put_schedule(row._replace(id="t", due_at=NOW + 3))
        await store.put_schedule(row._replace(id="off", enabled=False))
        await store.put_schedule(row._replace(id="over", due_at=None, next_tick=None))

        waiting = await store.list_waiting("me", 2)

        assert sorted(waiting.rows) == [
            WaitingRow("run", WORKFLOW, "a", NOW, 2),
            WaitingRow("run", other, "d", NOW + 7, 1),
            WaitingRow("schedule", other, "", NOW + 3, 2),
        ]

    async def test_what_waits_for_nobody_is_not_told(self, store: Store) -> None:
        await store.register(runner("r1"))
        assert await store.list_waiting("r1", 9) == Waiting([], 0)

        await submit(store, new_run("owned"), new_run("over", workflow="public::embedded::other"))
        await record(store, ends=[run_end("over")])
        await submit(store, new_run("waits", owner=None))  # the other run's owner may claim it
        await store.put_schedule(schedule("s")._replace(workflow=WORKFLOW))

        assert await store.list_waiting("r1", 9) == Waiting([], 0)

    async def test_a_run_behind_another_waits_for_that_one(self, store: Store) -> None:
        await store.register(runner("r1"))
        await store.put_schedule(schedule())
        await fire(store, new_tick("s", "a"))
        await store.claim("r1", [WORKFLOW], 1, NOW)
        await fire(store, new_tick("s", "b", tick=NOW + 1, generation=1)._replace(behind="a"))
        await store.delete_schedule("s")
        await store.fence("r1", 0)

        assert (await store.list_waiting("me", 9)).rows == []

    async def test_runs_of_a_dead_runner_prove_nothing(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("owned"))
        await submit(store, new_run("waits", owner=None))
        assert (await store.list_waiting("me", 9)) == Waiting([], 1)

        await store.fence("r1", 0)

        assert await store.list_waiting("me", 9) == Waiting(
            [WaitingRow("run", WORKFLOW, "waits", NOW, 1)], 0
        )

    async def test_nor_do_those_of_a_runner_that_counts_as_gone(self, store: Store) -> None:
        await store.register(runner("r1"))
        await store.put_schedule(schedule())
        await submit(store, new_run("owned"))
        await submit(store, new_run("waits", owner=None))

        found = await store.list_waiting("me", 9, ["r1"])

        assert [row.kind for row in sorted(found.rows)] == ["run", "schedule"]
        assert found.other_runners == 0

    async def test_other_runners_are_counted_as_long_as_they_live(self, store: Store) -> None:
        for name in ("r1", "r2", "dead"):
            await store.register(runner(name))
        await store.fence("dead", 0)

        assert (await store.list_waiting("r1", 9)).other_runners == 1
        assert (await store.list_waiting("unknown", 9)).other_runners == 2
        assert (await store.list_waiting("unknown", 9, ["r2"])).other_runners == 1

    # -- the store itself --------------------------------------------------------------------

    async def test_hostile_text_comes_back_as_it_was(self, store: Store) -> None:
        text = '\'; DROP TABLE cloaca_run; -- "%s" :id ? \u202e \U0001f600 \\ \n'
        await store.register(runner(text))

        await submit(store, new_run(text, owner=text, workflow=text, key=text), runner_id=text)

        run = await stored(store, text)
        assert (run.id, run.owner, run.workflow) == (text, text, text)
        assert (await submit(store, new_run("b", workflow=text, key=text))).existing == {"b": text}

    async def test_integers_keep_64_bits(self, store: Store) -> None:
        await store.register(runner("r1"))

        await store.beat("r1", 2**63 - 1)

        assert [row.lease_until for row in await store.runners()] == [2**63 - 1]

    async def test_contention_can_be_switched(self, store: Store) -> None:
        await store.register(runner("r1"))

        store.set_contended(contended=True)
        for number in range(10):
            assert await store.beat("r1", number)
        store.set_contended(contended=False)

        assert await store.beat("r1", 1)

    async def test_closing_twice_is_harmless(self, store: Store) -> None:
        await store.close()
        await store.close()
