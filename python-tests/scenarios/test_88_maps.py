"""88: a task runs once for each item of its data, and its results are a list."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from scenarios.steering import until

import cloaca

WAIT = 60
QUICK: dict[str, Any] = {"retry_backoff": "fixed", "retry_delay_ms": 1, "retry_jitter": False}
ONCE: dict[str, Any] = {"retry_attempts": 1}


def double(context: cloaca.Context, item: Any) -> Any:
    return item * 2


def fails(context: cloaca.Context) -> None:
    raise ValueError("no")


def run(
    runner: cloaca.DefaultRunner, body: Any, data: Any, source: Any = "data", **options: Any
) -> cloaca.PipelineResult:
    """Run a map of this data, and a task that depends on it."""
    with cloaca.WorkflowBuilder("mapped"):
        cloaca.task(id="each", map=source, **{**ONCE, **options})(body)

        @cloaca.task(dependencies=["each"])
        def after(context: cloaca.Context) -> None:
            context["seen"] = context.get("each")

    return runner.execute("mapped", {"data": data}, timeout=WAIT)


@pytest.mark.each_backend
@pytest.mark.parametrize(
    ("data", "results"),
    [
        ([3, 1, 2], [6, 2, 4]),
        ([], []),
        ({}, {}),
        ({"b": 1, "a": "x"}, {"b": 2, "a": "xx"}),
        (list(range(300)), list(range(0, 600, 2))),
    ],
)
def test_each_item_is_a_call_and_the_results_are_in_their_order(
    runner: cloaca.DefaultRunner, data: Any, results: Any
) -> None:
    result = run(runner, double, data)
    assert result.status == "Completed", result.error
    assert result.final_context.to_dict() == {"data": data, "each": results, "seen": results}
    assert result.task_results["each"].status == "Completed"


def test_any_json_value_is_a_result(runner: cloaca.DefaultRunner) -> None:
    def same(context: cloaca.Context, item: Any) -> Any:
        return item

    data = [None, True, 1.5, "x", [1], {"a": None}]
    assert run(runner, same, data).final_context["each"] == data


def test_items_are_found_by_a_path_or_are_in_the_definition(runner: cloaca.DefaultRunner) -> None:
    deep = run(runner, double, {"deep": [1]}, ("data", "deep"))
    assert deep.final_context["each"] == [2]
    assert run(runner, double, None, [1, 2]).final_context["each"] == [2, 4]


def test_parameters_are_bound_by_name(runner: cloaca.DefaultRunner) -> None:
    def facts(context: cloaca.Context, handle: cloaca.TaskHandle, item: Any) -> Any:
        return [item, handle.index, handle.label, handle.item_count, handle.task_id, handle.attempt]

    result = run(runner, facts, {"a": 7, "b": 8})
    assert result.final_context["each"] == {
        "a": [7, 0, "a", 2, "each", 1],
        "b": [8, 1, "b", 2, "each", 1],
    }


def test_a_body_may_ask_for_nothing_but_its_context(runner: cloaca.DefaultRunner) -> None:
    def size(context: cloaca.Context) -> int:
        return len(context["data"])

    assert run(runner, size, [1, 2]).final_context["each"] == [2, 2]


def test_async_bodies_are_items_too(runner: cloaca.DefaultRunner) -> None:
    async def later(context: cloaca.Context, *, item: int, handle: cloaca.AsyncTaskHandle) -> Any:
        return [item, handle.index]

    assert run(runner, later, [5, 6]).final_context["each"] == [[5, 0], [6, 1]]


def test_outside_of_a_map_a_handle_names_no_item(runner: cloaca.DefaultRunner) -> None:
    with cloaca.WorkflowBuilder("plain"):

        @cloaca.task
        def only(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
            context["item"] = [handle.index, handle.label, handle.item_count]

    assert runner.execute("plain").final_context["item"] == [None, None, None]


def test_items_share_a_context_and_their_changes_to_it_are_not_kept(
    runner: cloaca.DefaultRunner,
) -> None:
    def writes(context: cloaca.Context, item: list[int]) -> Any:
        item.append(1)
        context["mine"] = item
        return context["mine"]

    result = run(runner, writes, [[], []])
    assert result.final_context.to_dict() == {
        "data": [[], []],
        "each": [[1], [1]],
        "seen": [[1], [1]],
    }


def test_the_idempotency_key_of_an_item_has_its_label(runner: cloaca.DefaultRunner) -> None:
    def key(context: cloaca.Context, handle: cloaca.TaskHandle) -> str:
        return handle.idempotency_key

    result = run(runner, key, [{"n": "x"}, {"n": 7}, {"n": "x@2"}], label="n")
    run_id = result.execution_id
    keys = [f"{run_id}:each::{name}" for name in ("x", "7", "x@2@1")]
    assert result.final_context["each"] == keys


@pytest.mark.each_backend
def test_each_item_is_tried_again_by_itself(runner: cloaca.DefaultRunner) -> None:
    failures = {1: 2, 2: 1}
    lock = threading.Lock()

    def flaky(context: cloaca.Context, item: int, handle: cloaca.TaskHandle) -> Any:
        with lock:
            if failures.get(item):
                failures[item] -= 1
                raise RuntimeError("not yet")
        return handle.attempt

    result = run(runner, flaky, [0, 1, 2], retry_attempts=3, **QUICK)
    assert result.final_context["each"] == [1, 3, 2]


@pytest.mark.each_backend
def test_a_map_whose_items_have_failed_fails_when_all_have_run(
    runner: cloaca.DefaultRunner,
) -> None:
    ran: list[int] = []

    def odd(context: cloaca.Context, item: int) -> int:
        ran.append(item)
        if item % 2:
            raise ValueError(f"odd {item}")
        return item

    result = run(runner, odd, [0, 1, 2, 3])
    assert sorted(ran) == [0, 1, 2, 3]
    failed = result.task_results["each"]
    text = "2 of 4 items failed, first each[1]: ValueError: odd 1"
    assert (failed.status, failed.error) == ("Failed", f"MapFailedError: {text}")
    assert result.task_results["after"].status == "Skipped"
    assert result.error == (
        f"1 task(s) failed, 0 completed, 1 skipped; first error: each: MapFailedError: {text}"
    )


def test_a_map_that_stops_begins_no_item_after_a_failure(open_runner: Any) -> None:
    ran: list[int] = []

    def fails(context: cloaca.Context, item: int) -> int:
        ran.append(item)
        if item == 1:
            raise ValueError("no")
        return item

    runner = open_runner(max_concurrent_tasks=1)
    result = run(runner, fails, list(range(50)), item_policy="stop")
    assert ran[:2] == [0, 1]
    assert len(ran) <= 4  # the thread takes the next one before the engine hears of a failure
    assert result.task_results["each"].error == (
        "MapFailedError: 1 of 50 items failed, first each[1]: ValueError: no"
    )


def test_an_item_in_back_off_fails_with_its_last_error_when_its_map_stops(
    runner: cloaca.DefaultRunner,
) -> None:
    waits = threading.Event()

    def fails(context: cloaca.Context, item: int) -> int:
        if item == 0:
            waits.set()
            raise RuntimeError("again")
        waits.wait(WAIT)
        raise ValueError("for good")

    result = run(
        runner,
        fails,
        [0, 1],
        item_policy="stop",
        retry_attempts=2,
        retry_delay_ms=600_000,
        retry_max_delay_ms=600_000,
        retry_condition=RuntimeError,
    )
    assert result.task_results["each"].error == (
        "MapFailedError: 2 of 2 items failed, first each[0]: RuntimeError: again"
    )


def test_a_map_that_collects_has_none_for_a_failed_item(runner: cloaca.DefaultRunner) -> None:
    def fails(context: cloaca.Context, item: int) -> int:
        if item == 1:
            raise ValueError("no")
        return item

    result = run(runner, fails, [0, 1, 2], item_policy="collect")
    assert result.status == "Completed"
    assert result.final_context["seen"] == [0, None, 2]


@pytest.mark.each_backend
def test_an_item_whose_result_or_error_is_odd_fails_alone(runner: cloaca.DefaultRunner) -> None:
    """They are written in one commit with the others."""
    odd: dict[str, Any] = {
        "half": "\ud800", "nul": "\0", "nan": float("nan"), "set": {1}, "fine": "日本語 \u202e"
    }  # fmt: skip

    def body(context: cloaca.Context, item: str) -> Any:
        if item == "raises":
            raise ValueError("nul \0 and half \ud800")
        return odd[item]

    result = run(runner, body, [*odd, "raises"], item_policy="collect")

    assert result.status == "Completed"
    assert result.final_context["each"] == [None, None, None, None, "日本語 \u202e", None]
    items = runner.get_run(result.execution_id).items("each", status="Failed")
    assert [item.index for item in items] == [0, 1, 2, 3, 5]
    assert all(item.error for item in items)


def test_results_may_stay_in_their_rows(runner: cloaca.DefaultRunner) -> None:
    def fails(context: cloaca.Context, item: int) -> int:
        if item == 1:
            raise ValueError("no")
        return item

    result = run(runner, fails, [0, 1, 2], item_policy="collect", results="rows")
    assert result.final_context["seen"] == {"items": 3, "failed": 1}


def test_results_that_do_not_fit_into_a_context_fail_the_map(open_runner: Any) -> None:
    def large(context: cloaca.Context) -> str:
        return "x" * 400

    runner = open_runner(max_context_bytes=1024, max_concurrent_tasks=1)
    result = run(runner, large, list(range(20)))
    error = result.task_results["each"].error
    assert error is not None
    given = len('{"data":') + len(str(list(range(20))).replace(" ", "")) + len("}")
    size = given + len(',"each":[') + 3 * len('"",') + 3 * 400
    assert error.startswith(f"ContextValueError: task 'each' would hand on {size} bytes of context")
    assert "after 3 of 20 items, of which it was given" in error
    assert "max_context_bytes is 1024" in error
    assert 'results="rows"' in error
    assert run(runner, large, list(range(20)), results="rows").status == "Completed"


def test_results_are_counted_in_bytes(open_runner: Any) -> None:
    """The null of a failed item takes some, too."""
    runner = open_runner(max_context_bytes=4096)
    nulls = run(runner, fails, list(range(900)), item_policy="collect")
    assert "would hand on" in str(nulls.task_results["each"].error)
    assert run(runner, lambda context: 1, list(range(200))).status == "Completed"
    result = run(runner, lambda context: "ж" * 300, list(range(12)))
    error = result.task_results["each"].error
    assert error is not None
    assert 'results="rows"' in error


@pytest.mark.parametrize(
    ("data", "options", "error"),
    [
        (3, {}, "task 'each' maps data, which has a number; expected a list, or an object whose"),
        ([{"n": 1}, {"n": 1}], {"label": "n"}, "the label 1 twice: items 0 and 1"),
        ([0] * 11, {}, "task 'each' maps data, which has 11 items; max_map_items is 10"),
    ],
)
def test_data_that_cannot_be_mapped_fails_the_task_at_once(
    open_runner: Any, data: Any, options: Any, error: str
) -> None:
    result = run(open_runner(max_map_items=10), double, data, retry_attempts=3, **options)
    failed = result.task_results["each"]
    assert (failed.status, failed.attempts) == ("Failed", 1)
    assert failed.error is not None
    assert failed.error.startswith("MapError: ")
    assert error in failed.error


def test_a_missing_key_fails_the_task_at_once(runner: cloaca.DefaultRunner) -> None:
    result = run(runner, double, [], "files")
    assert result.task_results["each"].error == (
        "MapError: task 'each' maps files, which has nothing: its context has no such key"
    )


def test_a_returned_context_is_refused(runner: cloaca.DefaultRunner) -> None:
    def returns(context: cloaca.Context) -> cloaca.Context:
        return context

    result = run(runner, returns, [1])
    assert "ContextTypeError: each[0] returned a Context" in str(result.error)


@pytest.mark.each_backend
def test_no_more_items_are_open_at_once_than_the_map_says(runner: cloaca.DefaultRunner) -> None:
    lock = threading.Lock()
    counts = [0, 0]  # at once, at most

    def counted(context: cloaca.Context) -> None:
        with lock:
            counts[0] += 1
            counts[1] = max(counts)
        with lock:
            counts[0] -= 1

    assert run(runner, counted, list(range(40)), max_parallel=1).status == "Completed"
    assert counts == [0, 1]


def test_callbacks_are_told_the_item(runner: cloaca.DefaultRunner) -> None:
    told: list[Any] = []

    def fails(context: cloaca.Context, item: str) -> str:
        if item == "b":
            raise ValueError("no")
        return item * 2

    def on_success(task_id: str, context: cloaca.Context) -> None:
        told.append((task_id, context["item"], context["data"]))

    def on_failure(task_id: str, error: str, context: cloaca.Context) -> None:
        told.append((task_id, error, context["item"]))

    run(runner, fails, ["a", "b"], on_success=on_success, on_failure=on_failure)
    assert sorted(told) == [
        ("each[0]", "a", ["a", "b"]),
        ("each[1]", "ValueError: no", "b"),
    ]


def test_one_item_that_exceeds_its_time_fails_alone(runner: cloaca.DefaultRunner) -> None:
    async def waits(context: cloaca.Context, item: int, handle: cloaca.AsyncTaskHandle) -> int:
        if item:
            await cloaca_never()
        return item

    result = run(runner, waits, [0, 1], timeout_seconds=0.2, item_policy="collect")
    assert result.final_context["each"] == [0, None]


async def cloaca_never() -> None:
    import asyncio

    await asyncio.Event().wait()


@pytest.mark.each_backend
def test_items_are_read_by_pages(runner: cloaca.DefaultRunner) -> None:
    def fails(context: cloaca.Context, item: int) -> Any:
        if item == 2:
            raise ValueError("no")
        return None if item == 1 else {"n": item}

    result = run(runner, fails, {"a": 0, "b": 1, "c": 2, "d": 3})
    handle = runner.get_run(result.execution_id)
    items = [
        cloaca.ItemResult(0, "a", "Completed", {"n": 0}),
        cloaca.ItemResult(1, "b", "Completed", None),
        cloaca.ItemResult(2, "c", "Failed", None, "ValueError: no"),
        cloaca.ItemResult(3, "d", "Completed", {"n": 3}),
    ]
    assert handle.items("each") == items
    assert handle.items("each", status="Failed") == items[2:3]
    assert handle.items("each", after=0, limit=2) == items[1:3]
    with pytest.raises(KeyError, match="has started no map 'after'"):
        handle.items("after")


@pytest.mark.each_backend
def test_tasks_are_read_with_their_items_by_pages(open_runner: Any) -> None:
    runner = open_runner(max_concurrent_tasks=1)
    began, go = threading.Event(), threading.Event()

    def body(context: cloaca.Context, item: int) -> int:
        if item == 1:
            raise ValueError("no")
        if item == 2:
            began.set()
            go.wait(WAIT)
        return item

    with cloaca.WorkflowBuilder("mapped"):
        cloaca.task(id="before")(lambda context: None)
        options = {**QUICK, "retry_attempts": 2}
        each = cloaca.task(id="each", map="data", dependencies=["before"], **options)(body)
        cloaca.task(id="after", dependencies=[each])(lambda context: None)

    handle = runner.submit("mapped", {"data": {"a": 0, "b": 1, "c": 2, "d": 3}})
    assert began.wait(WAIT)
    until(lambda: handle.tasks(items=True)["each[c]"].status == "Running")
    page = handle.tasks(items=True, after="each[b]")
    assert list(page) == ["each[c]", "each[d]", "after"]
    assert page["each[d]"] == cloaca.TaskResult("each[d]", "NotStarted")
    go.set()
    handle.wait(timeout=WAIT)

    names = ["before", "each", "each[a]", "each[b]", "each[c]", "each[d]", "after"]
    whole = handle.tasks(items=True)
    assert list(whole) == names
    assert {name: whole[name] for name in handle.tasks()} == handle.tasks()
    item = whole["each[b]"]
    assert (item.task_id, item.status, item.attempts) == ("each[b]", "Failed", 2)
    assert (item.error, item.error_type) == ("ValueError: no", "ValueError")
    assert item.started_at is not None
    assert item.ended_at is not None
    read: list[str] = []
    while page := handle.tasks(items=True, after=read[-1] if read else None, limit=3):
        assert len(page) <= 3
        read += page
    assert read == names
    assert list(handle.tasks(items=True, after="each", limit=1)) == ["each[a]"]
    assert list(handle.tasks(items=True, after="each[3]")) == ["after"]  # by its index
    for wrong in ("none", "each[e]", "before[0]"):
        with pytest.raises(KeyError, match="no"):
            handle.tasks(items=True, after=wrong)
    with pytest.raises(ValueError, match="after is for items=True"):
        handle.tasks(after="each")
    with pytest.raises(ValueError, match="limit"):
        handle.tasks(items=True, limit=0)


@pytest.mark.each_backend
def test_events_are_read_with_those_of_items_by_pages(open_runner: Any) -> None:
    runner = open_runner(max_concurrent_tasks=1)
    again = threading.Event()

    def fails_once(context: cloaca.Context, item: int) -> int:
        if item == 1 and not again.is_set():
            raise ValueError("no")
        return item

    result = run(runner, fails_once, {"a": 0, "b": 1})
    handle = runner.get_run(result.execution_id)
    again.set()
    handle.retry()
    handle.wait(timeout=WAIT)

    whole = handle.events(items=True)
    of_items = [each for each in whole if each.task_id is not None and "[" in each.task_id]
    assert [
        (each.task_id, each.kind, each.attempt, each.detail)
        for each in of_items
        if (each.kind != "task_started")
    ] == [
        ("each[a]", "task_completed", 1, None),
        ("each[b]", "task_failed", 1, "ValueError: no"),
        ("each[b]", "task_completed", 2, None),
    ]
    begun = [(each.task_id, each.attempt) for each in of_items if each.kind == "task_started"]
    assert begun == [("each[a]", 1), ("each[b]", 1), ("each[b]", 2)]
    assert [each for each in whole if each not in of_items] == handle.events()
    of_map = [each for each in handle.events() if each.task_id == "each"]
    assert [(each.kind, each.detail) for each in of_map if each.kind != "task_started"] == [
        ("task_failed", "MapFailedError: 1 of 2 items failed, first each[b]: ValueError: no"),
        ("task_completed", "2 of 2 items"),
    ]
    assert [each.at for each in whole] == sorted(each.at for each in whole)
    kinds = [(each.task_id, each.kind) for each in whole]
    assert kinds.index(("each[b]", "task_failed")) < kinds.index(("each", "task_failed"))

    for limit in (1, 3):
        read: list[cloaca.RunEvent] = []
        while page := handle.events(items=True, after=read[-1] if read else None, limit=limit):
            read += page
        assert read == whole
    with pytest.raises(ValueError, match="after is for items=True"):
        handle.events(after=whole[0])
    with pytest.raises(TypeError, match="after must be a RunEvent or None"):
        handle.events(items=True, after=3)


@pytest.mark.each_backend
def test_the_events_of_a_fork_begin_with_its_creation(runner: cloaca.DefaultRunner) -> None:
    first = run(runner, double, [1, 2])
    fork = runner.get_run(first.execution_id).fork("after")
    fork.wait(timeout=WAIT)

    events = fork.events(items=True)

    names = [(each.task_id, each.kind) for each in events if each.kind == "task_completed"]
    assert events[0].kind == "created"
    assert names[:2] == [("each[0]", "task_completed"), ("each[1]", "task_completed")]


@pytest.mark.each_backend
@pytest.mark.parametrize("evict", [0, 10], ids=["leaving", "staying"])
def test_items_run_workflows_as_children(open_runner: Any, evict: float) -> None:
    """Each item has runs of its own, also those of one key; a failed one fails only its item."""
    runner = open_runner(evict_after_seconds=evict)
    with cloaca.WorkflowBuilder("child"):

        @cloaca.task(retry_attempts=1)
        def doubles(context: cloaca.Context) -> None:
            if context["n"] == 2:
                raise ValueError("no")
            context["doubled"] = context["n"] * 2

    def parent(context: cloaca.Context, item: int, handle: cloaca.TaskHandle) -> list[Any]:
        found = handle.run_workflow("child", {"n": item})
        keyed = handle.start_workflow("child", {"n": item + 10}, key="k").result()
        handle.submit("child", {"n": item + 20})
        return [found["doubled"], keyed["doubled"]]

    result = run(runner, parent, [1, 2, 3], item_policy="collect")

    assert result.status == "Completed", result.error
    first, failed, third = result.final_context["each"]
    assert (first, failed, third) == ([2, 22], None, [6, 26])
    handle = runner.get_run(result.execution_id)
    (error,) = [each.error for each in handle.items("each", status="Failed")]
    assert error is not None
    assert error.startswith("RunFailedError: ")
    assert len(handle.children()) == 7


@pytest.mark.each_backend
def test_items_of_other_data_run_children_of_their_own(runner: cloaca.DefaultRunner) -> None:
    """The data change between two rounds: the first item is another one then. Its body, and what
    is called when an item has ended, do not find the runs of the item that was first before.
    """
    with cloaca.WorkflowBuilder("child"):

        @cloaca.task(retry_attempts=1)
        def got(context: cloaca.Context) -> None:
            context["got"] = context["n"]

    rounds = threading.Semaphore(1)
    asked: list[int] = []

    def tell(task_id: str, context: cloaca.Context) -> None:
        runner.submit("child", {"n": context["item"] + 100})

    with cloaca.WorkflowBuilder("parent"):

        @cloaca.task
        def above(context: cloaca.Context) -> None:
            context["data"] = [1, 2] if rounds.acquire(blocking=False) else [9, 1, 2]

        @cloaca.task(dependencies=["above"], map="data", on_success=tell, **ONCE)
        def each(context: cloaca.Context, item: int, handle: cloaca.TaskHandle) -> list[int]:
            asked.append(item)
            submitted = handle.submit("child", {"n": item}).result(timeout=WAIT)
            keyed = handle.run_workflow("child", {"n": item}, key="k")
            return [submitted.final_context["got"], keyed["got"]]

        @cloaca.task(dependencies=["each"], **ONCE)
        def after(context: cloaca.Context) -> None:
            if len(context["each"]) == 2:
                raise ValueError("one is missing")

    begun = runner.submit("parent")
    assert begun.result(timeout=WAIT).status == "Failed"

    again = runner.retry(begun.id, tasks=["above"]).result(timeout=WAIT)

    assert again.status == "Completed", again.error
    assert again.final_context["each"] == [[9, 9], [1, 1], [2, 2]]
    ends = [runner.get_run(run.id).result(timeout=WAIT) for run in begun.children()]
    told = {end.final_context["got"] for end in ends if end.final_context["got"] > 100}
    assert told == {101, 102, 109}
    assert sorted(asked) == [1, 1, 2, 2, 9]


@pytest.mark.each_backend
def test_people_decide_items_one_after_the_other(runner: cloaca.DefaultRunner) -> None:
    """All ask by one name; the second decision comes before the first one is read."""

    def asks(context: cloaca.Context, item: str, handle: cloaca.TaskHandle) -> Any:
        return handle.approval("sign", f"Sign {item}?")["by"]

    with cloaca.WorkflowBuilder("mapped"):
        cloaca.task(id="each", map="data", **ONCE)(asks)
    handle = runner.submit("mapped", {"data": {"a": 1, "b": 2}})
    until(lambda: len(runner.waiting_for_people()) == 2)
    assert [each.item for each in runner.waiting_for_people()] == [0, 1]
    assert "2 of them wait; each[0] waits for a person" in str(handle.explain())

    handle.approve("sign", "approve", by="ann")
    handle.approve("sign", "approve", by="bob")

    assert handle.result(WAIT).final_context["each"] == {"a": "ann", "b": "bob"}
    with pytest.raises(cloaca.AlreadyDecidedError):
        handle.approve("sign", "approve", by="cy")


def test_a_map_is_under_way_while_an_item_waits_to_be_tried_again(open_runner: Any) -> None:
    """The run has left memory."""
    runner = open_runner(evict_after_seconds=0)

    def asks(context: cloaca.Context, item: int) -> int:
        if item == 1:
            raise cloaca.RetryAfter(3600)
        return item

    with cloaca.WorkflowBuilder("mapped"):
        cloaca.task(id="each", map=[0, 1])(asks)
    handle = runner.submit("mapped")
    until(lambda: handle.info().due_at is not None)

    (explained,) = handle.explain().tasks
    assert (explained.status, explained.code) == ("Running", "running")
    assert "its items are under way" in str(handle.explain())
    assert [each.status for each in handle.items("each")] == ["Completed", "Waiting"]
    handle.cancel()
    handle.result(WAIT)
    assert [each.status for each in handle.items("each")] == ["Completed", "Cancelled"]


@pytest.mark.each_backend
def test_a_completed_map_says_how_many_items_it_had_and_how_many_failed(
    runner: cloaca.DefaultRunner,
) -> None:
    def fails_at_one(context: cloaca.Context, item: int) -> int:
        if item == 1:
            raise ValueError("no")
        return item

    with cloaca.WorkflowBuilder("mapped"):
        collected: dict[str, Any] = {"item_policy": "collect", "retry_attempts": 1}
        cloaca.task(id="each", map=[0, 1, 2], **collected)(fails_at_one)
    handle = runner.submit("mapped")
    assert handle.result(WAIT).status == "Completed"

    (explained,) = handle.explain().tasks
    assert explained.why == "completed; it has come to 3 of 3: 1 failed"


def test_lines_of_items_name_their_item(runner: cloaca.DefaultRunner) -> None:
    def logs(context: cloaca.Context, item: str, handle: cloaca.TaskHandle) -> None:
        handle.log(f"converts {item}")
        handle.log("done")

    result = run(runner, logs, ["a", "b"])
    lines = runner.get_run(result.execution_id).logs("each")
    assert sorted((line.item, line.number, line.message, line.dropped) for line in lines) == [
        (0, 1, "converts a", 0),
        (0, 2, "done", 0),
        (1, 1, "converts b", 0),
        (1, 2, "done", 0),
    ]


@pytest.mark.each_backend
def test_an_item_is_named_by_its_label_or_its_index(runner: cloaca.DefaultRunner) -> None:
    broken = {2}

    def logs(context: cloaca.Context, item: int, handle: cloaca.TaskHandle) -> int:
        handle.log(f"converts {item}")
        if item in broken:
            raise ValueError("no")
        return handle.attempt

    result = run(runner, logs, {"north.csv": 1, "0": 2})
    handle = runner.get_run(result.execution_id)
    names = ["each[north.csv]", "each[1]", "each[0]"]
    messages = ["converts 1", "converts 2", "converts 2"]
    assert [[line.message for line in handle.logs(name)] for name in names] == [
        [message] for message in messages
    ]
    assert [line.message for line in handle.follow_logs("each[1]")] == ["converts 2"]
    with pytest.raises(cloaca.TaskNotFoundError, match=r"no item '2'; it has 2"):
        handle.logs("each[2]")

    broken.clear()
    plan = runner.plan_retry(handle.id, tasks=["each[0]"])
    assert [each.task for each in plan.run] == ["each", "after"]
    again = runner.retry(handle.id, tasks=["each[0]"]).result(WAIT)
    assert again.final_context["each"] == {"north.csv": 1, "0": 2}
    made = runner.fork(handle.id, "each[north.csv]").result(WAIT)
    assert made.final_context["each"] == {"north.csv": 2, "0": 2}


def test_items_that_a_map_has_not_begun_are_skipped_when_it_stops(open_runner: Any) -> None:
    def fails(context: cloaca.Context, item: int) -> None:
        raise ValueError("no")

    result = run(open_runner(max_concurrent_tasks=1), fails, list(range(9)), item_policy="stop")
    found = open_runner().get_run(result.execution_id).items("each")
    statuses = [each.status for each in found]
    assert statuses[0] == "Failed"
    assert statuses[4:] == ["Skipped"] * 5


@pytest.mark.each_backend
def test_a_later_body_reads_the_items_by_pages(runner: cloaca.DefaultRunner) -> None:
    def fails(context: cloaca.Context, item: int) -> int:
        if item == 1:
            raise ValueError("no")
        return item

    with cloaca.WorkflowBuilder("read"):
        cloaca.task(id="each", map="data", results="rows", item_policy="collect", **ONCE)(fails)

        @cloaca.task(dependencies=["each"])
        def sums(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
            found = list(handle.results("each"))
            context["sum"] = sum(each.result for each in found if each.status == "Completed")
            context["errors"] = [each.error for each in found if each.error]

        @cloaca.task(dependencies=["sums"])
        async def later(context: cloaca.Context, handle: cloaca.AsyncTaskHandle) -> None:
            context["count"] = len([each async for each in handle.results("each")])

    result = runner.execute("read", {"data": list(range(1100))}, timeout=WAIT)
    assert result.status == "Completed", result.error
    found = result.final_context
    assert found["each"] == {"items": 1100, "failed": 1}
    assert (found["sum"], found["errors"]) == (sum(range(1100)) - 1, ["ValueError: no"])
    assert found["count"] == 1100


@pytest.mark.each_backend
def test_a_retry_and_a_fork_run_the_items_that_a_caller_has_chosen(
    runner: cloaca.DefaultRunner,
) -> None:
    """A collected map runs again in a run that has failed below it."""
    lock = threading.Lock()
    calls: list[str] = []

    def note(context: cloaca.Context, item: str, handle: cloaca.TaskHandle) -> str:
        with lock:
            calls.append(item)
            count = calls.count(item)
        if item == "south" and count == 1:
            raise ValueError("cut off")
        return f"{item} {count}"

    with cloaca.WorkflowBuilder("chosen"):
        collect: dict[str, Any] = {"item_policy": "collect", **ONCE}
        cloaca.task(id="convert", map=[{"n": n} for n in ("north", "south", "east")], **collect)(
            lambda context, item, handle: note(context, item["n"], handle)
        )

        @cloaca.task(dependencies=["convert"], **ONCE)
        def after(context: cloaca.Context) -> None:
            if None in context["convert"]:
                raise ValueError("an item is missing")

    begun = runner.submit("chosen")
    first = begun.result(timeout=WAIT)
    assert (first.status, sorted(calls)) == ("Failed", ["east", "north", "south"])
    calls_before = len(calls)

    again = runner.retry(begun.id, items={"convert": [1]}).result(timeout=WAIT)

    assert again.status == "Completed", again.error
    assert again.final_context["convert"] == ["north 1", "south 2", "east 1"]
    assert len(calls) == calls_before + 1

    made = runner.fork(begun.id, "convert", items=["0"]).result(timeout=WAIT)

    assert made.status == "Completed", made.error
    assert made.final_context["convert"] == ["north 2", "south 2", "east 1"]
    with pytest.raises(cloaca.TaskNotFoundError, match="has no item 3; it has 3"):
        runner.fork(begun.id, "convert", items=[3])


@pytest.mark.each_backend
def test_an_event_and_a_decision_are_for_one_item(runner: cloaca.DefaultRunner) -> None:
    begun: list[str] = []
    with cloaca.WorkflowBuilder("asks"):

        @cloaca.task(map="data")
        def each(context: cloaca.Context, item: int, handle: cloaca.TaskHandle) -> list[Any]:
            begun.append(str(handle.label))
            paid = handle.wait_for("paid")
            return [paid, handle.approval("sign", "Pay?", choices=["yes", "no"])["choice"]]

    handle = runner.submit("asks", {"data": {"north": 1, "south": 2}})
    until(lambda: {"north", "south"} <= set(begun))
    assert handle.send("paid", 7, item=("each", "south")).changed
    until(lambda: [each.item for each in runner.waiting_for_people()] == [1])
    assert runner.send(handle.id, "paid", 5, item="each[north]").changed
    until(lambda: len(runner.waiting_for_people()) == 2)

    assert handle.approve("sign", "no", item=("each", 1)).changed
    assert [each.item for each in runner.waiting_for_people()] == [0]
    with pytest.raises(cloaca.AlreadyDecidedError, match=r"'sign' of each\[south\] of run"):
        handle.approve("sign", "yes", item=("each", "south"))
    with pytest.raises(cloaca.TaskNotFoundError, match="has no item 2; it has 2"):
        handle.send("paid", item=("each", 2))
    assert runner.approve(handle.id, "sign", "yes").changed

    assert handle.result(WAIT).final_context["each"] == {"north": [5, "yes"], "south": [7, "no"]}
    told = {act.reason for act in runner.actions() if act.kind in ("send", "approve")}
    assert told == {
        "paid for each[south]",
        "paid for each[north]",
        "sign: no, for each[south]",
        "sign: yes, for each[0]",
    }
