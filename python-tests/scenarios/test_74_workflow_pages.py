"""74: the pages about workflows: the list, one with its last runs and its graph, and acts on it."""

from __future__ import annotations

import re
from html import unescape
from typing import TYPE_CHECKING, Any, Literal

import pytest
from tables import each_row

import cloaca

if TYPE_CHECKING:
    from httpx2 import Response

WAIT = 60
HOME = "http://testserver"
HOSTILE = 'a <script>alert(1)</script> & "b"'


class Web:
    """The page as a browser of one visitor sees it."""

    def __init__(
        self, client: cloaca.Client, role: Literal["view", "steer"] = "steer", **options: Any
    ) -> None:
        from starlette.testclient import TestClient  # takes as long to import as all of the rest

        def auth(_: object) -> cloaca.Visitor:
            return cloaca.Visitor(role, "ann")

        app = cloaca.ui(client, auth=auth, hosts=("testserver",), **options)
        self._web = TestClient(app, headers={"origin": HOME}, follow_redirects=False)
        self._web.get("/workflows")
        self._token = self._web.cookies["cloaca_form"]
        self._web.cookies["cloaca_zone"] = "Europe%2FOslo"

    def get(self, address: str, **query: str) -> Response:
        return self._web.get(address, params=query or None)

    def text(self, address: str, **query: str) -> str:
        """A page that is there, as text."""
        answer = self.get(address, **query)
        assert answer.status_code == 200, answer.text
        return answer.text

    def act(self, act: str, **fields: str) -> Response:
        """Send the form of an act; the token of an empty ``form_token`` is left out."""
        data = {"form_token": self._token, **fields}
        return self._web.post(
            f"/workflow/{act}", data={key: data[key] for key in data if data[key]}
        )


@pytest.fixture
def web(runner: cloaca.DefaultRunner) -> Web:
    return Web(runner)


def order() -> None:
    """The workflow ``order``: charge, which fails at first if the context says so; send, which
    fails; and remind, which is skipped.
    """
    tried: list[str] = []
    with cloaca.WorkflowBuilder("order") as builder:
        builder.description("Charges and sends what was ordered.")

        @cloaca.task(retry_attempts=2, retry_delay_ms=1)
        def charge(context: cloaca.Context) -> None:
            tried.append("charge")
            if context.get("late") and tried.count("charge") == 1:
                raise TimeoutError("no answer")

        @cloaca.task(dependencies=[charge], retry_attempts=1)
        def send(context: cloaca.Context) -> None:
            if context.get("lost"):
                raise ValueError(f"no stock of {HOSTILE}")

        @cloaca.task(
            dependencies=[charge], trigger_rules=cloaca.context_value("sad", "exists", True)
        )
        def remind(context: cloaca.Context) -> None: ...


@pytest.fixture
def runs(runner: cloaca.DefaultRunner) -> list[str]:
    """The ids of two orders: one was charged at the second try, the newer one was not sent."""
    order()
    found = []
    for context in ({"late": True}, {"lost": True}):
        handle = runner.submit("order", context)
        handle.wait(WAIT)
        found.append(handle.id)
    return found


# -- looking -------------------------------------------------------------------------------------


def test_a_database_without_a_workflow_says_what_to_do(database_url: str) -> None:
    with cloaca.DefaultRunner(database_url, registry=cloaca.Registry()) as runner:
        page = Web(runner).text("/workflows")
    assert "A runner records its workflows when it starts" in page


@pytest.mark.each_backend
def test_the_list_tells_how_each_workflow_goes(
    web: Web, runner: cloaca.DefaultRunner, runs: list[str]
) -> None:
    with cloaca.WorkflowBuilder("idle"):

        @cloaca.task
        def nothing(context: cloaca.Context) -> None: ...

    runner.schedule("noon", "order", "0 12 * * *", "UTC")
    runner.pause_workflow("idle")
    page = web.text("/workflows")
    assert "Charges and sends what was ordered." in page
    assert 'aria-label="Last 2 runs: 1 completed, 1 failed"' in page
    assert f"/runs/{runs[1]}" in page
    assert "1 schedule" in page
    assert page.count("Paused") == 1
    found = web.text("/workflows", q="RDER")
    assert "noon" not in found
    assert "idle" not in found
    assert "No workflow has this in its name" in web.text("/workflows", q="nobody")


