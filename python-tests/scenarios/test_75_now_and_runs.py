"""75: the page that opens first, and the list of runs: filters, paging, what is live, and acts on
many runs after their plan.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from starlette.testclient import TestClient
from tables import each_row

import cloaca
from cloaca.testing import harness
from cloaca_testing.conformance.rows import runner as row_of_a_runner
from cloaca_tools.transfer.opened import Place
from cloaca_tools.ui.pages import runs as runs_page
from cloaca_tools.ui.site import health
from cloaca_tools.views.workflows.activity import FEW

WAIT = 60
HERE = {"origin": "http://testserver"}
SCRIPT = "<script>alert(1)</script>"


def visitor(role: Any) -> Any:
    return lambda _: cloaca.Visitor(role=role, name="ann")


@pytest.fixture
def client(database_url: str) -> Iterator[cloaca.Client]:
    with cloaca.Client(database_url) as opened:
        yield opened


@pytest.fixture
def browser(client: cloaca.Client) -> Iterator[TestClient]:
    """A visitor who may act."""
    app = cloaca.ui(client, auth=visitor("steer"), hosts=("testserver",))
    with TestClient(app, headers=HERE) as opened:
        yield opened


@pytest.fixture
def onlooker(client: cloaca.Client) -> Iterator[TestClient]:
    """A visitor who may look only."""
    app = cloaca.ui(client, auth=visitor("view"), hosts=("testserver",))
    with TestClient(app, headers=HERE) as opened:
        yield opened


@pytest.fixture
def ids(runner: cloaca.DefaultRunner) -> list[str]:
    """Four runs, oldest first: one of ``order`` that completed and two that failed, and one of
    ``mail`` that waits for a person.
    """
    with cloaca.WorkflowBuilder("order"):

        @cloaca.task
        def charge(context: cloaca.Context) -> None: ...

        @cloaca.task(dependencies=[charge], retry_attempts=1)
        def send(context: cloaca.Context) -> None:
            if context.get("lost"):
                raise TimeoutError(f"no answer {SCRIPT}")

    with cloaca.WorkflowBuilder("mail"):
        cloaca.approval("sign", prompt="Send this answer?", choices=["yes", "no"])

    handles = [
        runner.submit("order", tags={"shop": "no"}),
        runner.submit("order", {"lost": True}, tags={"shop": "se", "a b": SCRIPT}),
        runner.submit("order", {"lost": True}),
    ]
    for handle in handles:
        handle.wait(WAIT)
    asks = runner.submit("mail")
    for tree in cloaca.Observer(runner).watch(asks.id):
        if tree.run.status == "Waiting":
            break
    return [handle.id for handle in [*handles, asks]]


def page(browser: TestClient, address: str, **options: Any) -> str:
    answer = browser.get(address, **options)
    assert answer.status_code == 200, answer.text
    return answer.text


def rows(text: str) -> list[str]:
    """The ids of the rows, as they stand."""
    return re.findall(r'data-id="([^"]+)"', text)


def words(text: str) -> str:
    """The text of a page without its tags, spaces as one."""
    return " ".join(unescape(re.sub("<[^>]*>", " ", text)).split())


def form(text: str) -> dict[str, Any]:
    """The hidden fields of the form that acts."""
    body = text[text.index('id="bulk-form"') :]
    fields: dict[str, Any] = {}
    for name, value in re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', body):
        fields.setdefault(name, []).append(unescape(value))
    return fields


def statuses(runner: cloaca.DefaultRunner, run_ids: Sequence[str]) -> list[str]:
    observer = cloaca.Observer(runner)
    return [observer.run(run_id).wait().status for run_id in run_ids]


# -- now -----------------------------------------------------------------------------------------


def test_an_empty_database_says_how_to_start_a_first_run(
    runner: cloaca.DefaultRunner, browser: TestClient, database_url: str, backend_name: str
) -> None:
    text = page(browser, "/")
    lines = [
        unescape(line) for line in re.findall(r"<span>(.*?)</span>", _after(text, "first-run"))
    ]
    assert "Nothing has run here yet" in words(text)
    assert "No run yet" in words(page(browser, "/runs"))

    if backend_name == "sqlite":
        name = database_url.partition("?")[0].rpartition("/")[2]
        assert f'cloaca.DefaultRunner("sqlite://{name}")' in lines[3]
    program = re.sub(r'cloaca.DefaultRunner\("[^"]*"\)', "runner", "\n".join(lines[:4]))
    exec(program, {"runner": runner})  # noqa: S102 - the page's own lines

    assert "Nothing has run here yet" not in page(browser, "/")
    assert len(rows(page(browser, "/runs?q=workflow:greet status:completed"))) == 1


def _after(text: str, mark: str) -> str:
    return text[text.index(mark) :]


def test_a_paused_workflow_is_told_with_the_line_that_resumes_it(
    runner: cloaca.DefaultRunner,
    browser: TestClient,
    ids: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(health, "PATIENCE", WAIT)
    monkeypatch.setattr(health, "KEPT", 0.0)
    runner.schedule("daily", "order", "0 5 * * *", "UTC")
    assert "paused" not in words(_after(page(browser, "/"), 'id="now-next"'))
    runner.pause_workflow("order")

    text = page(browser, "/")

    assert "paused" in words(_after(text, 'id="now-next"'))
    assert "Paused 1 workflow: order" in words(text)
    assert 'data-copy="cloaca workflows resume order"' in text


def test_work_that_is_late_is_told_on_the_clock_of_the_reader(
    browser: TestClient, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "PATIENCE", WAIT)
    registry = cloaca.Registry()
    with cloaca.WorkflowBuilder("order", registry=registry):
        cloaca.task(id="charge")(lambda context: None)
    made = datetime.now(UTC) - timedelta(hours=1)
    with harness(registry, url=database_url, now=made) as h:
        h.submit("order", delay=timedelta(minutes=30))
    browser.cookies.set("cloaca_zone", "Asia/Tokyo")

    told = words(page(browser, "/"))

    due = (made + timedelta(minutes=30)).astimezone(ZoneInfo("Asia/Tokyo"))
    assert re.search(rf"Run \S+ should have gone on at (\d+ \w+ )?{due:%H:%M} ", told)


def test_a_browser_that_has_not_told_its_zone_is_told_the_zone_of_the_times(
    browser: TestClient,
) -> None:
    told = f"Times are in {datetime.now().astimezone():%Z}."

    assert told in words(page(browser, "/"))
    browser.cookies.set("cloaca_zone", "Asia/Tokyo")
    assert "Times are in" not in words(page(browser, "/"))


def test_a_browser_is_asked_for_its_zone_once_and_gets_the_page_once(browser: TestClient) -> None:
    comes: dict[str, Any] = {"headers": {"upgrade-insecure-requests": "1"}}
    asked = browser.get("/runs?q=status:failed", **comes).text

    assert "<main" not in asked
    assert 'content="0; url=/runs?q=status%3Afailed&amp;clock=local"' in asked
    assert "Times are in" in browser.get("/runs?clock=local", **comes).text
    assert browser.cookies["cloaca_zone"] == "local"
    assert "Times are in" in browser.get("/", **comes).text
    browser.cookies.clear()
    assert "Times are in" not in browser.get("/runs?clock=Asia/Tokyo", **comes).text
    assert "cloaca_zone" not in browser.cookies


@pytest.mark.each_backend
def test_what_fails_and_what_waits_stands_first(browser: TestClient, ids: list[str]) -> None:
    text = page(browser, "/")
    told = words(text)

    assert "1 workflow fails. 1 decision waits for you." in told
    assert "order last 2 runs, since" in told
    assert "TimeoutError: no answer" in told
    assert SCRIPT not in text
    assert "Send this answer?" in told
    assert "2 failed · 3" in told
    assert 'aria-label="order: 3 runs in 6 hours, 2 failed"' in text
    assert "Failed, last hour 2" in told
    assert "1 alive" in told


def test_a_runner_tells_how_its_slots_are_used(
    runner: cloaca.DefaultRunner, ids: list[str]
) -> None:
    app = cloaca.ui(runner, auth=visitor("steer"), hosts=("testserver",))
    with TestClient(app, headers=HERE) as browser:
        told = words(page(browser, "/"))

    assert f"Slots in use 0 of {cloaca.DefaultRunnerConfig().max_concurrent_tasks}" in told
    assert "this program" in told


def test_each_figure_leads_to_its_list(browser: TestClient, ids: list[str]) -> None:
    text = page(browser, "/")
    facts = text[text.index('id="now-facts"') : text.index('id="now-activity"')]
    found = {
        unescape(address): len(rows(page(browser, unescape(address))))
        for address in re.findall(r'<a href="(/runs[^"]*)"', facts)
    }

    assert found["/runs?q=status%3Afailed+since%3A1h"] == 2
    assert found["/runs?q=status%3Awaiting"] == 1
    assert found["/runs?q=status%3Arunning"] == 0


async def give_a_run_back(url: str) -> None:
    """Have a runner begin the run that waits, and give it back as one that is stopped does."""
    async with Place.of(url).opened() as store:
        await store.register(row_of_a_runner("r1"))
        await store.claim("r1", ["public::embedded::order"], 1, await store.now(), 1)
        await store.release("r1", [])


def test_the_run_that_waits_for_longest_for_a_runner_is_told(
    browser: TestClient, client: cloaca.Client, database_url: str
) -> None:
    with cloaca.WorkflowBuilder("order"):
        cloaca.task(id="charge")(lambda context: None)
    run_id = client.submit("order").id
    assert re.search(r"Waits for a runner [\d.]+ \w+", waits(browser))
    assert "at most" not in waits(browser)

    asyncio.run(give_a_run_back(database_url))

    assert re.search(r"Waits for a runner [\d.]+ \w+ at most", waits(browser))
    assert f'href="/runs/{run_id}"' in page(browser, "/")


def waits(browser: TestClient) -> str:
    """The words of the figures of the first page."""
    text = page(browser, "/")
    return words(text[text.index('id="now-facts"') : text.index('id="now-activity"')])


@each_row("hours", ["1", "24", "6", "x"])
def test_the_time_that_is_shown_is_chosen(browser: TestClient, ids: list[str], hours: str) -> None:
    text = page(browser, f"/?hours={hours}")

    shown = "6" if hours == "x" else hours
    assert re.search(rf'aria-current="true">{shown} h<', text)


# -- the list ------------------------------------------------------------------------------------


def test_runs_are_listed_with_their_progress_and_why(browser: TestClient, ids: list[str]) -> None:
    text = page(browser, "/runs")

    assert rows(text) == ids[::-1]
    assert SCRIPT not in text
    told = words(text)
    assert "Send this answer?" in told
    assert "send: TimeoutError: no answer" in told
    assert "1/2" in told
    assert "4 runs, newest first." in told
    assert "2 tasks" not in told  # what completed needs no progress
    assert ">shop=se</a> <span" in text  # one tag, and how many more
    assert re.search(r'title="a b=[^"]*">\+1<', text)


@each_row(
    ("q", "expected"),
    [
        ("status:failed", [2, 1]),
        ("-status:failed", [3, 0]),
        ("tag.shop:no,se", [1, 0]),
        ("workflow:order -status:completed", [2, 1]),
        ("status:paused", []),
    ],
)
def test_the_filter_is_the_address(
    browser: TestClient, ids: list[str], q: str, expected: list[int]
) -> None:
    assert rows(page(browser, "/runs", params={"q": q})) == [ids[each] for each in expected]


def test_a_token_is_removed_by_its_link(browser: TestClient, ids: list[str]) -> None:
    text = page(browser, "/runs", params={"q": "status:failed tag.shop:se"})
    (address,) = re.findall(r'href="([^"]*)" aria-label="Remove status:Failed"', text)

    assert address == "/runs?q=tag.shop%3Ase"
    assert rows(page(browser, address)) == [ids[1]]


def test_what_is_typed_is_added_to_the_terms(browser: TestClient, ids: list[str]) -> None:
    answer = browser.get("/runs?q=tag.shop:se&q=status:failed", follow_redirects=False)

    assert answer.status_code == 303
    assert answer.headers["location"] == "/runs?q=status%3AFailed+tag.shop%3Ase"


def test_an_error_of_the_grammar_is_told_at_the_line(browser: TestClient, ids: list[str]) -> None:
    text = page(browser, "/runs?q=statsu:failed&q=workflow:order")

    assert "no key 'statsu' (did you mean status?)" in words(text)
    assert 'value="statsu:failed"' in text


@pytest.mark.parametrize("q", ["foo:bar", "statsu:failed&q=workflow:order"])
def test_a_filter_that_cannot_be_read_lists_no_run_and_offers_no_act(
    runner: cloaca.DefaultRunner, browser: TestClient, ids: list[str], q: str
) -> None:
    for text in (page(browser, f"/runs?q={q}"), again(browser, f"/runs?q={q}", ids)):
        assert "This filter cannot be read" in words(text)
        assert rows(text) == []
        assert 'name="kind"' not in text
        assert "cloaca runs list" not in words(text)

    asked = {"kind": "cancel", "q": "foo:bar", "all": "1"}
    assert browser.get("/runs/bulk", params=asked).status_code == 422
    sent = {**form(page(browser, "/runs/bulk?kind=cancel&all=1")), **asked}
    assert browser.post("/runs/bulk", data=sent).status_code == 422
    assert statuses(runner, ids[3:]) == ["Waiting"]


def test_pages_go_on_and_back(
    browser: TestClient, ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs_page, "PAGE", 2)
    first = page(browser, "/runs")
    (older,) = re.findall(r'href="([^"]+)" rel="next">Older', first)
    second = page(browser, unescape(older))
    (newer,) = re.findall(r'href="([^"]+)">Newer', second)

    assert rows(first) == ids[:1:-1]
    assert rows(second) == ids[1::-1]
    assert unescape(newer) == "/runs"


def test_saved_filters_tell_how_many_match(browser: TestClient, ids: list[str]) -> None:
    told = words(page(browser, "/runs"))

    assert "Not completed 3" in told
    assert "Failed today 2 Failed yesterday 0" in told
    assert "Waiting for people 1" in told


def test_failed_runs_stand_by_their_errors(browser: TestClient, ids: list[str]) -> None:
    text = page(browser, "/runs?group=error&q=workflow:order")

    assert rows(text) == []
    assert "2 runs TimeoutError" in words(text)
    assert "cloaca runs list workflow:order --group error" in words(text)
    (address,) = re.findall(r'href="([^"]*)">TimeoutError<', text)
    assert rows(page(browser, unescape(address))) == [ids[2], ids[1]]


def test_the_list_is_narrowed_by_choices_and_a_time(browser: TestClient, ids: list[str]) -> None:
    text = page(browser, "/runs")
    (address,) = re.findall(r'href="([^"]*)"[^>]*><span class="cut">shop=se<', text)
    assert rows(page(browser, unescape(address))) == [ids[1]]

    sent = {"q": "status:failed", "from": "2026-01-01T00:00", "to": "2026-01-02T00:00"}
    answer = browser.get("/runs", params=sent, follow_redirects=False)
    assert answer.status_code == 303
    text = page(browser, answer.headers["location"])
    assert rows(text) == []
    assert 'value="2026-01-02T00:00"' in text
    assert "Chosen time" in words(text)


# -- live ----------------------------------------------------------------------------------------


def again(browser: TestClient, address: str, shown: Sequence[str]) -> str:
    """The part of an open page that asks for itself anew."""
    pulls = {"hx-target": "main#page", "hx-request": "true"}
    joined = "&" if "?" in address else "?"
    return page(browser, f"{address}{joined}shown={','.join(shown)}", headers=pulls)


def test_rows_stay_in_place_and_new_runs_wait(
    runner: cloaca.DefaultRunner, browser: TestClient, ids: list[str]
) -> None:
    shown = ids[::-1]
    runner.submit("order").wait(WAIT)

    text = again(browser, "/runs", shown)

    assert rows(text) == shown
    assert re.search(r'id="runs-new" [^>]*href="/runs">1 new<', text)
    assert len(rows(page(browser, "/runs"))) == 5


def test_a_row_that_does_not_match_any_more_stays_and_says_so(
    runner: cloaca.DefaultRunner, browser: TestClient, ids: list[str]
) -> None:
    runner.cancel(ids[3])
    for tree in cloaca.Observer(runner).watch(ids[3]):
        assert tree.run.id == ids[3]

    text = again(browser, "/runs?q=status:waiting", [ids[3]])

    assert rows(text) == [ids[3]]
    assert "Cancelled" in words(text)
    assert "Does not match the filter any more" in text
    assert rows(page(browser, "/runs?q=status:waiting")) == []


def test_a_page_that_shows_nothing_takes_what_comes(browser: TestClient, ids: list[str]) -> None:
    assert rows(again(browser, "/runs", ["no id"])) == ids[::-1]


def test_the_failures_of_a_workflow_that_fails_now_and_then_are_counted(
    runner: cloaca.DefaultRunner, browser: TestClient, ids: list[str]
) -> None:
    runner.submit("order").wait(WAIT)

    assert "2 of the last 4 runs" in words(page(browser, "/"))


def test_many_runs_are_not_drawn_as_completed_while_they_wait(
    runner: cloaca.DefaultRunner, browser: TestClient, ids: list[str]
) -> None:
    for _ in range(FEW):
        runner.submit("mail", delay=3_600)

    drawn = re.findall(r'<path class="f-bar ([^"]*)" d="([^"]*)"', page(browser, "/"))
    assert {state for state, path in drawn if path} == {"is-made"}


# -- acts on many --------------------------------------------------------------------------------


def test_selected_runs_are_begun_again_after_their_plan(
    runner: cloaca.DefaultRunner, browser: TestClient, ids: list[str]
) -> None:
    chosen = {"kind": "retry", "id": ids[:2], "q": "workflow:order"}
    plan = page(browser, "/runs/bulk", params=chosen)
    told = words(plan)
    assert "Retry 1 run?" in told
    assert "1 selected run stays as it is" in told
    assert f"cloaca runs retry {ids[0]} {ids[1]}" in told
    assert statuses(runner, ids[:2]) == ["Completed", "Failed"]

    answer = browser.post(
        "/runs/bulk", data={**form(plan), "reason": "post is back"}, follow_redirects=False
    )

    assert answer.status_code == 303
    told = answer.headers["location"]
    (act,) = runner.actions()
    touched = f"/runs?q=by%3Aann+act%3A{act.id}&"
    assert told.startswith(f"{touched}done=retry&changed=1&refused=0&signed=")
    ended = page(browser, told)
    assert "1 run is begun again." in words(ended)
    assert rows(ended) == [ids[1]]
    (token,) = re.findall(r'<span class="token"><b>act:</b><i class="cut">([^<]*)</i>', ended)
    assert re.fullmatch(r"retry of 1 run at (.* )?\d\d:\d\d by ann", token)
    narrowed = page(browser, f"/runs?q=by:ann+act:{act.id}+status:completed,failed")
    assert "retry at" in words(narrowed)
    forged = told.replace("changed=1", "changed=999999")
    assert "are begun again" not in words(page(browser, forged))
    assert "are begun again" not in words(page(browser, "/runs?done=retry&changed=999999"))
    assert cloaca.Observer(runner).run(ids[1]).wait().round == 2
    assert (act.run_id, act.kind, act.by, act.reason) == (ids[1], "retry", "ann", "post is back")


def test_all_that_match_are_cancelled(
    runner: cloaca.DefaultRunner, browser: TestClient, ids: list[str]
) -> None:
    chosen = {"kind": "cancel", "all": "1", "q": "workflow:mail"}
    plan = page(browser, "/runs/bulk", params=chosen)
    assert "Cancel 1 run?" in words(plan)
    assert "cloaca runs cancel workflow:mail" in words(plan)

    browser.post("/runs/bulk", data=form(plan))

    for tree in cloaca.Observer(runner).watch(ids[3]):
        last = tree.run.status
    assert last == "Cancelled"
    assert statuses(runner, ids[:3]) == ["Completed", "Failed", "Failed"]


@pytest.mark.each_backend
def test_a_plan_without_effect_says_which_runs_it_needs(
    browser: TestClient, ids: list[str]
) -> None:
    told = words(page(browser, "/runs/bulk", params={"kind": "resume", "id": ids[0]}))

    assert "Only paused runs can." in told
    assert "bulk-form" not in page(browser, "/runs/bulk", params={"kind": "resume", "id": ids[0]})


@each_row(
    ("given", "status"),
    [
        ({"kind": "retry"}, 422),
        ({"kind": "retry", "id": "x"}, 422),
        ({"kind": "erase", "all": "1"}, 404),
        ({"kind": "retry", "all": "1", "q": "statsu:failed"}, 422),
    ],
)
def test_a_plan_needs_runs_and_an_act(
    browser: TestClient, ids: list[str], given: dict[str, str], status: int
) -> None:
    assert browser.get("/runs/bulk", params=given).status_code == status


def test_an_act_needs_the_token_of_its_form(
    runner: cloaca.DefaultRunner, browser: TestClient, ids: list[str]
) -> None:
    given = {"kind": "cancel", "all": "1", "q": "workflow:mail"}

    assert browser.post("/runs/bulk", data=given).status_code == 403
    assert statuses(runner, [ids[3]]) == ["Waiting"]


def test_a_visitor_who_looks_sees_no_acts_and_can_do_none(
    runner: cloaca.DefaultRunner, onlooker: TestClient, ids: list[str]
) -> None:
    given = {"kind": "cancel", "all": "1", "q": "workflow:mail"}
    for address in ("/", "/runs"):
        text = page(onlooker, address)
        assert not re.search(r"Retry|Pause workflow|Start a run|type=.checkbox", text)

    assert onlooker.get("/runs/bulk", params=given).status_code == 403
    assert onlooker.post("/runs/bulk", data=given).status_code == 403
    assert statuses(runner, [ids[3]]) == ["Waiting"]


def test_a_page_that_is_read_only_offers_no_acts(client: cloaca.Client, ids: list[str]) -> None:
    app = cloaca.ui(client, auth=visitor("steer"), hosts=("testserver",), read_only=True)
    with TestClient(app, headers=HERE) as browser:
        assert "checkbox" not in page(browser, "/runs")
        given = {"kind": "cancel", "all": "1", "q": "workflow:mail"}
        assert browser.get("/runs/bulk", params=given).status_code == 403
        assert browser.post("/runs/bulk", data=given).status_code == 403


def test_a_run_is_started_from_the_list_of_workflows(browser: TestClient, ids: list[str]) -> None:
    text = page(browser, "/runs/start")

    assert 'href="/workflow/start?name=public%3A%3Aembedded%3A%3Aorder"' in text
    one = page(browser, "/runs?q=workflow:order")
    assert 'href="/workflow/start?name=order"' in one
