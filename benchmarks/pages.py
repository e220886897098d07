"""Measures the web page on a database of a million runs: first bytes, sizes, liveness, idle cost.

``python -m benchmarks.pages sqlite`` or ``python -m benchmarks.pages URL``, the URL of a PostgreSQL
in which a schema is made and dropped. ``--runs`` is the number of ended runs. The page is served by
a process of its own, which does nothing else; the idle runner, by one that serves its page.
"""

from __future__ import annotations

import argparse
import gzip
import random
import re
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection, HTTPResponse
from urllib.parse import urlencode

import uvicorn

import cloaca
from benchmarks import filled, workflows
from benchmarks.measuring import Line, report

ROUNDS = 15
WIDE = 10_000
BRANCHES = 8
IDLE_SECONDS = 15.0
IDLE_PAIRS = 3
MOST_MS = 100.0
MOST_FOR_WIDE_MS = 1_000.0
MOST_FOR_A_CHANGE_MS = 200.0
MOST_FIRST_KB = 150.0
MOST_IDLE_MS = 3.0
"""Milliseconds of the processor that an open page may cost an idle runner each second, which takes
about as many itself.
"""

_STATIC = re.compile(rb'(?:src|href)="([^"]*/static/[^"]*)"')


# -- the program that is looked at -----------------------------------------------------------------


def _define() -> None:
    workflows.define()
    with cloaca.WorkflowBuilder("wide"):
        for number in range(WIDE):
            before = [f"t{(number - 1) // BRANCHES:05d}"] if number else []
            cloaca.task(id=f"t{number:05d}", dependencies=before)(_nothing)
    with cloaca.WorkflowBuilder("asking"):
        cloaca.approval("send", "Send it?", choices=["send", "drop"])


def _nothing(_: cloaca.Context) -> None:
    """Do nothing."""


def _run(url: str) -> str:
    """Run what the fill has not: the wide run, whose id is returned, and people to wait for."""
    with cloaca.DefaultRunner(url) as runner:
        wide = runner.submit("wide")
        for number in range(20):
            runner.submit("asking", {"order": number})
        runner.schedule("each night", "one", "0 2 * * *", "UTC")
        wide.wait()
        return wide.id


# -- the process that serves -----------------------------------------------------------------------


