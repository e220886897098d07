"""77: the web page under attack: nobody acts who may not, nothing that users wrote becomes markup,
and nothing that is sent breaks a page.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from html import unescape
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote, urlencode

import pytest
from scenarios.crawling import sources
from tables import each_row

import cloaca
from cloaca_tools.ui.routes import ROUTES

if TYPE_CHECKING:
    from httpx2 import Response
    from starlette.testclient import TestClient

HOME = "http://testserver"
SCRIPT = "<script>alert(1)</script>"
HOSTILE = f"\"'>{SCRIPT}<img src=x onerror=alert(1)>"
DIGITS = "9" * 5_000
"""More than Python reads as one number."""
ACTS = [path for method, path, _ in ROUTES if method == "POST"]
PAGES = [path for method, path, _ in ROUTES if method == "GET" and path != "/live"]
QUESTIONS = (
    "/runs/bulk",
    "/runs/{run_id}/cancel",
    "/runs/{run_id}/fork",
    "/runs/{run_id}/retry",
    "/schedules/new",
    "/schedules/{schedule_id}/delete",
    "/schedules/{schedule_id}/edit",
)
"""Pages that are the first half of an act."""


class Shop:
    """A program with something of each kind, named by somebody with bad intentions."""

    def __init__(self, runner: cloaca.DefaultRunner) -> None:
        self.runner = runner
        with cloaca.WorkflowBuilder("order") as order:
            order.description(HOSTILE)

            @cloaca.task(id="charge", retry_attempts=1)
            def charge(context: cloaca.Context) -> None:
                raise ValueError(f'{HOSTILE}\n  File "{SCRIPT}", line {DIGITS}, in f\n    y\n')

        with cloaca.WorkflowBuilder("refund"):
            cloaca.approval("ask", HOSTILE, choices=("yes", HOSTILE))

        @cloaca.trigger(name=f"mail {SCRIPT}", on="order", poll_interval="1h")
        def mail() -> bool:
            return False

        given = {HOSTILE: HOSTILE, "deep": [[[HOSTILE]]]}
        self.failed = runner.submit("order", given, tags={HOSTILE: HOSTILE})
        self.failed.wait(60)
        self.asking = runner.submit("refund", given)
        for step in self.asking.watch():
            if step.run.status == "Waiting":
                break
        self.schedule = runner.schedule(HOSTILE, "order", "0 0 1 1 *", "UTC", params=given)

    @property
    def fields(self) -> dict[str, str]:
        """The fields that all acts take, so that each would do something."""
        return {
            "workflow": "order",
            "name": "order",
            "cron": "0 2 * * *",
            "timezone": "UTC",
            "kind": "cancel",
            "all": "1",
            "q": "",
            "run": self.asking.id,
            "task": "ask",
            "choice": "yes",
            "event": "go",
            "enabled": "no",
            "start": "2024-01-01T00:00:00Z",
            "end": "2026-01-01T00:00:00Z",
            "runner": cloaca.Observer(self.runner).overview().wait().runners[0].id,
        }

    def address(self, path: str) -> str:
        """The address of a page or an act about things that are there."""
        name = f"mail {SCRIPT}" if path.startswith("/trigger") else "order"
        filled = path.replace("{run_id}", self.asking.id).replace("{schedule_id}", self.schedule)
        asked = {"name": name, "run": self.asking.id, "task": "ask", "kind": "cancel", "all": "1"}
        return f"{filled}?{urlencode(asked)}"

    def rows(self) -> list[Any]:
        """What the database has, as far as acts change it."""
        overview = cloaca.Observer(self.runner).overview().wait()
        return [
            [(run.id, run.status, run.round) for run in self.runner.list_runs()],
            self.runner.actions(),
            [_still(each) for each in self.runner.list_cron_schedules()],
            [_still(each) for each in self.runner.list_trigger_schedules()],
            overview.paused_workflows,
            [each.draining_since for each in overview.runners],
        ]


def _still(row: Mapping[str, Any]) -> dict[str, Any]:
    """A schedule or trigger without what its polls change."""
    return {name: row[name] for name in row if name in ("id", "name", "enabled", "cron_expression")}


@pytest.fixture
def shop(runner: cloaca.DefaultRunner) -> Shop:
    return Shop(runner)


def browser(shop: Shop, role: Literal["view", "steer"] = "steer", **options: Any) -> TestClient:
    """A browser of a visitor, at an open page."""
    from starlette.testclient import TestClient  # takes as long to import as all of the rest

    def auth(_: object) -> cloaca.Visitor:
        return cloaca.Visitor(role, HOSTILE)

    app = cloaca.ui(shop.runner, auth=auth, hosts=("testserver",), **options)
    return TestClient(app, headers={"origin": HOME}, follow_redirects=False)


@pytest.fixture
def web(shop: Shop) -> Iterator[TestClient]:
    with browser(shop) as opened:
        yield opened


def token(web: TestClient) -> str:
    """The token of the forms of a browser."""
    web.get("/runs/start")
    return web.cookies["cloaca_form"]


# -- copied commands ------------------------------------------------------------------------------

COPIED = re.compile(r'data-copy="([^"]*)"')
SHELL = """$(touch x)`touch x`' ;touch x; "$HOME\\!"""
"""A name of which a shell would run something, or change it."""


