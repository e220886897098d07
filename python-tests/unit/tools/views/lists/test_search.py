"""A filter becomes a search: names are looked up, and pages go on where they end."""

from __future__ import annotations

import pytest
from model.families import run
from model.memory_store import MemoryStore
from model.observed import Observed
from tables import each_row

from cloaca_core.assembly.engine import Engine
from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.context import Context
from cloaca_core.definition.task import task
from cloaca_core.errors import ConfigError, ConfigTypeError, RunNotFoundError
from cloaca_core.features.search.records import Condition, Counted, Found, RunSearch
from cloaca_core.run.rows import RunFilter
from cloaca_core.values.definition_rows import DefinitionRow
from cloaca_core.values.ids import first_id_of
from cloaca_testing.conformance.commits import submit
from cloaca_testing.conformance.rows import NOW, act, new_run
from cloaca_tools.views.lists import search
from cloaca_tools.views.lists.filters import parse

HOUR = 3_600_000_000


@pytest.fixture
async def observed() -> Observed:
    """Knows a workflow ``flow`` of its own, and one of another namespace that was recorded."""
    observed = Observed()
    with WorkflowBuilder("flow", registry=observed.registry):

        @task(id="only")
        def only(context: Context) -> None: ...

    row = DefinitionRow("acme::jobs::flow", "v", "flow", "{}", NOW)
    await observed.store.record_definitions([row])
    return observed


@each_row(
    ("text", "expected"),
    [
        ("", ()),
        ("status:failed", (Condition("status", ("Failed",)),)),
        (
            "-status:completed,failed,cancelled,running",
            (Condition("status", ("Pending", "Waiting", "Paused", "Cancelling")),),
        ),
        ("workflow:acme::x::y", (Condition("workflow", ("acme::x::y",)),)),
        (
            "workflow:flow",
            (Condition("workflow", ("public::embedded::flow", "acme::jobs::flow")),),
        ),
        ("-workflow:none", (Condition("workflow", ("public::embedded::none",), negated=True),)),
        ("tag.team:x", (Condition("tag", ("x",), key="team"),)),
        (
            "error:broke",
            (Condition("error", ("broke",)), Condition("status", ("Failed", "Cancelled"))),
        ),
        ("-error:broke", (Condition("error", ("broke",), negated=True),)),
        ("-by:nobody", ()),
        ("ab", (Condition("id", ("ab",)),)),
    ],
)
async def test_a_term_is_a_condition(
    observed: Observed, text: str, expected: tuple[Condition, ...]
) -> None:
    found = await search.resolved(observed.engine, parse(text), NOW)

    assert found == RunSearch(expected)


@each_row(
    "text",
    [
        "by:nobody",
        "-status:"
        + ",".join(
            [
                "pending",
                "running",
                "waiting",
                "paused",
                "cancelling",
                "completed",
                "failed",
                "cancelled",
            ]
        ),
    ],
)
async def test_what_no_run_can_meet_is_no_search(observed: Observed, text: str) -> None:
    assert await search.resolved(observed.engine, parse(text), NOW) is None
    assert await search.count(observed.engine, parse(text)) == 0
    assert (await search.page(observed.engine, parse(text), 9, None)).rows == []


async def test_instants_bound_ids_as_well(observed: Observed) -> None:
    found = await search.resolved(
        observed.engine, parse("since:3h since:2h until:1h until:now"), NOW
    )

    assert found == RunSearch(
        since=NOW - 2 * HOUR,
        until=NOW - HOUR,
        after=first_id_of(NOW - 3 * HOUR),
        before=first_id_of(NOW),
    )


async def test_an_end_bounds_no_ids(observed: Observed) -> None:
    text = "ended-since:3h ended-since:2h status:failed"
    found = await search.resolved(observed.engine, parse(text), NOW)

    failed = Condition("status", ("Failed",))
    assert found == RunSearch((failed,), ended_since=NOW - 2 * HOUR)


async def test_a_parent_is_named_as_any_run(observed: Observed) -> None:
    await submit(observed.store, new_run("a1", owner=None), new_run("b1", owner=None))

    found = await search.resolved(observed.engine, parse("parent:a"), NOW)

    assert found == RunSearch((Condition("parent", ("a1",)),))
    with pytest.raises(RunNotFoundError):
        await search.resolved(observed.engine, parse("parent:c"), NOW)


@each_row(
    ("text", "values", "negated"),
    [
        ("id:@", ("b1",), False),
        ("id:@~1", ("a1",), False),
        ("-id:@", ("b1",), True),
        ("id:@~1,b", ("a1", "b"), False),
    ],
)
async def test_an_id_may_be_a_place_in_the_order_of_runs(
    observed: Observed, text: str, values: tuple[str, ...], negated: bool
) -> None:
    await submit(observed.store, new_run("a1", owner=None), new_run("b1", owner=None))

    found = await search.resolved(observed.engine, parse(text), NOW)

    assert found == RunSearch((Condition("id", values, negated),))


