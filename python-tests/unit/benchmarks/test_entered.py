"""The way of a call, as a reader opens its files."""

from __future__ import annotations

from benchmarks.entered import Call, _counted, _lines

WAY = [Call("/x/src/p/a.py", "A.f"), Call("/x/src/p/a.py", "g"), Call("/x/src/p/b.py", "h")] * 2


def test_a_move_leads_to_another_file() -> None:
    files, moves, calls = _counted(WAY)
    assert (files, moves) == (2, 3)
    assert calls == WAY


def test_each_file_is_listed_once_with_the_moves_to_it_and_its_functions() -> None:
    assert list(_lines(WAY)) == ["   2 p/a.py: A.f x2, g x2", "   2 p/b.py: h x2"]
