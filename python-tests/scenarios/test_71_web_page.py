"""71: the web page in a program of the user's own: where it is mounted, who may enter, what it
refuses.
"""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager
from html import unescape
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient
from tables import each_row

import cloaca
from cloaca_tools.ui.templating import STATIC

App: TypeAlias = Any
Scope: TypeAlias = MutableMapping[str, Any]
WAIT = 60
HOSTS = ("testserver",)
ADDRESS = re.compile(r'(?:href|src|action|hx-get|hx-sse:connect)="([^"#][^"]*)"')
NOT_BARE = ("/live", "/runs/bulk")  # never ends; says what it is about in a form
SCRIPT = "<script>alert(1)</script>"


@pytest.fixture
def client(database_url: str) -> Iterator[cloaca.Client]:
    """A client that is open."""
    with cloaca.Client(database_url) as opened:
        yield opened


@pytest.fixture
def run(runner: cloaca.DefaultRunner) -> cloaca.RunHandle:
    """A run that has completed."""
    with cloaca.WorkflowBuilder("order"):

        @cloaca.task
        def charge(context: cloaca.Context) -> dict[str, Any]:
            return {"paid": True}

    submitted = runner.submit("order", tags={"shop": SCRIPT})
    submitted.wait(WAIT)
    return submitted


def page(client: cloaca.Client, **options: Any) -> App:
    """The page for a program that lets everybody in."""
    return cloaca.ui(client, **{"auth": cloaca.ui_without_auth, "hosts": HOSTS, **options})


# -- where it is mounted -------------------------------------------------------------------------


def bare(client: cloaca.Client) -> tuple[App, str]:
    return page(client), ""


def mounted(client: cloaca.Client) -> tuple[App, str]:
    return Starlette(routes=[Mount("/ops/cloaca", page(client))]), "/ops/cloaca"


def fastapi(client: cloaca.Client) -> tuple[App, str]:
    from fastapi import FastAPI

    program = FastAPI()
    program.mount("/cloaca", page(client))
    return program, "/cloaca"


def django(client: cloaca.Client) -> tuple[App, str]:
    from django.conf import settings
    from django.core.asgi import get_asgi_application

    if not settings.configured:
        settings.configure(ROOT_URLCONF=(), ALLOWED_HOSTS=["*"], SECRET_KEY="x")  # noqa: S106 - signs nothing
    others, ours = get_asgi_application(), page(client)

    async def program(scope: Scope, receive: Any, send: Any) -> None:
        if scope["path"].startswith("/cloaca/"):
            await ours({**scope, "root_path": "/cloaca"}, receive, send)
        else:
            await others(scope, receive, send)

    return program, "/cloaca"


def seen_as(
    app: App, change: Callable[[Scope], None]
) -> Callable[[Scope, Any, Any], Awaitable[None]]:
    """An application as another server or proxy calls it."""

    async def called(scope: Scope, receive: Any, send: Any) -> None:
        change(scope)
        await app(scope, receive, send)

    return called


def server_with_the_root_in_the_path(client: cloaca.Client) -> tuple[App, str]:
    def change(scope: Scope) -> None:
        scope["root_path"] = "/proxy"

    return seen_as(page(client), change), "/proxy"


def server_with_the_root_beside_the_path(client: cloaca.Client) -> tuple[App, str]:
    def change(scope: Scope) -> None:
        scope["root_path"] = "/proxy"
        scope["path"] = scope["path"].removeprefix("/proxy") or "/"

    return seen_as(page(client), change), "/proxy"


def mounted_within_it(client: cloaca.Client) -> tuple[App, str]:
    within, _ = mounted(client)

    def change(scope: Scope) -> None:
        scope["root_path"] = "/proxy"
        scope["path"] = scope["path"].removeprefix("/proxy") or "/"

    return seen_as(within, change), "/proxy/ops/cloaca"


def proxy_that_strips_and_says_so(client: cloaca.Client) -> tuple[App, str]:
    def change(scope: Scope) -> None:
        scope["path"] = scope["path"].removeprefix("/proxy") or "/"
        scope["headers"] = [*scope["headers"], (b"x-forwarded-prefix", b"/proxy")]

    return seen_as(page(client, forwarded_prefix=True), change), "/proxy"


