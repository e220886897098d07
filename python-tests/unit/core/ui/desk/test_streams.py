"""Live streams are counted while they are open."""

from __future__ import annotations

import pytest

from cloaca_core.ui.desk.streams import Streams


def test_there_are_many_while_so_many_are_open() -> None:
    streams = Streams(most=2)
    seen = []
    with streams.one():
        seen.append(streams.are_many)
        with streams.one():
            seen.append(streams.are_many)
        seen.append(streams.are_many)

    assert seen == [False, True, False]


def test_a_stream_that_breaks_is_open_no_more() -> None:
    streams = Streams(most=1)
    with pytest.raises(RuntimeError), streams.one():
        raise RuntimeError
    assert not streams.are_many
