"""``cloaca worker``: executes runs until a signal comes.

The first signal drains: nothing more is claimed, and bodies have the grace period to end. So does
``cloaca runners drain`` from elsewhere. The second signal ends the worker at once; other runners
take over what it leaves.

With ``--reload`` a change of the program's files drains as well, and the worker begins anew.
"""

from __future__ import annotations

import gc
import os
import signal
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from pathlib import Path
from queue import SimpleQueue
from threading import Event
from types import FrameType
from typing import TYPE_CHECKING, Any, Final, NoReturn

import click

from cloaca_core.errors import CloacaError, MissingExtraError, RunnerClosedError
from cloaca_tools.cli import exits
from cloaca_tools.cli.output import note, write_file
from cloaca_tools.cli.services import systemd
from cloaca_tools.cli.where import BrokenProgram, Where, app_options, opened, pass_where

if TYPE_CHECKING:
    from cloaca_core.definition.registry import Registry
    from cloaca_core.settings import Queues
    from cloaca_tools.cli.services.endpoints import Probes
    from cloaca_tools.cli.services.reload import Watch
    from cloaca_tools.cli.services.watched_runner import Worker

_BROKEN: Final = 0
"""In place of a signal: the engine has died."""
_ASKED: Final = -1
"""In place of a signal: another program has asked the worker to leave."""
_CHANGED: Final = -2
"""In place of a signal: files of the program have changed."""

COLLECT_AFTER: Final = 20_000
"""New objects after which Python looks for garbage among them; few of those of a run need it."""
_USUAL: Final = gc.get_threshold()
"""Before the program was imported, which may set thresholds of its own."""


@click.command("worker")
@click.option(
    "--health",
    "port",
    type=click.IntRange(0, 65535),
    metavar="PORT",
    help="Answer /health, /ready and /metrics on this port of 127.0.0.1; 0 is any.",
)
@click.option(
    "--queues",
    metavar="NAME[=N],…",
    help="Run only tasks of these queues; N is how many runs at once may have such a task here.",
)
@click.option("--ready-file", metavar="FILE", help="A file that is there while it claims runs.")
@click.option("--reload", is_flag=True, help="For development: begin anew when files change.")
@app_options
@pass_where
@click.pass_context
def command(
    ctx: click.Context,
    where: Where,
    port: int | None,
    queues: str | None,
    ready_file: str | None,
    reload: bool,
) -> None:
    """Execute runs of the workflows that -A defines, and fire their schedules and triggers.

    The first SIGTERM or Ctrl-C drains, as does `cloaca runners drain` from elsewhere: no more runs
    are claimed, and bodies have shutdown_grace_seconds to end. The second signal ends the worker at
    once. Its other settings come from variables and files: see `cloaca config show`.

    With --reload it drains as well when a Python file changes below the working directory or in the
    package of -A, and begins anew with the new code. No variable and no file switches that on.
    """
    signals = Signals()
    watch = _watch(where) if reload else None
    registry = where.needed_registry() if watch is None else _registry(where, watch)
    try:
        _execute(where, registry, signals, port, ready_file, watch, _queues(queues))
    except KeyboardInterrupt:
        note("Ended at once; other runners take over what was under way.")
        ctx.exit(exits.INTERRUPTED)
    if signals.begins_anew:
        _begin_anew()


def _execute(
    where: Where,
    registry: Registry,
    signals: Signals,
    port: int | None,
    ready_file: str | None,
    watch: Watch | None,
    queues: Mapping[str, int | None] | None,
) -> None:
    """Work until the first signal and its grace period are over."""
    from cloaca_tools.cli.services.watched_runner import Worker

    url, schema = where.url(), where.schema_name()
    with (
        signals.caught(),
        seldom_collecting(),
        opened(lambda: Worker(url, schema=schema, registry=registry, queues=queues)) as runner,
        nullcontext() if watch is None else watch.telling(signals.changed),
    ):
        try:
            _work(runner, signals, port, ready_file)
        except KeyboardInterrupt:  # perhaps before the shutdown has begun
            runner.hurry()
            raise


def _queues(text: str | None) -> Mapping[str, int | None] | None:
    """The queues of the option, checked as the setting is."""
    if text is None:
        return None
    from cloaca_core.config import DefaultRunnerConfig

    setting: Queues = vars(DefaultRunnerConfig)["queues"]
    return setting.checked(setting.parsed(text), "--")