@each_row("text", ["id:@~2", "id:@x", "-id:@~2", "id:a,@~2"])
async def test_a_place_without_a_run_is_not_found(observed: Observed, text: str) -> None:
    await submit(observed.store, new_run("a1", owner=None), new_run("b1", owner=None))

    with pytest.raises(RunNotFoundError):
        await search.resolved(observed.engine, parse(text), NOW)


async def test_people_are_named_without_their_host(observed: Observed) -> None:
    await submit(observed.store, new_run("a", owner=None))
    await observed.store.pause(["a"], act("p")._replace(asked_by="ann@desk"), None, children=False)

    found = await search.resolved(observed.engine, parse("by:ann,bob"), NOW)

    assert found == RunSearch((Condition("by", ("ann@desk",)),))


class InWindows(MemoryStore):
    """Looks at so many runs as it is to, as databases do; one run in ``every`` matches."""

    def __init__(self, every: int, runs: int) -> None:
        super().__init__()
        self.every = every
        self.names = [f"{number:06}" for number in range(runs)]
        self.looked_at: list[int] = []
        self.counted: list[RunFilter] = []

    async def search(self, wanted: RunSearch) -> Found:
        self.looked_at.append(wanted.look_at)
        older = [n for n in reversed(self.names) if wanted.before is None or n < wanted.before]
        window = older[: wanted.look_at]
        rows = [run(name) for name in window if int(name) % self.every == 0]
        return Found(rows, window[-1] if len(window) == wanted.look_at else None)

    async def count_found(self, wanted: RunSearch) -> Counted:
        found = await self.search(wanted)
        return Counted(len(found.rows), found.reached)

    async def count_runs(self, wanted: RunFilter) -> int:
        self.counted.append(wanted)
        return 7


def windows(every: int, runs: int) -> tuple[Engine, InWindows]:
    """An engine over such a store."""
    observed, store = Observed(), InWindows(every, runs)
    observed.store = store
    return observed.engine, store


async def test_windows_grow_until_a_page_is_full() -> None:
    engine, store = windows(every=50, runs=1_000)

    found = await search.page(engine, parse(""), 10, None)

    assert [row.id for row in found.rows] == [f"{n:06}" for n in range(950, 450, -50)]
    assert found.next == "000500"
    assert store.looked_at == [11, 44, 176, 704]


async def test_a_page_ends_early_where_few_match_unless_it_is_to_be_thorough() -> None:
    engine, _ = windows(every=9_000, runs=20_000)

    early = await search.page(engine, parse(""), 100, None)
    assert ([row.id for row in early.rows], early.next is not None) == (["018000"], True)
    rest = await search.page(engine, parse(""), 100, early.next, thorough=True)
    assert ([row.id for row in rest.rows], rest.next) == (["009000", "000000"], None)


async def test_the_last_page_has_no_next() -> None:
    engine, _ = windows(every=1, runs=3)

    found = await search.page(engine, parse(""), 3, None)

    assert (len(found.rows), found.next) == (3, None)


async def test_counts_go_through_an_index_where_one_fits() -> None:
    engine, store = windows(every=2, runs=50)

    assert await search.count(engine, parse("status:failed tag.a:b tag.c:d")) == 7
    (asked,) = store.counted
    assert (asked.statuses, asked.tags) == (("Failed",), (("a", "b"), ("c", "d")))
    others = ("-tag.a:b", "tag.a:b,c", "task:x", "status:failed status:completed")
    for text in (*others, "ended-since:2h"):
        assert await search.count(engine, parse(text)) == 25


@each_row(
    ("text", "most", "expected"),
    [
        ("status:failed", 25, (25, True)),
        ("status:failed", 30, (25, True)),
        ("status:failed", 24, (24, False)),
        ("status:failed", 10, (10, False)),
        ("by:nobody", 10, (0, True)),
    ],
)
async def test_a_tally_is_bounded(text: str, most: int, expected: tuple[int, bool]) -> None:
    engine, _ = windows(every=2, runs=50)

    assert await search.tally(engine, parse(text), most) == expected


async def test_a_tally_is_not_exact_where_the_last_window_has_more() -> None:
    engine, _ = windows(every=2, runs=17)

    assert await search.tally(engine, parse("status:failed"), 8) == (8, False)


async def test_a_tally_ends_where_few_match(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "MOST_LOOKED_AT", 20)
    engine, _ = windows(every=10, runs=50)

    assert await search.tally(engine, parse("status:failed"), 10) == (2, False)


def test_a_name_of_a_workflow_is_checked() -> None:
    assert search.checked_workflow("flow") == "flow"
    with pytest.raises(ConfigError):
        search.checked_workflow("")
    with pytest.raises(ConfigTypeError):
        search.checked_workflow(3)  # type: ignore[arg-type]  # what a caller may give