def test_a_long_list_is_shown_in_parts(web: Web, runner: cloaca.DefaultRunner) -> None:
    for number in range(53):
        with cloaca.WorkflowBuilder(f"flow_{number:02d}"):
            cloaca.task(id="only")(lambda context: None)
    first = web.text("/workflows", q="flow_")
    assert ("flow_49" in first, "flow_50" in first) == (True, False)
    following = re.search(r'href="([^"]*)">Next 3<', first)
    assert following is not None
    second = web.text(unescape(following[1]))
    assert ("flow_49" in second, "flow_50" in second) == (False, True)
    assert "51 to 53 of 53" in second


def test_the_grid_has_the_newest_run_at_the_right(web: Web, runs: list[str]) -> None:
    page = web.text("/workflow", name="order")
    columns = re.findall(r'<a id="col-([^"]+)" href="([^"]+)"\s+aria-label="([^"]+)"', page)
    assert [found[0] for found in columns] == runs
    assert [found[1] for found in columns] == [f"/runs/{run}" for run in runs]
    assert ["completed" in columns[0][2], "failed" in columns[1][2]] == [True, True]
    assert re.findall(r'data-cells="([^"]+)"', page) == ["c2 c", "c f", "s s"]
    assert "first error" not in page
    assert "The last run failed" in page
    assert "no stock of a &lt;script&gt;" in page
    assert "<script>alert" not in page
    assert 'class="cols cols-few"' in page  # the graph is beside the grid of so few runs


def test_a_name_that_none_has_leads_to_those_like_it(web: Web, runs: list[str]) -> None:
    for address, link in {
        "/workflow?name=ordr": "/workflow?name=order",
        "/runs/0": f"/runs/{runs[0]}",
    }.items():
        answer = web.get(address)
        assert answer.status_code == 404
        assert f'<a class="link" href="{link}">' in answer.text


def test_a_graph_is_a_list_that_is_read_without_a_script(web: Web, runs: list[str]) -> None:
    page = web.text("/workflow", name="order", task="send")
    (selected,) = re.findall(r'data-task="([^"]+)" aria-current="true"', page)
    assert selected == "send"
    assert page.count("after charge") == 2
    assert "runs if context_value(&#39;sad&#39;" in page
    drawn = web.get("/workflow/mermaid", name="order")
    assert drawn.text.startswith("flowchart TD\n")
    assert drawn.headers["content-disposition"] == "attachment; filename*=UTF-8''order.mmd"
    of_run = web.get(f"/runs/{runs[1]}/mermaid")
    assert "send<br/>Failed" in of_run.text


def test_the_graph_of_many_tasks_has_groups_that_are_unfolded(
    web: Web, runner: cloaca.DefaultRunner
) -> None:
    with cloaca.WorkflowBuilder("wide"):
        plan = cloaca.task(id="plan")(lambda context: None)
        for number in range(400):
            cloaca.task(id=f"row{number}", dependencies=[plan])(lambda context: None)

    def rows(address: str) -> list[str]:
        return re.findall(r'<li id="graph-[0-9]+"', web.text(address))

    page = web.text("/workflow?name=wide&task=row7")
    assert "400 tasks" in page
    assert len(rows("/workflow?name=wide")) == 2
    assert len(rows("/workflow?name=wide&task=row7")) == 3
    (unfold,) = re.findall('href="([^"]*open=row0[^"]*)"', page)
    assert len(rows(unescape(unfold))) == 402
    assert 'data-status="' not in page[page.index('id="graph-tasks"') :]


def test_a_workflow_tells_what_starts_it_and_its_versions(
    web: Web, runner: cloaca.DefaultRunner, runs: list[str]
) -> None:
    runner.schedule("noon", "order", "0 12 * * *", "Europe/Oslo")
    page = web.text("/workflow", name="order")
    assert "At 12:00 every day, Europe/Oslo" in page
    assert "2 runs</span></div>" in page


def test_names_that_are_markup_are_text(web: Web, runner: cloaca.DefaultRunner) -> None:
    with cloaca.WorkflowBuilder(HOSTILE) as builder:
        builder.description(HOSTILE)
        cloaca.task(id=HOSTILE)(lambda context: None)
    runner.execute(HOSTILE)
    for address in ("/workflows", "/workflow", "/workflow/start", "/workflow/pause"):
        page = web.text(address, name=HOSTILE)
        assert "<script>alert" not in page
        assert "&lt;script&gt;alert(1)" in page
    assert web.get("/workflow/mermaid", name=HOSTILE).status_code == 200


