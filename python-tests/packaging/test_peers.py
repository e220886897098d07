"""The comparison with the neighbours: what is read of each, and how the table tells it."""

from __future__ import annotations

from pathlib import Path

from dev import peers
from dev.peers import PEERS, Row
from dev.project import ROOT
from dev.sandbox import Sandbox


def test_the_figure_is_found_among_whatever_an_engine_prints() -> None:
    assert peers.median_in("starting\nmedian_ms 12.345 of 60\nbye\n") == 12.345


def test_an_engine_that_told_no_figure_has_none() -> None:
    assert peers.median_in("Traceback\nmedian_ms is what I wanted to tell") is None


def test_what_was_compiled_by_running_it_was_not_installed(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_bytes(b"0" * 2_000_000)
    (tmp_path / "a.pyc").write_bytes(b"0" * 9_000_000)
    (tmp_path / "link.py").symlink_to(tmp_path / "a.py")
    assert peers.megabytes(Sandbox(tmp_path)) == 2.0


def test_what_could_not_be_measured_is_left_out_of_the_table() -> None:
    rows = [Row("slow", 139.4, 866.4, 1495.7, None), Row("small", 0.84, 89.2, 1.07, 0.26)]
    assert peers.table(rows).splitlines()[2:] == [
        "| slow | 139 MB | 866 ms | 1496 ms | - |",
        "| small | 0.8 MB | 89 ms | 1.1 ms | 0.3 ms |",
    ]


def test_each_engine_has_its_adapter_and_a_database() -> None:
    folder = ROOT / "benchmarks" / "peers"
    assert [each.name for each in PEERS if not (folder / f"{each.module}.py").exists()] == []
    assert [each.name for each in PEERS if not (each.sqlite or each.postgres)] == []
