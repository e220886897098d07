"""A program that reads its own database file, and a log that is deleted beneath it: what was
acknowledged is there, and the file is whole.
"""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

import cloaca
from process.fleet import Fleet, Worker

pytestmark = pytest.mark.backend("sqlite", reason="a server's log is out of a program's reach")

RUNS = 24


def acknowledged(worker: Worker, count: int = RUNS) -> set[str]:
    """Runs that were submitted one after the other, and have ended."""
    worker.tell("one_by_one", "one", count)
    run_ids = worker.hear("submitted")
    worker.tell("results", *run_ids)
    assert worker.hear("results") == ["Completed"]
    return set(run_ids)


def ended(fleet: Fleet) -> set[str]:
    """The runs whose end another process finds, in a file that is whole."""
    assert fleet.query("PRAGMA integrity_check") == [("ok",)]
    return {run_id for (run_id,) in fleet.query("SELECT id FROM cloaca_run WHERE ended_at > 0")}


def read_own_file(worker: Worker) -> None:
    worker.tell("read_file")
    worker.hear("read")


def open_and_close(fleet: Fleet) -> None:
    """As another process, which may take itself for the last one."""
    fleet.query("SELECT count(*) FROM cloaca_run")


def log_files(fleet: Fleet) -> list[Path]:
    path = fleet.url.removeprefix("sqlite://")
    return [Path(f"{path}-wal"), Path(f"{path}-shm")]


def delete(*files: Path) -> None:
    for file in files:
        file.unlink()


def test_a_program_may_read_its_own_file(fleet: Fleet) -> None:
    """The next process that closes the file must not take itself for the last one."""
    worker = fleet.start()
    before = acknowledged(worker, 4)
    read_own_file(worker)
    open_and_close(fleet)

    after = acknowledged(worker)

    worker.kill()
    assert ended(fleet) == before | after


def test_it_may_do_so_while_others_come_and_go(fleet: Fleet) -> None:
    worker = fleet.start()
    worker.tell("one_by_one", "one", 10 * RUNS)
    for _ in range(10):
        open_and_close(fleet)
    run_ids = worker.hear("submitted")
    for _ in range(10):
        read_own_file(worker)
        worker.tell("one_by_one", "one", RUNS)
        for _ in range(10):
            open_and_close(fleet)
        run_ids += worker.hear("submitted")

    worker.kill()
    kept = {run_id for (run_id,) in fleet.query("SELECT id FROM cloaca_run")}

    assert kept == set(run_ids)
    assert fleet.query("PRAGMA integrity_check") == [("ok",)]


def test_an_orderly_end_after_that_leaves_one_file(fleet: Fleet) -> None:
    worker = fleet.start()
    read_own_file(worker)
    runs = acknowledged(worker)
    assert worker.end() == (0, "")

    assert not any(file.exists() for file in log_files(fleet))
    assert ended(fleet) == runs


@pytest.mark.parametrize("number", [0, 1, 2], ids=["both", "log", "index"])
def test_a_log_that_is_deleted_takes_nothing_with_it(fleet: Fleet, number: int) -> None:
    """Neither what was acknowledged before nor what is afterwards."""
    worker = fleet.start()
    before = acknowledged(worker)
    delete(*[file for index, file in enumerate(log_files(fleet), 1) if number in (0, index)])

    after = acknowledged(worker)

    worker.kill()
    assert ended(fleet) == before | after


def test_nor_does_it_with_several_processes(fleet: Fleet) -> None:
    workers = [fleet.start() for _ in range(2)]
    runs = {run_id for worker in workers for run_id in acknowledged(worker)}
    delete(*log_files(fleet))

    for worker in workers:
        worker.tell("one_by_one", "one", RUNS)
    run_ids = [run_id for worker in workers for run_id in worker.hear("submitted")]
    for worker in workers:
        worker.tell("results", *run_ids)
        assert worker.hear("results") == ["Completed"]

    for worker in workers:
        worker.kill()
    assert ended(fleet) == runs | set(run_ids)


def test_a_deletion_before_an_orderly_end_takes_nothing_with_it(fleet: Fleet) -> None:
    worker = fleet.start()
    runs = acknowledged(worker)
    delete(*log_files(fleet))

    assert worker.end() == (0, "")

    assert ended(fleet) == runs


def test_a_file_that_is_emptied_is_noticed_and_its_log_is_not_deleted(fleet: Fleet) -> None:
    worker = fleet.start()
    acknowledged(worker)
    path, (log, _) = Path(fleet.url.removeprefix("sqlite://")), log_files(fleet)
    path.write_bytes(b"")

    assert "the file was emptied or cut short" in worker.refusal()

    worker.kill()
    before = log.read_bytes()
    with pytest.raises(cloaca.StoreOpenError, match=r"it is empty, but .* beside it is not"):
        cloaca.DefaultRunner(fleet.url)
    assert (path.read_bytes(), log.read_bytes()) == (b"", before)


def test_work_of_another_log_is_not_written_over(fleet: Fleet) -> None:
    """Other processes go on with a log of their own, while one that has lost its log stands still:
    it may lose what only its own log had, and nothing of theirs.
    """
    lone = fleet.start(hold=["b"])
    lone.submit("chain")  # what keeps it busy when it wakes up
    lone.hear("holding")
    lone.tell("freeze")  # between its writes: who stops in one keeps the others out
    lone.await_stop()
    delete(*log_files(fleet))
    other = fleet.start()
    theirs = acknowledged(other, 300)  # more than fits in a log that is not folded

    lone.signal(signal.SIGCONT)
    lone.tell("release")
    mine = acknowledged(lone)

    other.kill()
    lone.kill()
    assert ended(fleet) >= theirs | mine