def test_a_workflow_that_is_not_there_is_not_found(web: Web) -> None:
    for address in ("/workflow", "/workflow/mermaid", "/workflow/start", "/workflow/pause"):
        gone = web.get(address, name="none")
        assert (gone.status_code, gone.text.count("<h1")) == (404, 1)
    for act in ("start", "pause", "resume"):
        assert web.act(act, name="none").status_code == 404


# -- acting --------------------------------------------------------------------------------------


def test_a_workflow_is_paused_until_a_time_of_the_reader_and_resumed(
    web: Web, runner: cloaca.DefaultRunner, runs: list[str]
) -> None:
    answer = web.act("pause", name="order", until="2099-07-01T09:00", reason="stock count")
    assert (answer.status_code, answer.headers["location"]) == (303, "/workflow?name=order")
    told = " ".join(web.text("/workflow", name="order").split())
    since = r"<time [^>]*>\d\d:\d\d</time>"
    until = r"<time [^>]*>1 Jul 2099 09:00</time>"
    assert re.search(rf"Paused by ann since {since}, until {until}: stock count\.", told)
    assert web.act("resume", name="order").status_code == 303
    assert "Pause workflow" in web.text("/workflow", name="order")
    resumed, paused = runner.actions()[:2]
    assert (paused.kind, paused.by, paused.reason) == ("pause", "ann", "stock count")
    assert (resumed.kind, resumed.by) == ("resume", "ann")


def test_a_time_that_cannot_be_read_is_told_with_what_was_written(
    web: Web, runs: list[str]
) -> None:
    answer = web.act("pause", name="order", until="soon", reason="stock count")
    assert answer.status_code == 422
    assert "Until cannot be read" in answer.text
    assert 'value="stock count"' in answer.text
    assert "Pause workflow…" in web.text("/workflow", name="order")


def test_a_run_is_started_with_all_that_was_given(
    web: Web, runner: cloaca.DefaultRunner, runs: list[str]
) -> None:
    given = {"context": '{"amount": 7}', "tags": "shop=no\nwho=ann", "key": "k 1", "priority": "-5"}
    answer = web.act("start", name="order", **given)
    assert answer.status_code == 303
    run_id = answer.headers["location"].removeprefix("/runs/")
    handle = runner.get_run(run_id)
    assert handle.result(WAIT).final_context["amount"] == 7
    info = handle.info()
    assert (info.tags, info.priority) == ({"shop": "no", "who": "ann"}, -5)
    again = web.act("start", name="order", **given)
    assert again.headers["location"] == answer.headers["location"]
    assert [(act.kind, act.by, act.run_id) for act in runner.actions()] == [
        ("submit", "ann", run_id)
    ]
    assert "<dt>By</dt><dd>ann</dd>" in web.get(f"/runs/{run_id}").text
    later = web.act("start", name="order", delay="2h").headers["location"].removeprefix("/runs/")
    assert runner.get_run(later).info().due_at is not None


def test_a_run_is_started_as_another_one_was(web: Web, runner: cloaca.DefaultRunner) -> None:
    """What is hidden of it stays, and it is no run of a tick."""
    order()
    assert "As of run" not in web.text("/workflow/start", name="order")
    given = {"amount": 7, "card": {"token": "s3cret"}}
    first = runner.submit("order", given, tags={"shop": "no"}, priority=3)
    first.result(WAIT)
    schedule = runner.schedule("n", "order", "0 2 * * *", "UTC", params={"amount": 8})
    tick = runner.backfill(schedule, "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z")
    runner.get_run(tick.run_ids[0]).result(WAIT)

    last = unescape(web.get("/workflow/start", name="order").text)
    assert 'name="data.amount" type="number" value="8"' in last
    assert "scheduled_time" not in last
    assert "Start again…" in web.get(f"/runs/{first.id}").text
    same = unescape(web.get("/workflow/start", name="order", like=first.id).text)
    assert 'name="data.card.token" type="text" value="***"' in same
    assert "shop=no" in same
    assert "s3cret" not in same

    sent = '{"amount": 9, "card": {"token": "***"}}'
    answer = web.act("start", name="order", context=sent, like=first.id)
    run = runner.get_run(answer.headers["location"].removeprefix("/runs/"))
    context = run.result(WAIT).final_context
    assert (context["amount"], context["card"]) == (9, {"token": "s3cret"})
    lost = web.act("start", name="order", context='{"other": "***"}', like=first.id)
    assert lost.status_code == 422
    assert "hidden value" in lost.text
    other = web.act("start", name="another", context=sent, like=first.id)
    assert (other.status_code, "It is a run of order." in other.text) == (422, True)


