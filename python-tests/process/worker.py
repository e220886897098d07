"""The program that the process tests start, stop and kill: a runner that obeys lines on stdin.

Every body notes itself in a ledger, one appended line per execution. ``CLOACA_TEST_HOLD`` names
tasks whose bodies say "holding" and wait for the line ``release``; so a test knows where a process
stands when it kills it, without any clock. With ``CLOACA_TEST_STOP`` set to ``point:n`` the process
says "stopping" when it comes to that point of the engine for the n-th time, and stops there, with
all its threads.
"""

from __future__ import annotations

import asyncio
import fcntl
import importlib
import itertools
import json
import logging
import os
import resource
import signal
import sqlite3
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast
from urllib.parse import parse_qsl, urlencode, urlsplit

import cloaca
from cloaca_core.assembly.engine import Engine
from cloaca_core.engine.runtime import failpoints

sys.path.append(str(Path(__file__).parents[1]))  # a worker is started as a program of its own
from chaos import callers, moved_clock
from model.plain_life import judged_lives

from process import limited_runs, trees

FAN_WIDTH = 50

_gates: dict[str, threading.Event] = {}
_speaking = threading.Lock()
_sending = threading.RLock()
_own: list[Any] = []
_callers: list[callers.Caller] = []
_opened: Future[cloaca.DefaultRunner] = Future()


def held() -> frozenset[str]:
    """The tasks that wait in their bodies."""
    return frozenset(filter(None, os.environ.get("CLOACA_TEST_HOLD", "").split(",")))


def _gate(name: str) -> threading.Event:
    """What bodies of this name wait for."""
    return _gates.setdefault(name, threading.Event())


def say(*words: object) -> None:
    """One line to the test, whole even when several threads speak."""
    with _speaking:
        sys.stdout.write(" ".join(map(str, words)) + "\n")
        sys.stdout.flush()


def note(handle: cloaca.TaskHandle | cloaca.AsyncTaskHandle, name: str = "") -> None:
    """Write this execution down, and stop here if the test wants that. ``name`` is that of a step,
    else it is the task's.
    """
    name = name or handle.task_id
    line = f"{handle.run_id} {name} {handle.attempt} {handle.epoch} {os.getpid()}\n"
    ledger = os.open(os.environ["CLOACA_TEST_LEDGER"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(ledger, line.encode())
    os.close(ledger)
    if name in held():
        say("holding", name, handle.run_id)
        _gate(name).wait()


@contextmanager
def _between_writes() -> Iterator[None]:
    """No other thread of this process uses SQLite meanwhile: one that stopped in a transaction
    would keep the file from all other processes. A fork waits for the same. Nor does it send to
    PostgreSQL, which would keep the locks of the part that it has got.
    """
    if not sys.argv[1].startswith("sqlite:"):
        with _sending:
            yield
        return
    if "_connection_worker" in threading.current_thread().name:
        yield
        return
    from cloaca_sqlite.files.fork_gate import GATE  # not there where PostgreSQL alone is tested

    GATE.before_fork()
    try:
        yield
    finally:
        GATE.after_fork()


def _send_whole() -> None:
    """Let no stop come between two parts of what is sent to PostgreSQL as one transaction."""
    session: Any = importlib.import_module("cloaca_postgres.sessions.session").Session
    send = session._send

    def whole(self: Any, bound: Any) -> Any:
        with _sending:
            return send(self, bound)

    session._send = whole


def _stand_still(_: cloaca.DefaultRunner | None = None) -> None:
    """Stop, with all threads, until the test lets the process go on."""
    with _between_writes():
        say("stopping")
        signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)  # here, and all others


def _stop_at(setting: str) -> None:
    """Stop this process when it comes to a point for the n-th time, or for each of several
    ("point:1,2").
    """
    wanted, _, counts = setting.partition(":")
    assert wanted in failpoints.POINTS
    places = frozenset(map(int, counts.split(",")))
    times = itertools.count(1)  # safe with several threads, as one step of it is

    def hit(point: str) -> None:
        if point == wanted and next(times) in places:
            _stand_still()

    failpoints.watch(hit)


# -- workflows -----------------------------------------------------------------------------------


def define(runner: Callable[[], cloaca.DefaultRunner], registry: cloaca.Registry) -> None:
    """The workflows of the tests that are the same in every worker."""
    _traced("one", {"a": []}, registry)
    _traced("chain", {"a": [], "b": ["a"], "c": ["b"], "d": ["c"]}, registry)
    _traced("diamond", {"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c"]}, registry)
    middle = [f"w{number:02}" for number in range(FAN_WIDTH)]
    fan = {"a": [], **{name: ["a"] for name in middle}, "z": middle}
    _traced("fan", fan, registry)
    travel: dict[str, list[str]] = {"a": [], "b": ["a"], "c": ["b"]}
    _traced("travelling", travel, registry, {"b": "gpu"})
    _poison(registry)
    _awaited(registry)
    _submitter(registry)
    _caller(registry)
    _nested(registry)
    _looping(registry)
    _mapped_runs(registry)
    _busy(registry)
    _alone(registry)
    _parent(runner, registry)
    _maker(runner, registry)
    _postponed(registry)
    _followed(registry)
    _stepped(registry)
    _mapped(registry)
    _crowded(registry)
    _nightly(registry)
    _mailed(registry)
    _waiting(registry)
    _asking(registry)
    _waiting_at_once(registry)
    _logged(registry)
    _stubborn(registry)
    _impatient(registry)
    _mended(registry)
    _caring(runner, registry)
    _booked(registry)
    trees.define(note, registry)
    limited_runs.define(note, registry)