PLACES = (
    bare,
    mounted,
    fastapi,
    django,
    server_with_the_root_in_the_path,
    server_with_the_root_beside_the_path,
    mounted_within_it,
    proxy_that_strips_and_says_so,
)


@pytest.mark.parametrize("place", PLACES, ids=lambda each: each.__name__)
def test_every_address_of_a_page_works_where_it_is_mounted(
    place: Callable[[cloaca.Client], tuple[App, str]],
    client: cloaca.Client,
    run: cloaca.RunHandle,
) -> None:
    app, prefix = place(client)
    browser = TestClient(app)

    text = browser.get(f"{prefix}/runs").text
    addresses = {unescape(each) for each in ADDRESS.findall(text)}
    # One of each path: what comes after it is read in the same way wherever the page is. Sorted,
    # so that each run of the test follows the same ones.
    paths = {urlsplit(each).path: each for each in sorted(addresses)}
    paths = {path: each for path, each in paths.items() if not path.endswith(NOT_BARE)}
    followed = {each: browser.get(each) for each in paths.values()}

    assert f"{prefix}/runs/{run.id}" in addresses
    assert all(each.startswith(f"{prefix}/") for each in addresses)
    assert {each: found.status_code for each, found in followed.items()} == dict.fromkeys(
        followed, 200
    )


def test_a_prefix_is_believed_only_where_the_program_says_so(client: cloaca.Client) -> None:
    browser = TestClient(page(client))

    text = browser.get("/runs", headers={"x-forwarded-prefix": "/proxy"}).text

    assert "/proxy" not in text


@each_row("prefix", ["//evil.example", "/a/../b", "/a b", "javascript:alert(1)"])
def test_a_prefix_that_is_no_path_is_left_out(client: cloaca.Client, prefix: str) -> None:
    browser = TestClient(page(client, forwarded_prefix=True))

    text = browser.get("/runs", headers={"x-forwarded-prefix": prefix}).text

    assert all(each.startswith("/") and prefix not in each for each in ADDRESS.findall(text))


# -- how it ends ---------------------------------------------------------------------------------