def test_a_run_is_started_from_the_fields_of_the_last_one(
    web: Web, runner: cloaca.DefaultRunner
) -> None:
    """What a person has not changed stays, also what is hidden; JSON is a switch."""
    order()
    known = {
        "amount": 7,
        "card": {"token": "s3cret"},
        "lines": [{"sku": 1}, {"sku": 2}],
        "no": None,
    }
    first = runner.submit("order", known)
    shape = '{"amount": 7, "card": {"token": "***"}, "lines": [{"sku": 1}, {"sku": 2}], "no": null}'
    filled = {
        "shape": shape,
        "data.amount": "9",
        "data.card.token": "***",
        "data.lines.0": "",
        "data.lines.0.sku": "1",
        "data.lines.1": "",
        "data.lines.1.sku": "3",
        "data.no": "",
        "more": '{"new": [1]}',
    }
    sent = {"name": "order", "like": first.id, **filled}

    fewer = web.act("start", **sent, remove="data.lines.0")
    assert ('value="data.lines.0"' in fewer.text, 'value="data.lines.1"' in fewer.text) == (
        False,
        True,
    )
    told = unescape(web.act("start", **sent, **{"as": "json"}).text)
    assert '"lines": [\n    {\n      "sku": 1\n    },\n    {\n      "sku": 3\n    }\n  ]' in told
    assert (
        'name="data.amount"'
        in web.act("start", name="order", context=shape, **{"as": "fields"}).text
    )
    wrong = web.act("start", **{**sent, "data.amount": "many"})
    assert (wrong.status_code, "Amount must be a number" in wrong.text) == (422, True)
    assert runner.count_runs() == 1

    answer = web.act("start", **sent)
    run = runner.get_run(answer.headers["location"].removeprefix("/runs/"))
    context = run.result(WAIT).final_context
    assert {key: context[key] for key in ("amount", "card", "lines", "no", "new")} == {
        "amount": 9,
        "card": {"token": "s3cret"},
        "lines": [{"sku": 1}, {"sku": 3}],
        "no": None,
        "new": [1],
    }


@each_row(
    ("field", "text", "expected"),
    [
        ("context", "[1]", "must be a JSON object"),
        ("context", '{"a"', "is not JSON"),
        ("tags", "shop", "key=value"),
        ("priority", "101", "-100 to 100"),
        ("priority", "high", "whole number"),
        ("delay", "soon", "15m"),
    ],
)
def test_what_cannot_be_started_is_told_with_what_was_written(
    web: Web, runner: cloaca.DefaultRunner, runs: list[str], field: str, text: str, expected: str
) -> None:
    answer = web.act("start", name="order", **{"key": "mine", field: text})
    assert answer.status_code == 422
    assert expected in unescape(answer.text)
    assert text in unescape(answer.text)
    assert 'value="mine"' in answer.text
    assert runner.count_runs() == 2


def test_a_form_without_its_token_changes_nothing(web: Web, runs: list[str]) -> None:
    assert web.act("pause", form_token="", name="order").status_code == 403
    assert web.act("start", form_token="", name="order").status_code == 403
    assert "Pause workflow…" in web.text("/workflow", name="order")


@pytest.mark.parametrize("kept", ["view", "read_only"])
def test_who_may_only_look_sees_no_form_and_is_refused(
    runner: cloaca.DefaultRunner, runs: list[str], kept: str
) -> None:
    web = Web(runner, "view") if kept == "view" else Web(runner, read_only=True)
    page = web.text("/workflow", name="order")
    assert ("Start a run" in page, 'method="post"' in page) == (False, False)
    assert web.get("/workflow/start", name="order").status_code == 403
    assert web.get("/workflow/pause", name="order").status_code == 403
    for act in ("start", "pause", "resume"):
        assert web.act(act, name="order").status_code == 403
    assert runner.count_runs() == 2
    assert not [each for each in runner.actions() if each.kind == "pause"]
