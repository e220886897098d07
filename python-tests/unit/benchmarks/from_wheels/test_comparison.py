"""The comparison with the neighbours: whose turn it is, and what is read of each."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks.from_wheels import comparison
from benchmarks.from_wheels.peers import PEERS, Peer
from benchmarks.from_wheels.table import Pair
from dev.environments.sandbox import Sandbox


def test_the_figure_is_found_among_whatever_an_engine_prints() -> None:
    assert comparison.median_in("starting\nmedian_ms 12.345 of 60\nbye\n") == 12.345


def test_an_engine_that_told_no_figure_has_none() -> None:
    assert comparison.median_in("Traceback\nmedian_ms is what I wanted to tell") is None


def test_the_first_result_is_found_likewise() -> None:
    assert comparison.first_in("starting\nfirst_result_at 1639.624210\nbye\n") == 1639.62421
    assert comparison.first_in("first_result_at last") is None


def test_each_engine_has_a_turn_in_each_round() -> None:
    boxes = [(peer, Sandbox(Path())) for peer in PEERS]
    turns: list[str] = []

    def once(peer: Peer, _: Sandbox) -> Pair:
        turns.append(peer.name)
        return float(len(turns)), None

    found = comparison._in_turns(boxes, 2, once)

    names = sorted(peer.name for peer in PEERS)
    count = len(names)
    assert [sorted(turns[:count]), sorted(turns[count:])] == [names, names]
    for peer, pairs in found.items():
        assert [turns[round(ms or 0) - 1] for ms, _ in pairs] == [peer.name] * 2


def test_an_engine_that_needs_a_newer_python_is_left_out_and_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 11, 7))
    assert "Oban for Python" not in [each.name for each in comparison._fitting()]
    assert "Oban for Python: left out, it needs Python 3.12" in capsys.readouterr().out
    monkeypatch.setattr(sys, "version_info", (3, 12, 0))
    assert comparison._fitting() == list(PEERS)


def test_what_was_compiled_by_running_it_was_not_installed(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_bytes(b"0" * 2_000_000)
    (tmp_path / "a.pyc").write_bytes(b"0" * 9_000_000)
    (tmp_path / "link.py").symlink_to(tmp_path / "a.py")
    assert comparison.megabytes(Sandbox(tmp_path)) == 2.0
