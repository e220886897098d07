"""A worker's lines are sent as they come, and all of them are in its answer."""

from __future__ import annotations

import json
import logging
import threading
from pathlib import Path

import pytest
from unit.core.features.executors.remote.heard import Heard

from cloaca_core.features.executors.remote import worker_log as module
from cloaca_core.features.executors.remote.call import RemoteCall
from cloaca_core.features.executors.remote.line_socket import LineSocket, Sender, SentLines
from cloaca_core.features.executors.remote.worker_log import WorkerLog
from cloaca_core.features.task_logs.task_log import PART_LINES

CALL = RemoteCall(
    module="m",
    function="f",
    is_async=False,
    wants_handle=True,
    run_id="r",
    task_id="t",
    number=1,
    epoch=1,
    cancel_file="/nowhere/r-0-1",
    log_level=logging.INFO,
)


def put(log: WorkerLog, *messages: str) -> None:
    for message in messages:
        log.log(message, "INFO", 20, {})


def texts(sent: SentLines) -> list[tuple[int, str]]:
    return [(number, json.loads(line)[3]) for number, line in sent.lines]


def test_all_lines_are_in_the_answer() -> None:
    log = WorkerLog(CALL)
    put(log, "a", "b")
    log.log("c", "DEBUG", 10, {})
    log.tell(1, 2, "x")

    sent = log.close()

    assert texts(sent) == [(1, "a"), (2, "b")]
    assert sent.told is not None
    assert sent.told[:3] == (1, 2, "x")


def test_the_text_of_progress_is_left_to_its_runner_to_cut() -> None:
    """It hides secrets first, of which a part might be left."""
    log = WorkerLog(CALL)
    log.tell(1, 2, "x" * 5_000)

    told = log.close().told

    assert told is not None
    assert told.detail == "x" * 4_000


def test_a_line_after_the_end_is_not_kept() -> None:
    log = WorkerLog(CALL)
    log.close()
    put(log, "a")

    assert not any(log.close())


def test_of_very_many_the_first_and_the_last_are() -> None:
    log = WorkerLog(CALL)
    put(log, *["a"] * (2 * PART_LINES + 10))

    numbers = [number for number, _ in log.close().lines]

    assert numbers[:PART_LINES] == list(range(1, PART_LINES + 1))
    assert numbers[PART_LINES:] == list(range(PART_LINES + 11, 2 * PART_LINES + 11))


def test_lines_are_sent_as_they_come(tmp_path: Path) -> None:
    lines = LineSocket(tmp_path / "lines")
    came = Heard()
    lines.on("r-0-1", came)
    log = WorkerLog(CALL._replace(cancel_file=str(tmp_path / "r-0-1")))

    put(log, "a")
    log.tell(1, None, None)
    put(log, "b")
    lines.sync("r-0-1")

    assert [texts(each) for each in came.lines] == [[(1, "a")], [], [(2, "b")]]
    assert came.lines[1].told is not None
    assert texts(log.close()) == [(1, "a"), (2, "b")]
    lines.close()


def test_lines_that_could_not_be_sent_go_with_the_next_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = LineSocket(tmp_path / "lines")
    came = Heard()
    lines.on("r-0-1", came)
    log = WorkerLog(CALL._replace(cancel_file=str(tmp_path / "r-0-1")))
    with monkeypatch.context() as patch:
        patch.setattr(Sender, "send", _is_full)
        put(log, "a")

    put(log, "b")
    lines.sync("r-0-1")

    assert [texts(each) for each in came.lines] == [[(1, "a"), (2, "b")]]
    log.close()
    lines.close()


def test_a_body_that_logs_nothing_needs_no_socket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines, opened = LineSocket(tmp_path / "lines"), list[Path]()
    monkeypatch.setattr(module, "_sender_to", opened.append)
    log = WorkerLog(CALL._replace(cancel_file=str(tmp_path / "r-0-1")))
    assert opened == []
    put(log, "a", "b")  # it finds none, and looks no further

    assert opened == [tmp_path / "lines"]
    log.close()
    lines.close()


def test_after_too_many_of_them_they_come_with_the_answer_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or the runner would take later lines for all that there were."""
    monkeypatch.setattr(module, "_MOST_UNSENT", 2)
    lines = LineSocket(tmp_path / "lines")
    came = Heard()
    lines.on("r-0-1", came)
    log = WorkerLog(CALL._replace(cancel_file=str(tmp_path / "r-0-1")))
    with monkeypatch.context() as patch:
        patch.setattr(Sender, "send", _is_full)
        put(log, "a", "b", "c")

    put(log, "d")
    lines.sync("r-0-1")

    assert came.lines == []
    assert [number for number, _ in log.close().lines] == [1, 2, 3, 4]
    lines.close()


def test_on_another_host_nothing_is_sent(tmp_path: Path) -> None:
    (tmp_path / "lines").touch()  # a file of others, and no socket
    log = WorkerLog(CALL._replace(cancel_file=str(tmp_path / "r-0-1")))
    put(log, "a")

    assert texts(log.close()) == [(1, "a")]


def test_a_runner_that_has_gone_does_not_matter(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    lines = LineSocket(tmp_path / "lines")
    (thread,) = set(threading.enumerate()) - before
    log = WorkerLog(CALL._replace(cancel_file=str(tmp_path / "r-0-1")))
    lines.close()
    thread.join()
    put(log, "a", "b")

    assert texts(log.close()) == [(1, "a"), (2, "b")]


def _is_full(*_: object) -> None:
    raise BlockingIOError