def test_a_copied_command_is_one_command_with_the_names_as_they_are(
    runner: cloaca.DefaultRunner,
) -> None:
    with cloaca.WorkflowBuilder(SHELL):

        @cloaca.task(id=SHELL, retry_attempts=1)
        def fail(context: cloaca.Context) -> None:
            raise ValueError(SHELL)

    @cloaca.trigger(name=SHELL, on=SHELL, poll_interval="1h")
    def never() -> bool:
        return False

    runner.schedule(SHELL, SHELL, "0 0 1 1 *", "UTC")
    runner.submit(SHELL, tags={SHELL: SHELL}).wait(60)
    runner.pause_workflow(SHELL)

    pages = sources(runner).values()
    copied = {unescape(each) for text in pages for each in COPIED.findall(text)}
    commands = {each: shlex.split(each) for each in copied if each.startswith("cloaca ")}

    assert {each: shlex.join(words) for each, words in commands.items()} == {
        each: each for each in commands
    }
    assert {tuple(words[1:3]) for words in commands.values() if SHELL in words} == {
        ("schedules", "delete"),
        ("schedules", "backfill"),
        ("workflows", "show"),
        ("workflows", "pause"),
        ("workflows", "resume"),
        ("run", "--detach"),
        ("runs", "fork"),
        ("runs", "retry"),
    }


# -- acts ----------------------------------------------------------------------------------------


def test_nothing_changes_without_the_right_and_the_token(shop: Shop) -> None:
    """Takes the acts from the addresses of the page: one that comes later is among them."""
    before, fields = shop.rows(), shop.fields
    steers, looks = browser(shop), browser(shop, "view")
    closed, stranger = browser(shop, read_only=True), browser(shop)
    with steers, looks, closed, stranger:
        tokens = {web: token(web) for web in (steers, looks, closed, stranger)}
        assert len(ACTS) > 15
        for path in ACTS:
            address = shop.address(path)
            ours = {**fields, "form_token": tokens[steers]}
            text = {"content-type": "text/plain"}
            foreign = {**fields, "form_token": tokens[stranger]}
            evil = {"origin": "http://evil.example"}
            near = {"sec-fetch-site": "same-site"}
            answers = {
                "no token": steers.post(address, data=fields),
                "foreign token": steers.post(address, data=foreign),
                "elsewhere": steers.post(address, data=ours, headers=evil),
                "near": steers.post(address, data=ours, headers=near),
                "text": steers.post(address, content=urlencode(ours), headers=text),
                "file": steers.post(address, data=ours, files={"a": b"x"}),
                "viewer": looks.post(address, data={**fields, "form_token": tokens[looks]}),
                "read-only": closed.post(address, data={**fields, "form_token": tokens[closed]}),
            }
            statuses = {how: answer.status_code for how, answer in answers.items()}
            assert statuses == {how: _refusal(how) for how in answers}, path
    assert shop.rows() == before


def _refusal(how: str) -> int:
    return 415 if how in ("text", "file") else 403


@pytest.mark.each_backend
def test_looking_changes_nothing(shop: Shop, web: TestClient) -> None:
    before, asked = shop.rows(), urlencode({**shop.fields, "form_token": token(web)})
    for path in [*PAGES, *ACTS]:
        web.get(f"{shop.address(path)}&{asked}")
    assert shop.rows() == before


def test_a_question_is_for_those_who_may_act(shop: Shop) -> None:
    with browser(shop, "view") as looks, browser(shop, read_only=True) as closed:
        for path in QUESTIONS:
            assert looks.get(shop.address(path)).status_code == 403, path
            assert closed.get(shop.address(path)).status_code == 403, path


def test_a_visitor_who_looks_sees_no_form_of_an_act(shop: Shop) -> None:
    with browser(shop, "view") as looks, browser(shop, read_only=True) as closed:
        for path in PAGES:
            for web in (looks, closed):
                shown = web.get(shop.address(path)).text
                assert not re.search(r'method="?post', shown, re.IGNORECASE), path


# -- what users wrote ----------------------------------------------------------------------------