def _traced(
    name: str,
    graph: dict[str, list[str]],
    registry: cloaca.Registry,
    queues: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Tasks that add their names to a list; some ask for queues."""
    with cloaca.WorkflowBuilder(name, registry=registry):
        for task_id, dependencies in graph.items():
            _traced_task(task_id, dependencies, queue=queues.get(task_id))


def _traced_task(
    task_id: str,
    dependencies: Sequence[str],
    retry_attempts: int = 4,
    queue: str | None = None,
) -> None:
    needs = list(dependencies)

    @cloaca.task(id=task_id, dependencies=needs, retry_attempts=retry_attempts, queue=queue)
    def body(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
        note(handle)
        context["trail"] = [*context.get("trail", []), task_id]


def _booked(registry: cloaca.Registry) -> None:
    """A transactional task that writes a row, and one after it."""
    with cloaca.WorkflowBuilder("booked", registry=registry):

        @cloaca.task(id="book", transactional=True)
        def book(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
            schema = dict(parse_qsl(urlsplit(sys.argv[1]).query)).get("schema")
            table = "booked" if schema is None else f'"{schema}".booked'
            handle.connection.execute(f"INSERT INTO {table} VALUES ('{handle.run_id}')")
            note(handle)
            context["trail"] = ["book"]

        _traced_task("after", ["book"])


def _poison(registry: cloaca.Registry) -> None:
    with cloaca.WorkflowBuilder("poison", registry=registry):

        @cloaca.task(id="poison")
        def poison(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
            note(handle)
            os.kill(os.getpid(), signal.SIGKILL)


def _awaited(registry: cloaca.Registry) -> None:
    with cloaca.WorkflowBuilder("async", registry=registry):

        @cloaca.task(id="async")
        async def body(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
            note(handle)
            context["trail"] = ["async"]


def _busy(registry: cloaca.Registry) -> None:
    with cloaca.WorkflowBuilder("busy", registry=registry):

        @cloaca.task(id="busy")
        def busy(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
            note(handle)
            time.sleep(0.005)  # work that gives the other process its turn


def _alone(registry: cloaca.Registry) -> None:
    """A body that notes if another one holds the lock, which a process that dies lets go of."""
    with cloaca.WorkflowBuilder("alone", registry=registry):

        @cloaca.task(id="alone")
        def alone(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
            with Path(os.environ["CLOACA_TEST_LEDGER"] + ".lock").open("a") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    _broken(f"run {handle.run_id} runs beside another with its singleton key")
                note(handle)
                time.sleep(0.002)  # work that gives the other process its turn


def _parent(runner: Callable[[], cloaca.DefaultRunner], registry: cloaca.Registry) -> None:
    with cloaca.WorkflowBuilder("parent", registry=registry):

        @cloaca.task(id="p")
        def parent(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
            note(handle)
            result = runner().execute(context.get("child", "one"))
            context["child_status"] = result.status
            context["trail"] = [*result.final_context.get("trail", []), "p"]


def _submitter(registry: cloaca.Registry) -> None:
    """A body that submits runs through its handle, and stops behind that."""
    with cloaca.WorkflowBuilder("submitter", registry=registry):

        @cloaca.task(id="s")
        def submits(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
            children = [handle.submit("one"), *handle.submit_many("one", [None, None])]
            note(handle)
            context["children"] = [child.result().status for child in children]


def _caller(registry: cloaca.Registry) -> None:
    """Bodies that run workflows as children, and wait for them."""
    with cloaca.WorkflowBuilder("caller", registry=registry):

        @cloaca.task(id="c")
        def calls(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
            note(handle)
            started = handle.start_workflow("one", {"trail": ["x"]})
            note(handle, "started")
            ran = handle.run_workflow("one", {"trail": ["y"]}, key="second")
            context["trails"] = [started.result()["trail"], ran["trail"]]

    with cloaca.WorkflowBuilder("caller-async", registry=registry):

        @cloaca.task(id="c")
        async def calls_async(context: cloaca.Context, handle: cloaca.AsyncTaskHandle) -> None:
            note(handle)
            started = await handle.start_workflow("one", {"trail": ["x"]})
            await asyncio.to_thread(note, handle, "started")
            ran = await handle.run_workflow("one", {"trail": ["y"]}, key="second")
            context["trails"] = [(await started.result())["trail"], ran["trail"]]


def _nested(registry: cloaca.Registry) -> None:
    """Nodes that are runs of another workflow, in a chain."""
    with cloaca.WorkflowBuilder("nested", registry=registry):
        first = cloaca.child("first", "one", context={"trail": cloaca.constant(["x"])})
        cloaca.child("second", "one", context={"trail": ("first", "trail")}, dependencies=[first])


def _looping(registry: cloaca.Registry) -> None:
    """A loop of three iterations."""
    with cloaca.WorkflowBuilder("looping", registry=registry):
        cloaca.loop(
            "first",
            "one",
            until=cloaca.context_value("trail", "==", ["x", "a", "a"]),
            max_iterations=3,
            context={"trail": cloaca.constant(["x"])},
        )


def _mapped_runs(registry: cloaca.Registry) -> None:
    """A map whose items are runs of another workflow."""
    with cloaca.WorkflowBuilder("mapped-runs", registry=registry):
        items: list[object] = [["x"], ["y"]]
        cloaca.child("each", "one", map=items, context={"trail": "item"}, outputs=["trail"])


def _maker(runner: Callable[[], cloaca.DefaultRunner], registry: cloaca.Registry) -> None:
    """A body that submits runs for as long as it lives."""
    _traced("idle", {"i": []}, registry)
    with cloaca.WorkflowBuilder("maker", registry=registry):

        @cloaca.task(id="m")
        def maker(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
            note(handle)
            try:
                while True:
                    run = runner().submit("idle", delay=3600)
                    if not context.get("made"):
                        context["made"] = True
                        say("made", run.id)
            except BaseException as error:
                say("unwound", type(error).__name__)
                raise


def _postponed(registry: cloaca.Registry) -> None:
    """A task that asks for two attempts that do not count, and then fails."""
    with cloaca.WorkflowBuilder("postponed", registry=registry):

        @cloaca.task(id="t", retry_attempts=2, retry_delay_ms=1, retry_max_delay_ms=1)
        def body(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
            note(handle)
            if handle.attempt <= 2:
                raise cloaca.RetryAfter(0 if handle.attempt == 1 else 1.5, count=False)
            raise ValueError("not yet")


def _versioned(registry: cloaca.Registry) -> None:
    """A workflow whose task is another one where other tasks are held; a run that began under one
    version fails under another.
    """
    with cloaca.WorkflowBuilder("versioned", registry=registry) as builder:
        builder.version_policy("fail")
        _traced_task("v", (), retry_attempts=4 if "v" in held() else 5)


def _followed(registry: cloaca.Registry) -> None:
    """A run of the workflow "one" follows each run of this."""
    with cloaca.WorkflowBuilder("followed", registry=registry) as builder:
        builder.when_ended(["Completed", "Failed", "Cancelled"], submit="one")
        _traced_task("f", ())


def _stepped(registry: cloaca.Registry) -> None:
    """One body with four steps, sync and async."""
    names = ("s1", "s2", "s3", "s4")
    with cloaca.WorkflowBuilder("stepped", registry=registry):

        @cloaca.task(id="t")
        def body(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
            def call(name: str) -> str:
                note(handle, name)
                return name

            note(handle)
            context["trail"] = [handle.step("call", call, name) for name in names]

    with cloaca.WorkflowBuilder("stepped-async", registry=registry):

        @cloaca.task(id="t")
        async def later(context: cloaca.Context, handle: cloaca.AsyncTaskHandle) -> None:
            async def call(name: str) -> str:
                note(handle, name)
                return name

            note(handle)
            context["trail"] = [await handle.step("call", call, name) for name in names]


def _mapped(registry: cloaca.Registry) -> None:
    """A map of eight items, of which the third one is tried twice."""
    with cloaca.WorkflowBuilder("mapped", registry=registry):

        @cloaca.task(
            id="each",
            map=list(range(8)),
            retry_delay_ms=1,
            retry_backoff="fixed",
            retry_jitter=False,
        )
        def body(context: cloaca.Context, item: int, handle: cloaca.TaskHandle) -> int:
            note(handle, f"i{item}")
            if item == 2 and handle.attempt == 1:
                raise RuntimeError("again")
            return item


def _crowded(registry: cloaca.Registry) -> None:
    """A body of which two may be under way at once; it notes its end as well."""
    with cloaca.WorkflowBuilder("crowded", registry=registry):

        @cloaca.task(id="busy", limits=[cloaca.Limit("crowd", total=2)])
        def body(_: cloaca.Context, handle: cloaca.TaskHandle) -> None:
            note(handle)
            note(handle, "done")


def _nightly(registry: cloaca.Registry) -> None:
    """The same with one body; of the runs one may be under way."""
    with cloaca.WorkflowBuilder("nightly", registry=registry) as builder:
        builder.limits(cloaca.Limit("nights", total=1))

        @cloaca.task(id="busy")
        def body(_: cloaca.Context, handle: cloaca.TaskHandle) -> None:
            note(handle)
            note(handle, "done")


def _mailed(registry: cloaca.Registry) -> None:
    """Two nodes that wait for one event, one after the other."""
    with cloaca.WorkflowBuilder("mailed", registry=registry):
        first = cloaca.wait_for("first", "mail")
        second = cloaca.wait_for("second", "mail", dependencies=[first])
        cloaca.task(id="t", dependencies=[second])(lambda context: None)


def _waiting(registry: cloaca.Registry) -> None:
    """Bodies with a step before and after each of their waits, sync and async."""
    with cloaca.WorkflowBuilder("waiting", registry=registry):

        @cloaca.task(id="t")
        def body(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
            def call(name: str) -> str:
                note(handle, name)
                return name

            note(handle)
            trail = [handle.step("call", call, "s0"), handle.wait_for("mail")]
            trail += [handle.step("call", call, "s1"), handle.wait_for("mail")]
            trail += [handle.step("call", call, "s2")]
            handle.sleep(0.05)
            context["trail"] = [*trail, handle.step("call", call, "s3")]

    with cloaca.WorkflowBuilder("waiting-async", registry=registry):

        @cloaca.task(id="t")
        async def later(context: cloaca.Context, handle: cloaca.AsyncTaskHandle) -> None:
            async def call(name: str) -> str:
                note(handle, name)
                return name

            note(handle)
            trail = [await handle.step("call", call, "s0"), await handle.wait_for("mail")]
            trail += [await handle.step("call", call, "s1"), await handle.wait_for("mail")]
            trail += [await handle.step("call", call, "s2")]
            await handle.sleep(0.05)
            context["trail"] = [*trail, await handle.step("call", call, "s3")]


def _asking(registry: cloaca.Registry) -> None:
    """A body that pays, asks a person, and tells."""
    with cloaca.WorkflowBuilder("asking", registry=registry):

        @cloaca.task(id="t")
        def body(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
            def call(name: str) -> str:
                note(handle, name)
                return name

            note(handle)
            trail = [handle.step("call", call, "s0"), handle.approval("sign", "May it?")["by"]]
            context["trail"] = [*trail, handle.step("call", call, "s1")]


def _waiting_at_once(registry: cloaca.Registry) -> None:
    """Bodies with several waits at a time."""
    with cloaca.WorkflowBuilder("spread", registry=registry):

        @cloaca.task(id="t")
        def spread(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
            def helped(found: str) -> str:
                note(handle, "helped")
                return found

            def wait() -> str:
                return handle.step("helped", helped, handle.wait_for("mail"))

            note(handle)
            with ThreadPoolExecutor(1) as pool:  # it waits for its thread
                coming = pool.submit(wait)
                handle.sleep(0.4)
                context["trail"] = ["slept", coming.result()]

    with cloaca.WorkflowBuilder("gathering", registry=registry):

        @cloaca.task(id="t")
        async def gathering(context: cloaca.Context, handle: cloaca.AsyncTaskHandle) -> None:
            note(handle)
            waits = (handle.wait_for("mail"), handle.sleep(0.1), handle.wait_for("mail"))
            context["trail"] = await asyncio.gather(*waits)


def _logged(registry: cloaca.Registry) -> None:
    """A body that logs before and after it may be held."""
    with cloaca.WorkflowBuilder("logged", registry=registry):

        @cloaca.task(id="t")
        def body(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
            for number in range(3):
                logging.getLogger("app").info("line %d", number)
            note(handle)
            for number in range(3, 6):
                handle.log(f"line {number}")
            note(handle, "end")
            context["trail"] = ["t"]


def _stubborn(registry: cloaca.Registry) -> None:
    """A body whose first attempt takes the signal to leave for an error."""
    with cloaca.WorkflowBuilder("stubborn", registry=registry):

        @cloaca.task(id="t", retry_attempts=2, retry_delay_ms=1)
        def stubborn(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
            note(handle)
            try:
                context["trail"] = [handle.attempt, handle.wait_for("mail")]
            except BaseException:
                if handle.attempt == 2:
                    raise


def _impatient(registry: cloaca.Registry) -> None:
    """A node whose time is soon over, and one behind it that waits for the same event."""
    with cloaca.WorkflowBuilder("impatient", registry=registry):
        first = cloaca.wait_for("first", "mail", timeout=0.1, default="late")
        second = cloaca.wait_for("second", "mail", dependencies=[first])
        cloaca.task(id="t", dependencies=[second])(lambda context: None)


def _mended(registry: cloaca.Registry) -> None:
    """A workflow that fails in its first round, at ``b``; "a" and "k" succeed. Each body says who
    has executed it.
    """
    with cloaca.WorkflowBuilder("mended", registry=registry):
        _signed_task("a", ())
        _signed_task("k", ("a",))
        _signed_task("b", ("a",), fails_first=True)
        _signed_task("c", ("b", "k"))


def _renewed(policy: cloaca.VersionPolicyName, registry: cloaca.Registry) -> None:
    """A workflow that fails in its first round, with another task where "renewal" is held."""
    middle = "new" if "renewal" in held() else "old"
    with cloaca.WorkflowBuilder(f"renewed-{policy}", registry=registry) as builder:
        builder.version_policy(policy)
        _signed_task("a", ())
        _signed_task(middle, ("a",), fails_first=middle == "old")
        _signed_task("c", (middle,))


def _signed_task(task_id: str, dependencies: Sequence[str], *, fails_first: bool = False) -> None:
    @cloaca.task(id=task_id, dependencies=list(dependencies), retry_attempts=1)
    def body(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
        note(handle)
        if fails_first and handle.attempt == 1 and "mended" not in context:
            raise ValueError("not in the first round")
        context[task_id] = f"{os.getpid()}, attempt {handle.attempt}"


def _caring(runner: Callable[[], cloaca.DefaultRunner], registry: cloaca.Registry) -> None:
    """A body that fails if one of the two runs does that it executes."""
    with cloaca.WorkflowBuilder("caring", registry=registry):

        @cloaca.task(id="p", retry_attempts=1)
        def parent(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
            note(handle)
            context["children"] = [runner().execute("mended").status for _ in range(2)]
            if context["children"] != ["Completed"] * 2:
                raise ValueError("a child has failed")


# -- commands ------------------------------------------------------------------------------------


def serve(runner: cloaca.DefaultRunner) -> None:
    """Obey until stdin ends."""
    for line in sys.stdin:
        command, *arguments = line.split()
        try:
            COMMANDS[command](runner, *arguments)
        except Exception as error:
            say("error", type(error).__name__, error)


def _submit(runner: cloaca.DefaultRunner, name: str, count: str = "1", child: str = "") -> None:
    contexts = [{"child": child} if child else {} for _ in range(int(count))]
    say("submitted", *(handle.id for handle in runner.submit_many(name, contexts)))


def _singletons(runner: cloaca.DefaultRunner, count: str, *policies: Any) -> None:
    """Submit so many runs with one singleton key, by these policies in turn."""
    for policy, _ in zip(itertools.cycle(policies), range(int(count)), strict=False):
        runner.submit("alone", {}, singleton="key", singleton_policy=policy)
    say("submitted", count)


def _limited(runner: cloaca.DefaultRunner, name: str, seconds: str) -> None:
    """Submit a run that may take so many seconds."""
    say("submitted", runner.submit(name, {}, time_limit=float(seconds)).id)


def _steer(runner: cloaca.DefaultRunner, kind: str, run_id: str, grace: str = "") -> None:
    """Cancel, pause or resume a run; the answer, or the name of the error."""
    options = {"grace": float(grace)} if grace else {}
    try:
        steered = getattr(runner.get_run(run_id), kind)(**options)
    except cloaca.RunStateError as error:
        say("steered", kind, type(error).__name__, error.status)
    else:
        say("steered", kind, steered.status, steered.changed)


def _send(runner: cloaca.DefaultRunner, run_id: str, payload: str) -> None:
    """Send a message whose key is its payload; whether that was new, or the name of the error."""
    try:
        say("sent", runner.send(run_id, "mail", payload, key=payload).changed)
    except cloaca.RunStateError as error:
        say("sent", type(error).__name__)


def _approve(runner: cloaca.DefaultRunner, run_id: str, name: str, by: str) -> None:
    """Decide an approval; whether that was new, or the name of the error."""
    try:
        say("approved", runner.approve(run_id, name, by=by).changed)
    except cloaca.RunStateError as error:
        say("approved", type(error).__name__)


def _retry(runner: cloaca.DefaultRunner, run_id: str, *tasks: str) -> None:
    """Begin a run again: its id, or the name of the error."""
    try:
        say("retried", runner.retry(run_id, tasks=tasks or None).id)
    except cloaca.CloacaError as error:
        say("retried", type(error).__name__)


def _fork(runner: cloaca.DefaultRunner, run_id: str, task: str, key: str = "") -> None:
    """Make a run of another, which does not fail at this task: its id and whether it is new, or the
    name of the error.
    """
    try:
        made = runner.fork(run_id, task, context={"mended": True}, idempotency_key=key or None)
        say("forked", made.id, made.created)
    except cloaca.CloacaError as error:
        say("forked", type(error).__name__, False)


def _prune(runner: cloaca.DefaultRunner, before: str) -> None:
    say("pruned", runner.prune(before=before).runs)


def _halt(runner: cloaca.DefaultRunner, setting: str) -> None:
    """Stop this process, from now on, when it comes to ``point:n``, and nowhere else."""
    _stop_at(setting)
    say("halting")


def _die(runner: cloaca.DefaultRunner, setting: str) -> None:
    """Kill this process when it comes to ``point:n``, counted from now on."""
    failpoints.watch(failpoints._Fault(setting).reached)
    say("dying")


def _connect() -> Any:
    """A connection of this program's own to the database of its runner."""
    url = sys.argv[1]
    if url.startswith("sqlite:"):
        return sqlite3.connect(url.removeprefix("sqlite://"))
    import psycopg  # not there where SQLite alone is tested

    parts = urlsplit(url)
    query = urlencode([each for each in parse_qsl(parts.query) if each[0] != "schema"])
    return psycopg.connect(parts._replace(query=query).geturl())


def _write(runner: cloaca.DefaultRunner, name: str) -> None:
    """Submit in a transaction that is not committed before ``commit``."""
    _own.append(_connect())
    say("written", runner.submit(name, {}, connection=_own[-1]).id)


def _commit(runner: cloaca.DefaultRunner) -> None:
    _own[-1].commit()
    say("committed")


def _one_by_one(runner: cloaca.DefaultRunner, name: str, count: str) -> None:
    say("submitted", *(runner.submit(name, {}).id for _ in range(int(count))))


def _result(runner: cloaca.DefaultRunner, run_id: str) -> None:
    result = runner.get_run(run_id).result()
    say("result", run_id, result.status, json.dumps(result.final_context.to_dict()))


def _result_meanwhile(runner: cloaca.DefaultRunner, run_id: str) -> None:
    """The same on a thread, so that other commands are obeyed while it waits."""
    threading.Thread(target=_result, args=(runner, run_id), daemon=True).start()


def _results(runner: cloaca.DefaultRunner, *run_ids: str) -> None:
    statuses = {runner.get_run(run_id).result().status for run_id in run_ids}
    say("results", *sorted(statuses))


def _read_file(runner: cloaca.DefaultRunner) -> None:
    """Read all files of the database, as a program does that copies or sums them."""
    path = sys.argv[1].removeprefix("sqlite://")
    for name in (path, f"{path}-wal", f"{path}-shm"):
        Path(name).read_bytes()
    say("read")


def _limit(runner: cloaca.DefaultRunner, size: str) -> None:
    """No file of this process may grow beyond ``size``: what a full disk does to SQLite."""
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    soft = resource.RLIM_INFINITY if size == "none" else int(size)
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    say("limited", size)


def _most_pages(runner: cloaca.DefaultRunner, most: str) -> None:
    """Let SQLite's own limit stand for the size of the disk; "now" is what the file has."""
    host = runner._host
    writer = host.engine.store._dialect._writer  # type: ignore[attr-defined]  # the only way in
    assert host._thread is not None
    pages = "(SELECT page_count FROM pragma_page_count)" if most == "now" else most

    def limit(raw: sqlite3.Connection) -> int:
        (count,) = raw.execute(f"SELECT {pages}").fetchone()
        (limited,) = raw.execute(f"PRAGMA max_page_count = {count}").fetchone()
        return int(limited)

    say("pages", host._thread.submit(writer.call(limit)).result())


def _fill(runner: cloaca.DefaultRunner) -> None:
    """Submit until that is refused."""
    try:
        while True:
            runner.submit("one", {"text": "x" * 10_000})
    except cloaca.CloacaError as error:
        say("refused", error)


def _shutdown(runner: cloaca.DefaultRunner) -> None:
    runner.shutdown()
    say("closed")


def _release(runner: cloaca.DefaultRunner, *names: str) -> None:
    """Let bodies of these names go on, or all."""
    for name in names or held():
        _gate(name).set()


def _stop(runner: cloaca.DefaultRunner) -> None:
    runner.stop()
    say("stopped")


def _start(runner: cloaca.DefaultRunner) -> None:
    runner.start()


def _closing(runner: cloaca.DefaultRunner) -> None:
    """Shut down, and say so when the shutdown is under way and not before."""
    engine = runner._host.engine
    shutdown = engine.shutdown

    async def announced() -> None:
        ending = asyncio.create_task(shutdown())
        await asyncio.sleep(0)  # its first step: from then on it claims nothing
        say("closing")
        await ending

    engine.shutdown = announced  # type: ignore[method-assign]  # there is no other moment to hear
    runner.shutdown()


def _announce(runner: cloaca.DefaultRunner) -> None:
    """Say so after each write from now on, for a test that looks for what was written."""
    engine = runner._host.engine
    store: Any = engine.store
    for name in ("commit", "beat", "register", "take_over"):
        setattr(store, name, _announced(getattr(store, name)))
    runner._host.send(_none_under_way).result()
    say("announcing")


async def _none_under_way(engine: Engine) -> None:
    """Return when all writes that began before are committed, so that a reader sees them."""
    async with engine._parts.claims.lease._lock:
        await engine._parts.base.journal.drained()


def _announced(write: Callable[..., Awaitable[object]]) -> Callable[..., Awaitable[object]]:
    async def announced(*arguments: object) -> object:
        answer = await write(*arguments)
        say("wrote")
        return answer

    return announced


def _neighbour(runner: cloaca.DefaultRunner) -> None:
    """Say so as soon as this runner knows that it is not alone."""
    runner._host.send(_tell_of_neighbour).result()


async def _tell_of_neighbour(engine: Engine) -> None:
    store: Any = engine.store
    set_contended = store.set_contended

    def told(*, contended: bool) -> None:
        set_contended(contended=contended)
        if contended:
            say("neighbour")

    store.set_contended = told
    engine._parts.claims.takeover.wake()


class _Report(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        say("logged", record.getMessage())


def _report(runner: cloaca.DefaultRunner) -> None:
    """Say from now on what is logged as a warning or worse."""
    logging.getLogger("cloaca").addHandler(_Report(logging.WARNING))
    say("reporting")


def _idle(runner: cloaca.DefaultRunner) -> None:
    """Wait a while: that nothing happens has no event to wait for."""
    time.sleep(1.0)
    say("idled")


def _schedule(
    runner: cloaca.DefaultRunner,
    name: str,
    seconds: str,
    overlap: cloaca.OverlapPolicyName = "allow",
) -> None:
    """Fire a workflow every so many seconds."""
    expression = f"*/{seconds} * * * * *"
    schedule_id = runner.schedule(
        name, name, expression, "UTC", catchup_policy="run_all", overlap_policy=overlap
    )
    say("scheduled", schedule_id)


def _find(runner: cloaca.DefaultRunner, name: str, interval: str) -> None:
    """At each poll, find one event: the same for ever, in every process."""

    @cloaca.trigger(name=name, on="one", poll_interval=interval, registry=runner._host.registry)
    def poll() -> cloaca.TriggerResult:
        say("polled", name)
        return cloaca.TriggerResult.fire(idempotency_key="the one event")

    say("triggered", *(each["trigger_name"] for each in runner.list_trigger_schedules()))


def _poll(runner: cloaca.DefaultRunner, name: str, interval: str) -> None:
    """Fire the workflow "one" at each poll, also while the last run has not ended."""

    @cloaca.trigger(
        name=name,
        on="one",
        poll_interval=interval,
        allow_concurrent=True,
        registry=runner._host.registry,
    )
    def poll() -> bool:
        say("polled", name)
        return True

    say("triggered", *(each["trigger_name"] for each in runner.list_trigger_schedules()))


def _enable(runner: cloaca.DefaultRunner, name: str, enabled: str) -> None:
    runner.set_trigger_enabled(name, enabled == "True")
    say("enabled", name, enabled)


def _act(runner: cloaca.Client, seed: str) -> None:
    """Call at random from now on."""
    _callers.append(callers.Caller(runner, seed, os.environ["CLOACA_TEST_LEDGER"]))


def _schedules_off(runner: cloaca.DefaultRunner) -> None:
    """Fire no more ticks."""
    for each in runner.list_cron_schedules():
        runner.set_cron_schedule_enabled(each["id"], False)
    say("off")


def _rest(runner: cloaca.Client) -> None:
    """Call no more."""
    for each in _callers:
        each.stop()
    say("resting")


COMMANDS: dict[str, Callable[..., None]] = {
    "submit": _submit,
    "singletons": _singletons,
    "limited": _limited,
    "steer": _steer,
    "send": _send,
    "approve": _approve,
    "retry": _retry,
    "fork": _fork,
    "prune": _prune,
    "halt": _halt,
    "die": _die,
    "write": _write,
    "commit": _commit,
    "one_by_one": _one_by_one,
    "result": _result,
    "result_meanwhile": _result_meanwhile,
    "results": _results,
    "read_file": _read_file,
    "limit": _limit,
    "most_pages": _most_pages,
    "fill": _fill,
    "shutdown": _shutdown,
    "release": _release,
    "freeze": _stand_still,
    "stop": _stop,
    "start": _start,
    "closing": _closing,
    "announce": _announce,
    "neighbour": _neighbour,
    "report": _report,
    "idle": _idle,
    "schedule": _schedule,
    "find": _find,
    "poll": _poll,
    "enable": _enable,
    "act": _act,
    "schedules_off": _schedules_off,
    "rest": _rest,
}


def _exit(*_: object) -> None:
    """Let SIGTERM shut the runner down, as service managers are told to expect."""
    sys.exit(-signal.SIGTERM)


REGISTRY = cloaca.Registry()
# Here, and not in main: the nursery does it once for all workers, before it forks them.
define(_opened.result, REGISTRY)  # a recovered body may ask before the runner is assigned


def _broken(rule: str) -> None:
    """Write down that the life of a run has broken a rule: the test looks at its end."""
    with Path(os.environ["CLOACA_TEST_LEDGER"] + ".broken").open("a", encoding="utf-8") as file:
        file.write(f"{rule}\n")


def main() -> None:
    """Open a runner on the URL given, with the settings given, and obey."""
    url, settings = sys.argv[1], json.loads(sys.argv[2])
    if not url.startswith("sqlite:"):
        _send_whole()
    if "CLOACA_TEST_STOP" in os.environ:
        _stop_at(os.environ["CLOACA_TEST_STOP"])
    _versioned(REGISTRY)
    _renewed("continue", REGISTRY)
    _renewed("fail", REGISTRY)
    if "executors" in settings:
        importlib.import_module("far_bodies").define(REGISTRY)  # their workers find it by this name
        os.setpgid(0, 0)  # with its workers: a signal to the group is one to all of them
        signal.signal(signal.SIGTERM, _exit)
    if "CLOACA_TEST_CLOCK" in os.environ:
        moved_clock.follow(Path(os.environ["CLOACA_TEST_CLOCK"]))
        signal.signal(signal.SIGTERM, _exit)
    works = settings.pop("works", True)
    config = cloaca.DefaultRunnerConfig(**settings)
    if not works:
        with cloaca.Client(url, config=config, registry=REGISTRY) as client:
            say("ready")
            serve(cast("cloaca.DefaultRunner", client))
        return
    with (
        judged_lives(_broken),
        cloaca.DefaultRunner(url, config=config, registry=REGISTRY) as runner,
    ):
        _opened.set_result(runner)
        say("ready")
        serve(runner)


if __name__ == "__main__":
    main()
