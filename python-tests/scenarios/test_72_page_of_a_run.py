"""72: people look at a run on the web page: what it is like and why, and its tasks, one of which is
selected, as a timeline, a graph or a table.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from html import unescape
from typing import TYPE_CHECKING, Any

import pytest
from scenarios.steering import until

import cloaca

if TYPE_CHECKING:
    from starlette.testclient import TestClient

WAIT = 60
HOSTILE = "<script>alert(1)</script>"
OpenRunner = Callable[..., cloaca.DefaultRunner]


@pytest.fixture
def page(runner: cloaca.DefaultRunner) -> TestClient:
    """The page of the test's database."""
    from starlette.testclient import TestClient  # takes as long to import as all of the rest

    return TestClient(cloaca.ui(runner, auth=cloaca.ui_without_auth, hosts=("testserver",)))


def look(page: TestClient, run_id: str, target: str = "", **query: object) -> str:
    """The page of a run; of the part that a script asks for by the id of its element."""
    headers = {"hx-request": "true", "hx-target": target} if target else {}
    given = {key: str(value) for key, value in query.items()}
    answer = page.get(f"/runs/{run_id}", params=given, headers=headers)
    assert answer.status_code == 200
    return answer.text


def words(html: str) -> str:
    """The text of a piece of HTML, as a reader meets it."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def part(html: str, element: str) -> str:
    """What stands from the element of this id on."""
    return html[html.index(f'id="{element}"') :]


def rows(html: str) -> list[str]:
    """The tasks that have a row, in its order."""
    return [unescape(each) for each in re.findall(r'data-row data-task="([^"]*)"', html)]


def selected(html: str) -> list[str]:
    """The tasks whose rows are marked."""
    return re.findall(r'data-task="([^"]*)" data-run="[^"]*"[^>]* aria-current="true"', html)


@pytest.fixture
def failed(runner: cloaca.DefaultRunner) -> cloaca.RunHandle:
    """An order that has failed at its third task."""
    with cloaca.WorkflowBuilder("order"):

        @cloaca.task
        def reserve(context: dict[str, Any]) -> None:
            pass

        @cloaca.task(dependencies=[reserve])
        def charge(context: dict[str, Any]) -> None:
            pass

        @cloaca.task(dependencies=[charge], retry_attempts=2, retry_delay_ms=1)
        def send(context: dict[str, Any]) -> None:
            raise TimeoutError(f"no answer {HOSTILE}\nsecond line")

        @cloaca.task(dependencies=[send])
        def thank(context: dict[str, Any]) -> None:
            pass

    handle = runner.submit("order", {}, tags={"shop": HOSTILE}, priority=3)
    handle.wait(WAIT)
    return handle


def test_a_long_reason_is_folded_and_there_as_a_whole(
    page: TestClient, runner: cloaca.DefaultRunner
) -> None:
    with cloaca.WorkflowBuilder("talker"):

        @cloaca.task(retry_attempts=1)
        def talk(context: dict[str, Any]) -> None:
            raise RuntimeError("row " * 50 + "ends")

    handle = runner.submit("talker", {})
    handle.wait(WAIT)
    html = look(page, handle.id)

    assert 'id="run-says" class="clamped"><summary>' in html
    assert "row row ends" in words(part(html, "run-explain"))
    assert "A retry runs it again" in words(part(html, "run-explain"))


@pytest.mark.each_backend
def test_the_head_says_what_the_run_is_like_and_why(
    page: TestClient, failed: cloaca.RunHandle
) -> None:
    html = look(page, failed.id)
    facts = words(part(html, "run-facts"))
    cause = words(part(html, "run-explain"))

    assert "order" in words(part(html, "run-head"))
    assert f'data-copy="{failed.id}"' in html
    assert re.search(r"Started \S+ Took \d.* Round 1 Version \w+ .*Priority 3 Tag shop=", facts)
    assert f"send failed after 2 attempts: TimeoutError: no answer {HOSTILE}" in cause
    assert "Skipped because of it: thank. A retry runs it again" in cause
    assert "2 finished tasks stay." in cause


def test_nothing_that_users_wrote_becomes_markup(
    page: TestClient, failed: cloaca.RunHandle
) -> None:
    for view in ("timeline", "graph", "table"):
        assert HOSTILE not in look(page, failed.id, view=view)


def test_the_page_opens_at_the_task_that_failed(page: TestClient, failed: cloaca.RunHandle) -> None:
    html = look(page, failed.id)

    assert rows(html) == ["reserve", "charge", "send", "thank"]
    assert selected(html) == ["send"]
    assert words(part(html, "pane")).find("send") >= 0


@pytest.mark.parametrize("view", ["timeline", "table"])
def test_the_address_selects_the_view_and_the_task(
    page: TestClient, failed: cloaca.RunHandle, view: str
) -> None:
    html = look(page, failed.id, view=view, task="charge")

    assert f'id="run-{view}"' in html
    assert selected(html) == ["charge"]
    assert re.search(rf'id="view-{view}"[^>]*aria-current="true"', html)
    assert re.search(r'id="view-graph" href="[^"]*view=graph&amp;task=charge"', html)


def test_a_graph_has_the_selection_too(page: TestClient, failed: cloaca.RunHandle) -> None:
    html = look(page, failed.id, view="graph", task="charge")

    assert re.search(r'data-task="charge" aria-current="true"', part(html, "run-graph"))


def test_what_draws_graphs_is_not_loaded_with_the_page(
    page: TestClient, failed: cloaca.RunHandle
) -> None:
    html = look(page, failed.id)
    begin = html.index('<template id="graph-scripts">')
    end = html.index("</template>", begin)
    assert "dagre.js" in html[begin:end]
    assert "dagre.js" not in html[:begin] + html[end:]


def test_a_view_or_task_that_is_not_there_is_left_aside(
    page: TestClient, failed: cloaca.RunHandle
) -> None:
    html = look(page, failed.id, view="dance", task="nothing", of="nowhere", rows="x,-1,99999")

    assert 'id="run-timeline"' in html
    assert selected(html) == ["send"]


def test_a_script_gets_the_pane_alone(page: TestClient, failed: cloaca.RunHandle) -> None:
    html = look(page, failed.id, "aside#pane", task="charge")

    assert "charge" in words(html)
    assert "run-head" not in html
    assert "<aside" not in html


def test_attempts_are_drawn_with_their_failures(page: TestClient, failed: cloaca.RunHandle) -> None:
    html = part(look(page, failed.id), "chunk-0")
    send = html[html.index('data-task="send"') : html.index('data-task="thank"')]
    thank = html[html.index('data-task="thank"') :]

    assert send.count('class="f-bar is-failed"') == 2
    assert send.count('href="#bad"') == 2
    assert "2 attempts" in words(send)
    assert 'class="k-dash"' in thank
    assert "send failed" in words(thank)


def test_the_table_has_states_dependencies_and_first_lines_of_errors(
    page: TestClient, failed: cloaca.RunHandle
) -> None:
    html = part(look(page, failed.id, view="table"), "run-table")
    send = html[html.index('data-task="send"') : html.index('data-task="thank"')]

    assert re.match(r".*send Failed 2 .*charge TimeoutError: no answer", words(send))
    assert "second line" not in words(re.sub(r'title="[^"]*"', "", send))


def test_an_unknown_run_is_not_found(page: TestClient, failed: cloaca.RunHandle) -> None:
    assert page.get("/runs/ffffffff").status_code == 404


# -- runs below ----------------------------------------------------------------------------------


def test_runs_below_a_task_stand_under_it_and_can_be_selected(
    page: TestClient, runner: cloaca.DefaultRunner
) -> None:
    with cloaca.WorkflowBuilder("photo"):

        @cloaca.task
        def shrink(context: dict[str, Any]) -> None:
            pass

    with cloaca.WorkflowBuilder("list"):

        @cloaca.task
        def photos(context: dict[str, Any]) -> None:
            runner.execute("photo")

        @cloaca.task(dependencies=[photos])
        def publish(context: dict[str, Any]) -> None:
            pass

    handle = runner.submit("list")
    handle.wait(WAIT)
    (child,) = [run for run in runner.list_runs() if run.workflow_name == "photo"]
    html = look(page, handle.id)

    assert rows(html) == ["photos", "shrink", "publish"]
    assert f'id="kids-{child.id}"' in html
    assert f"task=shrink&amp;of={child.id}" in html

    below = look(page, handle.id, task="shrink", of=child.id)
    assert selected(below) == ["shrink"]
    assert "shrink" in words(part(below, "pane"))
    shown = f"{handle.id[:8]}…{handle.id[-4:]}"
    assert f"By run {shown}" in words(part(look(page, child.id), "run-facts"))
    assert f">cloaca runs show {child.id}<" in look(page, child.id)


# -- states --------------------------------------------------------------------------------------


def waiting(runner: cloaca.DefaultRunner) -> cloaca.RunHandle:
    """A run that waits for a decision."""
    with cloaca.WorkflowBuilder("answer"):
        cloaca.approval("sign", prompt="Send it?", choices=["yes", "no"])

    handle = runner.submit("answer")
    for snapshot in handle.watch():
        if snapshot.run.status == "Waiting":
            break
    return handle


def test_a_run_that_waits_says_for_what(page: TestClient, runner: cloaca.DefaultRunner) -> None:
    html = look(page, waiting(runner).id)

    assert "sign waits for a decision since" in words(part(html, "run-explain"))
    assert 'class="f-hatch f-ask"' in html
    assert selected(html) == ["sign"]


def test_a_run_that_no_runner_has_begun_says_why(open_runner: OpenRunner) -> None:
    from starlette.testclient import TestClient

    with cloaca.WorkflowBuilder("later"):

        @cloaca.task
        def only(context: dict[str, Any]) -> None:
            pass

    runner = open_runner(start=False)
    handle = runner.submit("later")
    page = TestClient(cloaca.ui(runner, auth=cloaca.ui_without_auth, hosts=("testserver",)))
    html = look(page, handle.id)

    assert "claims nothing" in words(part(html, "run-explain"))
    assert rows(html) == ["only"]
    assert "Created" in words(part(html, "run-facts"))


def test_a_paused_run_names_who_paused_it(page: TestClient, runner: cloaca.DefaultRunner) -> None:
    handle = waiting(runner)
    runner.pause(handle.id, reason="stock count", by="ann")
    html = look(page, handle.id)

    assert re.search(r"aused by ann: stock count", words(part(html, "run-explain")))
    assert 'class="f-pause"' in html


def test_a_second_round_shows_where_it_began(
    page: TestClient, runner: cloaca.DefaultRunner, failed: cloaca.RunHandle
) -> None:
    runner.retry(failed.id).wait(WAIT)
    html = look(page, failed.id)

    assert "Round 2" in words(part(html, "run-facts"))
    assert "<title>round 2</title>" in html


# -- large runs ----------------------------------------------------------------------------------


@pytest.fixture
def large(runner: cloaca.DefaultRunner) -> cloaca.RunHandle:
    """A run of 450 tasks: two chunks and a part of one."""
    with cloaca.WorkflowBuilder("large"):
        for number in range(450):

            @cloaca.task(id=f"t{number:03}")
            def body(context: dict[str, Any]) -> None:
                pass

    handle = runner.submit("large")
    handle.wait(WAIT)
    return handle


def test_a_large_run_comes_in_chunks(page: TestClient, large: cloaca.RunHandle) -> None:
    html = look(page, large.id, only="completed")
    at = re.findall(r'data-at="([^"]+)"', html)[0]

    assert rows(html) == [f"t{number:03}" for number in range(200)]
    assert re.findall(r'data-chunk="(\d)"', html) == ["0", "1", "2"]
    # 50 rows, of pieces of 32, 16 and 2
    last = part(html, "chunk-2")
    assert re.findall(r"rows-(\d+)", last)[:3] == ["32", "16", "2"]
    assert words(last).startswith('id="chunk-2" class="tl-chunk" data-chunk="2"> Tasks 401 to 450')

    chunk = look(page, large.id, "div#chunk-2", rows=2, at=at, only="completed")
    assert rows(chunk) == [f"t{number:03}" for number in range(400, 450)]
    assert chunk.lstrip().startswith('<div id="chunk-2"')


def test_a_large_run_that_has_ended_is_as_it_was_seen_until_somebody_steers_it(
    page: TestClient, runner: cloaca.DefaultRunner
) -> None:
    with cloaca.WorkflowBuilder("large"):
        for number in range(210):

            @cloaca.task(id=f"t{number:03}", retry_attempts=1)
            def body(context: dict[str, Any]) -> None:
                raise ValueError("422")

    run = runner.submit("large")
    run.wait(WAIT)
    first = re.findall(r'data-at="([^"]+)"', look(page, run.id))
    assert re.findall(r'data-at="([^"]+)"', look(page, run.id)) == first

    runner.retry(run.id).wait(WAIT)

    html = look(page, run.id)
    assert re.findall(r'data-at="([^"]+)"', html) != first
    assert "Round 2" in words(part(html, "run-facts"))


def test_without_a_script_a_link_leads_to_the_next_ones(
    page: TestClient, large: cloaca.RunHandle
) -> None:
    html = look(page, large.id, only="completed")
    (link,) = re.findall(r'<a href="([^"]+)">Next 200</a>', html)
    answer = page.get(unescape(link))

    assert rows(answer.text) == [f"t{number:03}" for number in range(200, 400)]


def test_a_live_look_keeps_the_chunks_that_are_there(
    page: TestClient, large: cloaca.RunHandle
) -> None:
    html = look(page, large.id, "main#page", rows="0,2", only="completed")

    assert re.findall(r'data-chunk="(\d)" data-loaded', html) == ["0", "2"]
    assert "<html" not in html


def test_the_chunk_of_the_selected_task_is_there_at_once(
    page: TestClient, large: cloaca.RunHandle
) -> None:
    html = look(page, large.id, task="t420", only="completed")

    assert selected(html) == ["t420"]
    assert re.findall(r'data-chunk="(\d)" data-loaded', html) == ["0", "2"]


def test_the_table_comes_in_chunks_too(page: TestClient, large: cloaca.RunHandle) -> None:
    html = look(page, large.id, view="table", rows=1)

    assert rows(html) == [f"t{number:03}" for number in range(200, 400)]


def test_a_fan_out_is_one_line_with_its_failed_tasks_and_the_selected_one_below(
    page: TestClient, runner: cloaca.DefaultRunner
) -> None:
    with cloaca.WorkflowBuilder("fan"):
        names = [f"shard{number:02}" for number in range(30)]
        for name in names:

            @cloaca.task(id=name, retry_attempts=1)
            def body(context: dict[str, Any], name: str = name) -> None:
                if name in ("shard07", "shard11"):
                    raise ValueError("checksum differs")

        @cloaca.task(dependencies=names)
        def done(context: dict[str, Any]) -> None: ...

    run = runner.submit("fan")
    run.wait(WAIT)

    html = look(page, run.id, task="shard20")
    assert rows(html) == ["shard07", "shard11", "shard20", "done"]
    assert "shard… 30 tasks: 2 failed · 28 completed" in words(html)
    (link,) = re.findall(r'href="([^"]+)" data-stay\s+aria-expanded="false"', html)
    opened = page.get(unescape(link)).text
    assert rows(opened) == [*names, "done"]
    assert 'aria-expanded="true"' in opened
    assert rows(look(page, run.id, only="completed"))[:2] == ["shard00", "shard01"]
    assert rows(look(page, run.id, view="table"))[:2] == ["shard00", "shard01"]


def test_the_graph_of_a_large_run_has_groups_which_open(
    page: TestClient, large: cloaca.RunHandle
) -> None:
    html = look(page, large.id, view="graph", task="t007")
    assert re.findall(r'data-counts="([^"]+)"', html) == ["completed:450 "]
    assert re.findall(r'<a href="[^"]+" data-task="([^"]+)"', html) == ["t007"]  # the selected one

    (link,) = re.findall(r'href="([^"]+)" data-group="t000 … t449" data-stay', html)
    opened = page.get(unescape(link)).text
    assert opened.count('data-within="0"') == 450


def test_tasks_are_found_and_filtered_without_a_script(
    page: TestClient, failed: cloaca.RunHandle, large: cloaca.RunHandle
) -> None:
    html = look(page, failed.id)
    assert words(part(html, "run-counts")).startswith(
        'id="run-counts" class="task-counts" role="group" aria-label="Tasks by state"> '
        "4 tasks 1 failed 1 skipped 2 completed"
    )
    (link,) = re.findall(r'href="([^"]+)" data-stay>[^\n]*1 failed', part(html, "run-counts"))
    narrow = page.get(unescape(link)).text
    assert rows(narrow) == ["send"]
    assert rows(look(page, failed.id, view="table", only="completed")) == ["reserve", "charge"]

    found = look(page, large.id, q="T44", only="completed")
    assert rows(found) == [f"t44{digit}" for digit in range(10)]
    assert "10 found" in words(part(found, "run-counts"))
    assert 'name="only" value="completed"' in part(found, "run-find")
    assert "No task matches" in look(page, large.id, q="u")


def test_the_table_is_sorted_by_a_column(page: TestClient, large: cloaca.RunHandle) -> None:
    html = look(page, large.id, view="table", sort="-task")

    assert rows(html)[:2] == ["t449", "t448"]
    assert re.findall(r'aria-sort="(\w+)"', html) == ["descending", *["none"] * 4]


def test_a_large_run_is_not_read_anew_for_other_rows_of_it(
    page: TestClient, large: cloaca.RunHandle, runner: cloaca.DefaultRunner
) -> None:
    waits = runner.submit("large", delay=3600)
    (at,) = re.findall(r'data-at="([^"]+)"', look(page, waits.id))

    own = look(page, waits.id, "main#page", q="t00", at=at)

    assert re.findall(r'data-at="([^"]+)"', own) == [at]
    assert len(rows(own)) == 10
    assert re.findall(r'data-at="([^"]+)"', look(page, waits.id, "main#page", q="t00")) != [at]


def test_a_visitor_has_so_many_exports_at_a_time(
    runner: cloaca.DefaultRunner, failed: cloaca.RunHandle, monkeypatch: pytest.MonkeyPatch
) -> None:
    from starlette.testclient import TestClient

    monkeypatch.setattr("cloaca_tools.ui.site.places.EXPORTS_EACH", 0)
    web = TestClient(cloaca.ui(runner, auth=cloaca.ui_without_auth, hosts=("testserver",)))

    for file in ("export", "case"):
        answer = web.get(f"/runs/{failed.id}/{file}")
        assert answer.status_code == 429
        assert "Another export is being made" in answer.text
    assert web.get(f"/runs/{failed.id}").status_code == 200


# -- a map ---------------------------------------------------------------------------------------


@pytest.fixture
def mapped(runner: cloaca.DefaultRunner) -> cloaca.RunHandle:
    """A run with a map of 120 items, of which every fortieth has failed; its labels are hostile."""
    with cloaca.WorkflowBuilder("library"):

        @cloaca.task
        def unlock(context: cloaca.Context) -> None: ...

        @cloaca.task(map="files", label="name", retry_attempts=1, dependencies=["unlock"])
        def convert(context: cloaca.Context, item: Any) -> Any:
            if item["page"] % 40 == 7:
                raise ValueError(f"page {item['page']} {HOSTILE}")
            return {"pages": item["page"]}

    files = [{"name": f"{HOSTILE}{page}", "page": page} for page in range(120)]
    run = runner.submit("library", {"files": files})
    run.wait(WAIT)
    return run


def items(html: str) -> list[int]:
    """The items that have a row, by their numbers."""
    return [
        int(each)
        for each in re.findall(r'</script>(\d+)"><span', unescape(part(html, "item-rows")))
    ]


def test_a_map_shows_its_items_by_state_and_page(
    page: TestClient, mapped: cloaca.RunHandle
) -> None:
    first = look(page, mapped.id, state="all")
    assert "Items 120 items" in words(part(first, "pane-items"))
    assert "3 failed 117 completed" in words(part(first, "item-counts"))
    assert 'aria-label="3 failed, 117 completed"' in first
    assert items(first) == list(range(50))

    assert len(re.findall(r'<svg class="f-items" x="[0-9.]+%" width="[0-9.]+%"', first)) == 1
    assert "f-items" in look(page, mapped.id, q="convert")  # the only row, of the second task
    assert "f-items" not in look(page, mapped.id, view="table")

    failed = look(page, mapped.id)  # a map that has failed opens at the fault
    assert items(failed) == [7, 47, 87]
    assert "item-pages" not in failed
    last = look(page, mapped.id, task="convert", after=99)
    assert items(last) == list(range(100, 120))
    assert " 101 to 120 of 120 First Previous " in words(part(last, "item-pages"))
    assert items(look(page, mapped.id, task="convert", state="all", after=49)) == [*range(50, 100)]
    assert HOSTILE not in first + failed + last


def test_one_item_shows_its_error_or_its_result(page: TestClient, mapped: cloaca.RunHandle) -> None:
    failed = words(part(look(page, mapped.id, "pane", task="convert", item=7), "item"))
    assert f"convert[{HOSTILE}7]" in failed
    assert "item 7 · 1 attempt" in failed
    assert f"ValueError: page 7 {HOSTILE}" in failed
    assert '3 "page": 7 4 }' in failed  # lines of its data
    completed = words(part(look(page, mapped.id, task="convert", item=8), "item"))
    assert '"pages" : 8' in completed or '"pages": 8' in completed


def test_an_item_is_found_by_its_label_or_its_index(
    page: TestClient, mapped: cloaca.RunHandle
) -> None:
    for name in (f"{HOSTILE}8", "8"):
        assert "item 8 ·" in words(part(look(page, mapped.id, task="convert", find=name), "item"))
    none = look(page, mapped.id, task="convert", find="120")
    assert "No item is called “120”." in words(part(none, "pane-items"))
    assert 'id="item"' not in none


def test_a_map_of_which_items_wait_for_a_limit_says_so(
    page: TestClient, runner: cloaca.DefaultRunner
) -> None:
    gate = threading.Event()
    with cloaca.WorkflowBuilder("narrow"):

        @cloaca.task(map=[1, 2], limits=[cloaca.Limit("one", total=1)])
        def call(context: cloaca.Context) -> None:
            gate.wait(WAIT)

    run = runner.submit("narrow")
    why = "1 item waits for a place of limit one, which call of this run holds."
    until(lambda: why in words(look(page, run.id)))
    gate.set()
    run.wait(WAIT)


def test_each_run_below_a_task_has_a_row_of_its_name_in_the_table(
    page: TestClient, runner: cloaca.DefaultRunner
) -> None:
    with cloaca.WorkflowBuilder("shop"):

        @cloaca.task(retry_attempts=1)
        def publish(context: cloaca.Context) -> None:
            if context["index"] == 1:
                raise ConnectionError("refused")

    with cloaca.WorkflowBuilder("shops"):
        cloaca.child("few", "shop", map=["a", "b"])
        cloaca.child("many", "shop", map=list("abcdefghi"))
    run = runner.submit("shops")
    run.wait(WAIT)

    table = words(part(look(page, run.id, view="table", task="few"), "run-table"))
    assert "[0] · shop Completed" in table
    assert "[1] · shop Failed" in table
    assert table.count("publish Failed") == 1  # the tasks of a run that is over and well are folded
    assert "publish Completed" not in table
    assert "9 \N{MULTIPLICATION SIGN} shop Failed 9 runs: 1 failed, 8 completed" in table
    failed = words(part(look(page, run.id, task="few", item=1), "item"))
    assert re.search("Open its run [0-9a-f…]{13}", failed)


def test_a_map_that_has_not_begun_or_has_no_item_is_a_task_as_any(
    page: TestClient, runner: cloaca.DefaultRunner
) -> None:
    with cloaca.WorkflowBuilder("later"):

        @cloaca.task(retry_attempts=1)
        def find(context: cloaca.Context) -> None:
            raise ValueError("no folder")

        @cloaca.task(dependencies=[find], map="files")
        def convert(context: cloaca.Context) -> None: ...

        @cloaca.task(map=[])
        def none(context: cloaca.Context) -> None: ...

    run = runner.submit("later")
    run.wait(WAIT)
    assert "pane-items" not in look(page, run.id, task="convert")
    assert "Its data had no items." in look(page, run.id, task="none")


def test_the_page_of_a_large_map_is_small(page: TestClient, runner: cloaca.DefaultRunner) -> None:
    with cloaca.WorkflowBuilder("wide"):

        @cloaca.task(map="numbers")
        async def double(context: cloaca.Context, item: int) -> int:
            return 2 * item

        @cloaca.task(dependencies=[double])
        def after(context: cloaca.Context) -> None: ...

    run = runner.submit("wide", {"numbers": list(range(10**6, 10**6 + 3_000))})
    run.wait(WAIT)
    sizes = [len(look(page, run.id, task=task)) for task in ("double", "after")]
    assert max(sizes) < 150_000