def test_nothing_that_users_wrote_becomes_markup(shop: Shop, web: TestClient) -> None:
    hostile = urlencode({"q": HOSTILE, "by": HOSTILE, "task": HOSTILE, "from": HOSTILE})
    for path in PAGES:
        for address in (shop.address(path), f"{_other(path, shop.failed.id)}?{hostile}"):
            answer = web.get(address)
            assert answer.status_code < 500, address
            if answer.headers.get("content-type", "").startswith("text/html"):
                assert "<script>alert" not in answer.text, address
                assert "<img" not in answer.text, address
                _assert_bounded(answer)


def _other(path: str, run_id: str) -> str:
    """The address of another run, and of a schedule that is not there."""
    return path.replace("{run_id}", run_id).replace("{schedule_id}", quote(HOSTILE, safe=""))


def _assert_bounded(answer: Response) -> None:
    """A browser runs no script of this answer but the page's, and shows it in no frame."""
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["cache-control"] == "no-store"


def test_a_file_has_a_plain_name_and_no_script(shop: Shop, web: TestClient) -> None:
    for part in ("export", "case", "mermaid", "input"):
        answer = web.get(f"/runs/{shop.failed.id}/{part}?task=charge")
        assert answer.status_code == 200, part
        assert answer.headers["content-disposition"].startswith("attachment; filename")
        assert not set("<>\r\n") & set(answer.headers["content-disposition"])
    file = web.get(f"/runs/{shop.failed.id}/export").text
    assert "<script" not in file
    assert "default-src 'none'" in file


# -- what is sent --------------------------------------------------------------------------------


@each_row(
    "odd",
    ["\0", DIGITS, "../../etc/passwd", "9999-12-31T23:59:59-12:00", "٣", "[" * 1_000],
)
def test_odd_texts_break_no_page(shop: Shop, web: TestClient, odd: str) -> None:
    names = ("q", "before", "shown", "task", "of", "rows", "at", "attempt", "from", "to")
    more = ("run", "by", "kind", "after", "made", "cron", "timezone", "changed", "done", "name")
    queries, here = [urlencode(dict.fromkeys(each, odd)) for each in (names, more)], quote(odd, "")
    headers = {"hx-target": f"div#chunk-{DIGITS}"}
    for path in PAGES:
        known = shop.address(path).partition("?")[0]
        odd_id = path.replace("{run_id}", here).replace("{schedule_id}", here)
        for address in (odd_id, *[f"{known}?{query}" for query in queries]):
            assert web.get(address, headers=headers).status_code < 500, address[:200]


@pytest.mark.parametrize(
    "odd",
    ["\0", DIGITS, "0001-01-01T00:00", "9999-12-31T23:59:59-12:00", "[" * 20_000],
    ids=lambda text: ascii(text)[:20],
)
def test_odd_texts_break_no_act(shop: Shop, web: TestClient, odd: str) -> None:
    data = {"form_token": token(web), **shop.fields}
    more = ("jitter", "note", "key", "tags", "data", "choice", "runner", "start", "end")
    names = ("context", "payload", "until", "reason", "delay", "priority", "params", *more)
    for path in ACTS:
        for given in ({**data, **dict.fromkeys(names, odd)}, dict.fromkeys(data, odd)):
            sent = {**given, "form_token": data["form_token"]}
            assert web.post(shop.address(path), data=sent).status_code < 500, path
    for path in PAGES:  # what was kept is shown
        assert web.get(shop.address(path)).status_code < 500, path


@each_row("path", ["/nothing", "//evil.example/x"])
def test_a_page_that_is_not_there_asks_for_nothing(web: TestClient, path: str) -> None:
    answer = web.get(f"{HOME}{path}")
    assert answer.status_code == 404
    assert "There is no such page" in answer.text
    assert 'hx-trigger="changed' not in answer.text
    assert "evil.example" not in answer.text


def test_a_form_is_bounded(web: TestClient) -> None:
    kind = {"content-type": "application/x-www-form-urlencoded"}
    many = f"form_token={token(web)}&{'&'.join(['id=1'] * 100_000)}"
    assert web.post("/runs/bulk", content=many, headers=kind).status_code == 400
    assert web.post("/runs/bulk", content="x" * 2_000_000, headers=kind).status_code == 413


def test_a_filter_is_bounded(web: TestClient) -> None:
    text = " ".join([f"error:{number}" for number in range(900)])
    answer = web.get(f"/runs?{urlencode({'q': text})}")
    assert "at most 100 terms" in answer.text
    assert len(answer.content) < 500_000


@each_row(
    "path",
    [
        "x/..%2f..%2fapplication.py",
        "x/%2e%2e/%2e%2e/application.py",
        "x//etc/passwd",
        "x/%00",
        f"x/{'a' * 5_000}",
        "..%2fapplication.py",
        "x/vendor",
        "",
    ],
)
def test_static_files_are_those_of_the_page(web: TestClient, path: str) -> None:
    answer = web.get(f"/static/{path}")
    assert answer.status_code == 404
    assert answer.headers["cache-control"] == "no-store"