def _serve(url: str, kind: str) -> None:
    """Serve the page of a client or a runner until it is ended. Says its port, and for each line
    that it is sent how many milliseconds of the processor it has used.
    """
    workflows.define()
    opened = cloaca.Client(url) if kind == "client" else cloaca.DefaultRunner(url)
    with opened as client, socket.socket(proto=socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        print(listener.getsockname()[1], flush=True)
        threading.Thread(target=_tell_processor_time, daemon=True).start()
        page = cloaca.ui(client, auth=cloaca.ui_without_auth)
        uvicorn.Server(uvicorn.Config(page, log_level="warning")).run(sockets=[listener])


def _tell_processor_time() -> None:
    for _ in sys.stdin:
        print(time.process_time() * 1_000, flush=True)


class _Page:
    """The page of another process, asked as a browser asks."""

    def __init__(self, url: str, kind: str) -> None:
        command = [sys.executable, "-m", "benchmarks.pages", "--serve", kind, url]
        self._process = subprocess.Popen(  # our own program
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._port = int(self._line())
        self._connection = self._connected()

    def close(self) -> None:
        """End the process."""
        self._connection.close()
        self._process.terminate()
        self._process.communicate()

    def used(self) -> float:
        """The milliseconds of the processor that it has used."""
        assert self._process.stdin is not None
        print(file=self._process.stdin, flush=True)
        return float(self._line())

    def get(self, path: str) -> tuple[float, bytes, int]:
        """Milliseconds until the first byte of the answer, the whole of it, and its size on the
        wire.
        """
        start = time.perf_counter()
        self._connection.request("GET", path, headers={"Accept-Encoding": "gzip"})
        answer = self._connection.getresponse()
        first = answer.read(1)
        took = (time.perf_counter() - start) * 1_000
        content = first + answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{path}: {answer.status}")
        size = len(content)
        if answer.getheader("Content-Encoding") == "gzip":
            content = gzip.decompress(content)
        return took, content, size

    @contextmanager
    def live(self) -> Iterator[HTTPResponse]:
        """The stream of an open page."""
        with closing(self._connected()) as connection:
            connection.request("GET", "/live", headers={"Accept": "text/event-stream"})
            yield connection.getresponse()

    def _connected(self) -> HTTPConnection:
        return HTTPConnection("127.0.0.1", self._port)

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


@contextmanager
def _page(url: str, kind: str) -> Iterator[_Page]:
    page = _Page(url, kind)
    try:
        yield page
    finally:
        page.close()


def _hear(stream: HTTPResponse) -> None:
    """Wait for the next event."""
    while stream.readline().strip():
        pass


# -- measure -------------------------------------------------------------------------------------


def _first_bytes(page: _Page, wide: str) -> Iterator[Line]:
    one = {"name": "public::embedded::one"}
    paths = {
        "/": MOST_MS,
        "/?hours=24": MOST_MS,
        "/runs": MOST_MS,
        "/runs?q=status%3Afailed": MOST_MS,
        "/runs?q=tag%3Akind%3Dk10": MOST_MS,
        "/workflows": MOST_MS,
        f"/workflow?{urlencode(one)}": MOST_MS,
        f"/workflow?{urlencode({**one, 'view': 'graph'})}": MOST_MS,
        "/inbox": MOST_MS,
        "/schedules": MOST_MS,
        "/triggers": MOST_MS,
        "/runners": MOST_MS,
        "/tenants": MOST_MS,
        "/actions": MOST_MS,
        f"/runs/{wide}": MOST_FOR_WIDE_MS,
        f"/runs/{wide}?view=timeline": MOST_FOR_WIDE_MS,
        f"/runs/{wide}?view=graph": MOST_FOR_WIDE_MS,
        f"/runs/{wide}?view=table": MOST_FOR_WIDE_MS,
    }
    took: dict[str, list[float]] = {path: [] for path in paths}
    for path in paths:
        page.get(path)
    for _ in range(ROUNDS):
        for path in random.sample(list(paths), len(paths)):  # order only, no secret
            took[path].append(page.get(path)[0])
    for path, most in paths.items():
        many = took[path]
        size = page.get(path)[2] / 1_024
        beside = f"90 %: {statistics.quantiles(many, n=10)[-1]:.0f} ms; {size:,.0f} kB"
        what = f"first byte of {path.replace(wide, 'WIDE')}"
        yield Line(what, statistics.median(many), "ms", "at most", most, beside)


def _first_page(page: _Page) -> Line:
    _, content, size = page.get("/")
    parts = {each.decode() for each in _STATIC.findall(content)}
    sizes = [page.get(part)[2] for part in parts]
    total = (size + sum(sizes)) / 1_024
    beside = f"{size / 1_024:.0f} kB and {len(parts)} files"
    return Line("bytes of the first page", total, "kB", "at most", MOST_FIRST_KB, beside)


def _changes(url: str, page: _Page) -> Line:
    """From a cancel in another program to the last byte of the page that shows it."""
    took = []
    with cloaca.Client(url) as client, page.live() as stream:
        _hear(stream)
        for run in client.list_runs(workflow_name="asking", limit=20):
            time.sleep(0.3)  # the notice before it is over
            start = time.perf_counter()
            client.cancel(run.id)
            _hear(stream)
            page.get("/runs")
            took.append((time.perf_counter() - start) * 1_000)
    beside = f"most: {max(took):.0f} ms"
    what = "a change, until the page is there"
    return Line(what, statistics.median(took), "ms", "at most", MOST_FOR_A_CHANGE_MS, beside)


def _idle(url: str) -> Line:
    costs = []
    with _page(url, "runner") as page:
        page.get("/runs")
        for _ in range(IDLE_PAIRS):
            alone = _used(page)
            with page.live() as stream:
                _hear(stream)
                costs.append((_used(page) - alone, alone))
    more = statistics.median(each for each, _ in costs)
    beside = f"alone {statistics.median(each for _, each in costs):.1f} ms"
    what = "an open page, for each second of an idle runner"
    return Line(what, more, "ms", "at most", MOST_IDLE_MS, beside)


def _used(page: _Page) -> float:
    before = page.used()
    time.sleep(IDLE_SECONDS)
    return (page.used() - before) / IDLE_SECONDS


def main() -> int:
    """Fill, serve, measure, and print a line per figure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pages")
    parser.add_argument("database", help="sqlite, or the URL of a PostgreSQL")
    parser.add_argument("--runs", type=int, default=1_000_000)
    parser.add_argument("--serve", choices=["client", "runner"], help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        _serve(given.database, given.serve)
        return 0
    _define()
    start = time.perf_counter()
    with filled.databases(given.database, ["pages"]) as (url,):
        filled.fill(url, given.runs)
        wide = _run(url)
        print(f"filled in {time.perf_counter() - start:.0f} s", flush=True)
        with _page(url, "client") as page:
            lines = [*_first_bytes(page, wide), _first_page(page), _changes(url, page)]
        return report([*lines, _idle(url)])


if __name__ == "__main__":
    raise SystemExit(main())