@contextmanager
def seldom_collecting() -> Iterator[None]:
    """Have Python look for garbage less often within the block, unless the program has decided
    that: the process is the worker's own.
    """
    before = gc.get_threshold()
    if before == _USUAL:
        gc.set_threshold(COLLECT_AFTER, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _watch(where: Where) -> Watch:
    from cloaca_tools.cli.services.reload import Watch, places_of

    return Watch(places_of(where.app_name()))


def _registry(where: Where, watch: Watch) -> Registry:
    """The registry of the program. While its code cannot be imported, wait for the next change."""
    try:
        registry = where.needed_registry()
    except (BrokenProgram, CloacaError) as error:
        note(str(error))
        note("The program cannot be imported; the worker begins anew when a file changes.")
        note(f"{watch.wait(_pause)} has changed.")
        _begin_anew()
    return registry


def _pause() -> bool:
    from cloaca_tools.cli.services.reload import INTERVAL

    return Event().wait(INTERVAL)


def _begin_anew() -> NoReturn:
    from cloaca_tools.cli.services.reload import begin_anew

    begin_anew()


class Signals:
    """Notes the first signal to drain; raises KeyboardInterrupt for each later one.

    The wait reads from a socket, to which the interpreter writes as a signal comes: a wait for a
    lock would miss one that comes just before it begins.
    """

    def __init__(self) -> None:
        # Only its put may interrupt itself, as a signal handler does.
        self._came: SimpleQueue[int] = SimpleQueue()
        self._sockets: tuple[socket.socket, socket.socket] | None = None
        self._has_come: bool = False
        self._must_end: bool = False
        self._code_has_changed: bool = False
        self.draining: bool = False

    @property
    def begins_anew(self) -> bool:
        """Whether the worker drains for a change of its code, and has not been asked to end."""
        return self._code_has_changed and not self._must_end

    @contextmanager
    def caught(self) -> Iterator[None]:
        """Take the signals within the block."""
        bell, ringer = socket.socketpair()
        with bell, ringer:
            ringer.setblocking(False)
            self._sockets = bell, ringer
            before = {each: signal.signal(each, self._take) for each in _signals()}
            rung = signal.set_wakeup_fd(ringer.fileno(), warn_on_full_buffer=False)
            try:
                yield
            finally:
                signal.set_wakeup_fd(rung)
                for each, handler in before.items():
                    signal.signal(each, handler)

    def _take(self, number: int, _: FrameType | None) -> None:
        if self._has_come:
            raise KeyboardInterrupt
        self._has_come = self._must_end = self.draining = True
        self._came.put(number)

    def asked(self) -> None:
        """Another program has asked the worker to leave: the next signal is the first one yet."""
        self._must_end = self.draining = True
        self._note(_ASKED)

    def changed(self, file: str) -> None:
        """A file of the program has changed: the next signal is the first one yet."""
        note(f"{file} has changed.")
        self._code_has_changed = self.draining = True
        self._note(_CHANGED)

    def broken(self) -> None:
        """The engine has died: there is nothing to wait for."""
        self._note(_BROKEN)

    def _note(self, reason: int) -> None:
        self._came.put(reason)
        if self._sockets is not None:
            with suppress(OSError):  # full: what is in it wakes as well; or the worker is over
                self._sockets[1].send(b"\0")

    def wait(self) -> int:
        """Wait within ``caught`` for the first signal, and return it; 0 when the engine has died,
        -1 when another program has asked the worker to leave, -2 when files of the program have
        changed.
        """
        while self._came.empty():
            assert self._sockets is not None
            self._sockets[0].recv(64)
        return self._came.get()


def _signals() -> list[signal.Signals]:
    return [signal.SIGINT, signal.SIGTERM]


def _work(runner: Worker, signals: Signals, port: int | None, ready_file: str | None) -> None:
    """Tell all who want to know that the runner works, and wait for a signal."""
    runner.when_asked_to_leave(signals.asked)
    runner.when_over(signals.broken)
    with ExitStack() as stack:
        if port is not None:
            stack.enter_context(_answering(runner, signals, port))
        with _ready(ready_file):
            note("The worker is ready; Ctrl-C ends it.")
            came = signals.wait()
        if came == _BROKEN:
            return  # the runner raises the reason as it closes
        if came != _ASKED:  # then its shutdown has begun
            with suppress(RunnerClosedError):  # as above, since then
                runner.stop()
        note(_told(came))
        runner.shutdown()


def _told(came: int) -> str:
    if came == _CHANGED:
        return "It begins anew: no more runs are claimed; two signals end it at once."
    if came == _ASKED:
        return "Asked to leave: no more runs are claimed; two signals end it at once."
    return f"{signal.Signals(came).name}: no more runs are claimed; again ends it at once."


@contextmanager
def _answering(runner: Worker, signals: Signals, port: int) -> Iterator[None]:
    from cloaca_tools.cli.services.endpoints import LOOPBACK, served

    with served(port, _probes(runner, signals)) as chosen:
        note(f"http://{LOOPBACK}:{chosen}/health")
        yield


def _probes(runner: Worker, signals: Signals) -> Probes:
    from cloaca_tools.cli.services.endpoints import PATIENCE, Probes

    def is_ready() -> bool:
        return not signals.draining

    def health() -> dict[str, Any]:
        if signals.draining:  # a runner that shuts down takes no calls
            return {"draining": True}
        return runner.health_within(PATIENCE)

    return Probes(health, is_ready, _metrics(runner))


def _metrics(runner: Worker) -> Callable[[], str] | None:
    """The text for Prometheus, counted from now on; None where the extra is not installed."""
    from cloaca_core.client.metrics import render

    try:
        render(runner)
    except MissingExtraError:
        return None
    return lambda: render(runner)


@contextmanager
def _ready(file: str | None) -> Iterator[None]:
    """Say that the worker claims runs, within the block: to systemd, and by a file."""
    if file is not None:
        write_file(file, f"{os.getpid()}\n")
    systemd.tell("READY=1", f"MAINPID={os.getpid()}")
    try:
        yield
    finally:
        systemd.tell("STOPPING=1")
        if file is not None:
            Path(file).unlink(missing_ok=True)