PROGRAM = """
import socket, sys
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI
from starlette.applications import Starlette

import cloaca

client = cloaca.Client(sys.argv[1])

@asynccontextmanager
async def lifespan(app):
    yield
    client.shutdown()
    print("closed", flush=True)

app = {"starlette": Starlette, "fastapi": FastAPI}[sys.argv[2]](lifespan=lifespan)
app.mount("/cloaca", cloaca.ui(client, auth=cloaca.ui_without_auth))
listener = socket.socket()
listener.bind(("127.0.0.1", 0))
listener.listen()
print(listener.getsockname()[1], flush=True)
uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listener])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="a process of Windows gets no SIGTERM")
@pytest.mark.parametrize("framework", ["starlette", "fastapi"])
def test_a_program_ends_when_it_is_asked_to_while_a_page_is_open(
    database_url: str, run: cloaca.RunHandle, framework: str
) -> None:
    command = [sys.executable, "-c", PROGRAM, database_url, framework]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as program:
        try:
            assert program.stdout is not None
            live = f"http://127.0.0.1:{int(program.stdout.readline())}/cloaca/live"
            with httpx2.stream("GET", live, timeout=WAIT) as stream:
                assert next(stream.iter_lines()).startswith("id: ")
                program.send_signal(signal.SIGTERM)
                program.wait(WAIT)
            assert program.stdout.read() == "closed\n"
        finally:
            program.kill()


# -- who may enter -------------------------------------------------------------------------------


def test_nobody_enters_whom_the_program_does_not_know(client: cloaca.Client) -> None:
    async def auth(request: cloaca.UiRequest) -> cloaca.Visitor | None:
        known = request.cookies.get("session") == "of ann"
        return cloaca.Visitor("view", "ann") if known else None

    browser = TestClient(page(client, auth=auth))

    assert browser.get("/runs").status_code == 401
    assert browser.get("/live").status_code == 401
    browser.cookies["session"] = "of ann"
    answer = browser.get("/runs")
    assert answer.status_code == 200
    assert "ann · looks only" in answer.text


async def test_an_auth_that_blocks_holds_up_no_other_request(client: cloaca.Client) -> None:
    entered, go_on = threading.Event(), threading.Event()

    def auth(request: cloaca.UiRequest) -> cloaca.Visitor:
        if "slow" in request.query_params:
            entered.set()
            assert go_on.wait(WAIT)
        return cloaca.Visitor("view", "ann")

    browser = httpx2.AsyncClient(
        transport=httpx2.ASGITransport(page(client, auth=auth)), base_url="http://testserver"
    )
    async with browser, asyncio.timeout(WAIT):
        slow = asyncio.ensure_future(browser.get("/runs?slow=1"))
        assert await asyncio.to_thread(entered.wait, WAIT)
        assert (await browser.get("/runs")).status_code == 200
        go_on.set()
        assert (await slow).status_code == 200


async def test_slow_requests_of_a_stranger_hold_up_no_page(client: cloaca.Client) -> None:
    entered, go_on = threading.Event(), threading.Event()

    def auth(request: cloaca.UiRequest) -> cloaca.Visitor | None:
        if "slow" in request.query_params:
            entered.set()
            go_on.wait(WAIT)
            return None
        return cloaca.Visitor("view", "ann")

    app = page(client, auth=auth)
    stranger, ann = [
        httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app, client=(address, 1)), base_url="http://testserver"
        )
        for address in ("10.0.0.1", "10.0.0.2")
    ]
    async with stranger, ann, asyncio.timeout(WAIT):
        slow = [asyncio.ensure_future(stranger.get("/runs?slow=1")) for _ in range(40)]
        assert await asyncio.to_thread(entered.wait, WAIT)
        assert (await ann.get("/runs")).status_code == 200
        go_on.set()
        assert {each.status_code for each in await asyncio.gather(*slow)} == {401}


def test_an_auth_that_returns_no_visitor_is_an_error(client: cloaca.Client) -> None:
    browser = TestClient(page(client, auth=lambda _: True))

    with pytest.raises(TypeError, match=r"auth returns a cloaca\.Visitor or None, not bool"):
        browser.get("/runs")


@each_row("found", [None, ValueError("no"), "ann"])
def test_an_answer_has_the_policy_when_auth_fails(client: cloaca.Client, found: Any) -> None:
    def auth(_: cloaca.UiRequest) -> Any:
        if isinstance(found, Exception):
            raise found
        return found

    answer = TestClient(page(client, auth=auth), raise_server_exceptions=False).get("/runs")

    assert answer.status_code == (401 if found is None else 500)
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"


@each_row(
    ("role", "name", "message"),
    [
        ("admin", "ann", "a visitor's role is 'view' or 'steer', not 'admin'"),
        ("view", "", "name must have 1 to 255 characters"),
        ("view", "ann\ncancel by bob", "a visitor's name has no line breaks"),
        ("view", "ann\u2028bob", "a visitor's name has no line breaks"),
    ],
)
def test_a_visitor_has_a_role_and_a_name(role: Any, name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        cloaca.Visitor(role, name)


# -- what it refuses -----------------------------------------------------------------------------


@each_row("host", ["evil.example", "testserver.evil.example", "", "127.0.0.1"])
def test_another_host_is_refused_and_the_option_is_named(client: cloaca.Client, host: str) -> None:
    answer = TestClient(page(client)).get("/runs", headers={"host": host})

    assert answer.status_code == 400
    assert "hosts=" in answer.text


@each_row("host", ["testserver:8000", "TestServer", "testserver"])
def test_a_host_is_compared_without_its_port_and_case(client: cloaca.Client, host: str) -> None:
    assert TestClient(page(client)).get("/runs", headers={"host": host}).status_code == 200


@each_row(("hosts", "error"), [("localhost", TypeError), (["*"], ValueError), ([1], TypeError)])
def test_hosts_are_names(client: cloaca.Client, hosts: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="host"):
        cloaca.ui(client, auth=cloaca.ui_without_auth, hosts=hosts)


def test_an_answer_forbids_inline_scripts_frames_and_copies(client: cloaca.Client) -> None:
    browser = TestClient(page(client))
    first, second = browser.get("/runs"), browser.get("/runs")

    policy = first.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert first.headers["x-frame-options"] == "DENY"
    assert first.headers["cache-control"] == "no-store"
    assert first.headers["x-content-type-options"] == "nosniff"
    assert "access-control-allow-origin" not in first.headers
    assert policy != second.headers["content-security-policy"]


@each_row(
    ("name", "begins", "ends"),
    [("frame.css", "tokens", "page"), ("frame.js", "vendor/htmx", "ask")],
)
def test_what_every_page_has_is_one_file(
    client: cloaca.Client, name: str, begins: str, ends: str
) -> None:
    browser, kind = TestClient(page(client)), name.rpartition(".")[2]
    packed = browser.get(f"/static/x/{name}")
    plain = browser.get(f"/static/x/{name}", headers={"accept-encoding": "identity"})
    first, last = ((STATIC / f"{each}.{kind}").read_bytes() for each in (begins, ends))

    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.content == plain.content
    assert plain.content.startswith(first)
    assert plain.content.endswith(last)
    assert packed.headers["content-security-policy"] == "default-src 'none'"
    assert "immutable" in packed.headers["cache-control"]
    assert browser.post(f"/static/x/{name}").status_code in (403, 405)


def test_what_users_write_is_text(client: cloaca.Client, run: cloaca.RunHandle) -> None:
    browser = TestClient(page(client))

    for path in ("/runs", f"/runs?q={SCRIPT}", f"/runs/{SCRIPT}", f"/runs/{run.id}"):
        assert SCRIPT not in browser.get(path).text


@each_row(
    "path",
    [
        "/static/x/../../visitors.py",
        "/static/x/..%2f..%2fvisitors.py",
        "/static/x/%2e%2e/%2e%2e/visitors.py",
        "/static/x//etc/passwd",
        "/static/page.css/../../application.py",
    ],
)
def test_nothing_but_static_files_is_served(client: cloaca.Client, path: str) -> None:
    answer = TestClient(page(client)).get(path)

    assert answer.status_code in (404, 405)
    assert "import" not in answer.text


def test_a_run_that_is_not_there_is_404_in_words(client: cloaca.Client) -> None:
    answer = TestClient(page(client)).get("/runs/01a0")

    assert answer.status_code == 404
    assert "There is no such run" in answer.text


# -- cloaca ui -----------------------------------------------------------------------------------


@contextmanager
def serving(database_url: str, *options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command, and the address that it prints."""
    command = [sys.executable, "-m", "cloaca", "ui", "--database-url", database_url, *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        try:
            yield program, program.stdout.readline().strip()
        finally:
            program.kill()


@pytest.mark.each_backend
def test_the_command_serves_whoever_opens_its_address_first(
    database_url: str, run: cloaca.RunHandle
) -> None:
    with serving(database_url) as (program, address):
        base = address.partition("?")[0]
        with httpx2.Client(follow_redirects=True) as first, httpx2.Client() as second:
            assert first.get(address).url == base
            answer = first.get(f"{base}runs/{run.id}")
            assert answer.status_code == 200
            assert "may act" in answer.text
            assert second.get(address).status_code == 401
            assert second.get(f"{base}runs").status_code == 401
        program.send_signal(signal.SIGINT)
        assert program.wait(WAIT) == 0


def test_the_command_offers_no_act_if_it_is_read_only(
    database_url: str, run: cloaca.RunHandle
) -> None:
    with serving(database_url, "--read-only") as (_, address):
        base = address.partition("?")[0]
        with httpx2.Client(follow_redirects=True) as browser:
            browser.get(address)
            answer = browser.get(f"{base}runs/{run.id}")
            refused = browser.post(
                f"{base}runs/{run.id}/retry", headers={"origin": base.rstrip("/")}
            )
    assert "looks only" in answer.text
    assert "<form method=" not in answer.text
    assert refused.status_code in (403, 405)
